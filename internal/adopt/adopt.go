package adopt

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// Config says what to adopt and how gently.
type Config struct {
	// DB connects as the owner of the tables, directly or through a pooler in session mode.
	DB *sql.DB
	// SearchPath finds the tables.
	SearchPath string
	// Online are the tables and the keys.
	Online tables.Online
	// Batch is the most rows that are given their tenant in one transaction: fewer where the server is slow, so that
	// nobody waits for long. Defaults to 1,000.
	Batch int
	// Pause is the time between batches. Defaults to none.
	Pause time.Duration
	// LockTimeout bounds how long a change waits for a strong lock, with writers behind it, and how long any statement
	// takes while it holds one. Defaults to 80 ms.
	LockTimeout time.Duration
	// Progress is told what is about to be done and what has been. An error of it stops the run. Defaults to silence.
	Progress func(Event) error
}

// Event is what Progress is told.
type Event struct {
	// Step is the step that the change is a part of.
	Step tables.Step
	// Table is the table, quoted and with its schema.
	Table string
	// Statement is about to be run, or has been where Done is set.
	Statement string
	Done      bool
	// Rows have been read so far by a backfill, of an estimated Total.
	Rows, Total int64
	// Waited is how long a change has waited for a strong lock, and Held how long it has held it.
	Waited, Held time.Duration
	// Retry is why the statement is tried again, where it is.
	Retry error
}

const (
	defaultBatch       = 1000
	defaultLockTimeout = 80 * time.Millisecond
	// maxRounds is how often the catalog is looked at before giving up on somebody who changes it back.
	maxRounds = 3
)

func (c Config) withDefaults() Config {
	c.Batch = cmp.Or(c.Batch, defaultBatch)
	c.LockTimeout = cmp.Or(c.LockTimeout, defaultLockTimeout)
	if c.Progress == nil {
		c.Progress = func(Event) error { return nil }
	}
	return c
}

// Forward takes tables to a step, after it has looked whether each of their rows will find its tenant. Errors are
// *tables.TableError, ErrRunning, ErrUnsettled, and those of PostgreSQL and of Config.Progress.
func Forward(ctx context.Context, config Config, to tables.Step) error {
	return run(ctx, config, func(p *tables.Plan) []tables.Change { return p.Forward(to) }, true)
}

// Back takes tables back to a step. Errors are those of Forward.
func Back(ctx context.Context, config Config, to tables.Step) error {
	return run(ctx, config, func(p *tables.Plan) []tables.Change { return p.Back(to) }, false)
}

// run plans and takes changes until none is left.
func run(ctx context.Context, config Config, plan func(*tables.Plan) []tables.Change, checked bool) (err error) {
	s, err := openAlone(ctx, config.withDefaults())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if checked {
		if err := s.check(ctx); err != nil {
			return err
		}
	}
	for round := range maxRounds {
		p, err := s.plan(ctx)
		if err != nil {
			return err
		}
		changes := plan(p)
		if round > 0 && !lasting(changes) {
			return nil
		}
		for _, c := range changes {
			if err := s.take(ctx, c); err != nil {
				return err
			}
		}
	}
	return ErrUnsettled
}

// lasting reports whether there is something to do that does not show in the catalog alone. Whether rows are filled
// does not.
func lasting(changes []tables.Change) bool {
	for _, c := range changes {
		if c.Kind != tables.Filling {
			return true
		}
	}
	return false
}

// check asks the rows of tables that have no tenants yet. It writes and locks nothing.
func (s *session) check(ctx context.Context) error {
	p, err := s.plan(ctx)
	if err != nil {
		return err
	}
	errs := []error{p.Rootless()}
	for _, c := range p.Checks() {
		if err := s.config.Progress(Event{Table: c.Table, Statement: c.Count}); err != nil {
			return err
		}
		var rows int64
		if err := s.conn.QueryRowContext(ctx, c.Count).Scan(&rows); err != nil {
			return fmt.Errorf("stratum: table %s: looking at its keys: %w", c.Table, err)
		}
		if rows > 0 {
			errs = append(errs, c.Refused(rows, fmt.Sprintf(c.Finding, rows)))
		}
	}
	return errors.Join(errs...)
}
