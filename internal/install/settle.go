package install

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	attempts   = 20
	looks      = 3
	firstPause = 10 * time.Millisecond
	maxPause   = time.Second
)

// look reads the facts, and what the plan's steps lack. That something is lacking is looked at again before it is
// believed: a role that another database's Migrate has just made can be seen a moment before the right to grant it.
func (m migrator) look(ctx context.Context) (f facts, missing []Missing, err error) {
	for look := range looks {
		if look > 0 {
			if err := wait(ctx, firstPause); err != nil {
				return facts{}, nil, err
			}
		}
		f, err = readFacts(ctx, m.q, m.plan.roles, m.plan.logins())
		if err != nil {
			return facts{}, nil, err
		}
		missing = refusedSteps(m.plan.steps(f))
		if len(missing) == 0 {
			break
		}
	}
	return f, missing, nil
}

// settle does the plan's steps until none is left. Roles belong to the cluster and the lock to one database, so
// another database's Migrate may be making the same ones: whoever loses such a race looks again after a pause.
func (m migrator) settle(ctx context.Context) error {
	var last error
	pause := firstPause
	for range attempts {
		f, missing, err := m.look(ctx)
		if err != nil {
			return err
		}
		// Not only at first: somebody else may have made a role meanwhile that this login may not grant.
		if len(missing) > 0 {
			return &PrivilegeError{Login: f.Login, Missing: missing}
		}
		steps := m.plan.steps(f)
		if len(steps) == 0 {
			return nil
		}
		last = m.do(ctx, steps)
		if last == nil {
			last = fmt.Errorf("%w: %s", errDidNotSettle, steps[0].sql)
			continue
		}
		if !isRace(last) {
			return last
		}
		if err := wait(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, maxPause)
	}
	return last
}

// do runs the steps on a connection of their own, each in a transaction of its own.
func (m migrator) do(ctx context.Context, steps []step) error {
	for _, s := range steps {
		if _, err := m.options.Owner.ExecContext(ctx, s.sql); err != nil {
			return fmt.Errorf("stratum: %s: %w", s.sql, err)
		}
		m.options.Logger.DebugContext(ctx, "stratum: done", "sql", s.sql)
	}
	return nil
}

// isRace says whether err comes from a concurrent change of the same role, grant or extension.
func isRace(err error) bool {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return false
	}
	switch pgErr.Code {
	case "23505", "42710", "42P06", "40P01", "40001": // unique index of a catalog, duplicate object or schema, deadlock
		return true
	case "XX000": // internal errors are not translated
		return strings.HasPrefix(pgErr.Message, "tuple concurrently ")
	}
	return false
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
