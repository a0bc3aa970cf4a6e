package provision

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"

	"github.com/stratum-hq/stratum-go/internal/shape"
	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// ReadModel reads the shared tables of the registry's database, as they were declared by the last migration.
func ReadModel(ctx context.Context, tx *sql.Tx) (shape.Model, error) {
	specs, err := readSpecs(ctx, tx)
	if err != nil {
		return shape.Model{}, err
	}
	if len(specs) == 0 {
		return shape.Model{}, ErrNoModel
	}
	return shape.ReadModel(ctx, tx, specs)
}

func readSpecs(ctx context.Context, tx *sql.Tx) ([]shape.Spec, error) {
	rows, err := tx.QueryContext(ctx, `SELECT table_schema, table_name, class, coalesce(tenant_column, '')
		FROM stratum.tables WHERE class <> 'external' ORDER BY table_schema, table_name`)
	if err != nil {
		return nil, fmt.Errorf("stratum: reading the declared tables: %w", err)
	}
	defer func() { _ = rows.Close() }() // Err tells
	var specs []shape.Spec
	for rows.Next() {
		var s shape.Spec
		if err := rows.Scan(&s.Schema, &s.Name, &s.Class, &s.TenantColumn); err != nil {
			return nil, fmt.Errorf("stratum: reading the declared tables: %w", err)
		}
		specs = append(specs, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("stratum: reading the declared tables: %w", err)
	}
	return specs, nil
}

// LimitShared keeps the sequences of the registry's shared tables in the range that is theirs. It issues DDL once.
func LimitShared(ctx context.Context, tx *sql.Tx, model shape.Model) error {
	for _, t := range model.Shape.Tables {
		for _, s := range t.Sequences {
			most := int64(bigHome)
			if t.ColumnType(s.Column) == "integer" {
				most = intHome
			}
			if s.Max <= most || s.Increment < 0 {
				continue
			}
			name := sqltext.Quote(t.Schema, s.Name)
			var last int64
			if err := tx.QueryRowContext(ctx, "SELECT last_value FROM "+name).Scan(&last); err != nil {
				return fmt.Errorf("stratum: sequence %s: %w", name, err)
			}
			if last > most {
				return fmt.Errorf("%w: %s", ErrKeysSpent, name)
			}
			_, err := tx.ExecContext(ctx, "ALTER SEQUENCE "+name+" MAXVALUE "+strconv.FormatInt(most, 10))
			if err != nil {
				return fmt.Errorf("stratum: sequence %s: %w", name, err)
			}
		}
	}
	return nil
}
