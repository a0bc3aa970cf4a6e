package adopt

import (
	"context"
	"errors"
	"fmt"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// Status is how far a table has come.
type Status struct {
	// Table is the table, quoted and with its schema.
	Table string
	// Step is the last step of which nothing is missing.
	Step tables.Step
	// Next is the first statement of what is missing, or empty.
	Next string
}

// Report says which table is at which step. It reads the rows of tables between Expanded and Validated.
func Report(ctx context.Context, config Config) (report []Status, err error) {
	s, err := open(ctx, config.withDefaults())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	p, err := s.plan(ctx)
	if err != nil {
		return nil, err
	}
	names, changes := p.Names(), p.Forward(tables.Sealed)
	for _, name := range names {
		status, err := s.status(ctx, name, changes)
		if err != nil {
			return nil, err
		}
		report = append(report, status)
	}
	return report, nil
}

// status looks for the first change of a table that is missing.
func (s *session) status(ctx context.Context, table string, changes []tables.Change) (Status, error) {
	for _, c := range changes {
		if c.Table != table {
			continue
		}
		if c.Kind == tables.Filling {
			var open bool
			query := "SELECT EXISTS (SELECT FROM " + table + " WHERE " + c.Fill.Column + " IS NULL)"
			if err := s.conn.QueryRowContext(ctx, query).Scan(&open); err != nil {
				return Status{}, fmt.Errorf("stratum: table %s: looking for rows without a tenant: %w", table, err)
			}
			if !open {
				continue
			}
		}
		return Status{Table: table, Step: c.Step - 1, Next: c.Statements[0]}, nil
	}
	return Status{Table: table, Step: tables.Sealed}, nil
}
