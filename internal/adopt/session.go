package adopt

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// session is a connection of the owner with settings of its own. It is closed afterwards and never goes back to a pool.
type session struct {
	config Config
	conn   *sql.Conn
}

// lockSQL keeps a second adoption out until the session ends. The key is in the space of two-integer keys, apart from
// those of stratum.enter, of the tree and of Migrate. It waits a moment: the server may not have noticed yet that the
// last one was killed.
const lockSQL = "SET lock_timeout = '1s'; SELECT pg_catalog.pg_advisory_lock(1937011297, 1633972324); " +
	"SET lock_timeout = 0"

// openAlone connects and keeps other adoptions out.
func openAlone(ctx context.Context, config Config) (*session, error) {
	s, err := open(ctx, config)
	if err != nil {
		return nil, err
	}
	if _, err = s.exec(ctx, lockSQL); err == nil {
		return s, nil
	}
	if passes(err) {
		err = ErrRunning
	}
	return nil, errors.Join(err, s.close())
}

// open connects. Time limits that the login has by itself are for statements of an application.
func open(ctx context.Context, config Config) (*session, error) {
	conn, err := config.DB.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("stratum: connecting as the owner: %w", err)
	}
	s := &session{config: config, conn: conn}
	_, err = s.exec(ctx, "SET lock_timeout = 0; SET statement_timeout = 0; "+
		"SET idle_in_transaction_session_timeout = 0; SET stratum.owner = 'migrate'; "+
		"SET default_transaction_isolation = 'read committed'; "+
		"SELECT pg_catalog.set_config('search_path', "+quoteText(config.SearchPath)+", false)")
	if err != nil {
		err = fmt.Errorf("stratum: preparing the owner's connection: %w", err)
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func quoteText(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// close ends the connection: with ErrBadConn its pool throws it away.
func (s *session) close() error {
	_ = s.conn.Raw(func(any) error { return driver.ErrBadConn })
	if err := s.conn.Close(); err != nil && !errors.Is(err, sql.ErrConnDone) {
		return fmt.Errorf("stratum: closing the owner's connection: %w", err)
	}
	return nil
}

// exec sends statements as one message and returns their results. A network between would else be part of how long
// locks are held.
func (s *session) exec(ctx context.Context, statements string) (results []*pgconn.Result, err error) {
	var failed error // kept apart, because database/sql would throw the connection away for some errors
	err = s.conn.Raw(func(raw any) error {
		conn, ok := raw.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("stratum: the owner's pool is of another driver than pgx: %T", raw)
		}
		results, failed = conn.Conn().PgConn().Exec(ctx, statements).ReadAll()
		return nil
	})
	return results, errors.Join(err, failed)
}

// plan looks at the catalog.
func (s *session) plan(ctx context.Context) (p *tables.Plan, err error) {
	tx, err := s.conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return nil, fmt.Errorf("stratum: reading the catalog: %w", err)
	}
	p, err = s.config.Online.New(ctx, tx)
	return p, errors.Join(err, tx.Rollback())
}

// Backoff between attempts. It ends only with ctx: what is in the way may be a backup that takes hours.
const (
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 2 * time.Second
)

// take makes a change, again and again as long as what is in its way passes.
func (s *session) take(ctx context.Context, c tables.Change) error {
	event := Event{Step: c.Step, Table: c.Table, Statement: strings.Join(c.Statements, ";\n")}
	for wait := firstBackoff; ; wait = min(2*wait, lastBackoff) {
		// Filling tells of each batch itself, and of nothing where each row has its tenant.
		if c.Kind != tables.Filling {
			if err := s.config.Progress(event); err != nil {
				return err
			}
		}
		done, err := s.attempt(ctx, c)
		if err == nil {
			event.Done, event.Retry, event.Waited, event.Held = true, nil, done.waited, done.held
			return s.config.Progress(event)
		}
		if err = s.clean(ctx, c, err); ctx.Err() != nil || !passes(err) {
			return c.Refused(err)
		}
		event.Retry = err
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

// clean takes back what a failed change has left, so that it is in no writer's way.
func (s *session) clean(ctx context.Context, c tables.Change, err error) error {
	if c.Kind == tables.Brief || c.Kind == tables.Lockless {
		_, rollback := s.exec(ctx, "ROLLBACK")
		return errors.Join(err, rollback)
	}
	if c.Undo != "" && ctx.Err() == nil {
		_, undo := s.exec(ctx, c.Undo)
		return errors.Join(err, undo)
	}
	return err
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, wait time.Duration) error {
	if wait == 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// locked is what a change with strong locks has cost its neighbours.
type locked struct{ waited, held time.Duration }

// attempt makes a change once.
func (s *session) attempt(ctx context.Context, c tables.Change) (locked, error) {
	switch c.Kind {
	case tables.Filling:
		return locked{}, s.fill(ctx, c)
	case tables.Brief:
		results, err := s.exec(ctx, s.config.brief(c))
		if err != nil {
			return locked{}, err
		}
		return costs(results)
	case tables.Lockless, tables.Concurrent, tables.Validating:
	}
	_, err := s.exec(ctx, lockless(c))
	return locked{}, err
}

// lockless are statements that are run as they are: several are a transaction, being one message.
func lockless(c tables.Change) string { return strings.Join(c.Statements, ";\n") }

// autovacuumPatience is longer than deadlock_timeout usually is: by then an autovacuum of the table has been told to
// make way. Writers do not wait for those who wait for this lock.
const autovacuumPatience = 5 * time.Second

// brief is a transaction that waits for its strong locks all at once, so that the time limit holds for all of them
// together, and holds them for catalog changes alone. Its commit does not wait for disk or standby with the locks held:
// if it were lost in a crash, the next run would find it missing.
func (c Config) brief(change tables.Change) string {
	names := strings.Join(change.Locks, ", ")
	limit := fmt.Sprintf("'%dms'", c.LockTimeout.Milliseconds())
	statements := []string{
		"BEGIN", "SET LOCAL synchronous_commit = off",
		fmt.Sprintf("SET LOCAL lock_timeout = '%dms'", autovacuumPatience.Milliseconds()),
		"LOCK TABLE " + names + " IN SHARE UPDATE EXCLUSIVE MODE",
		"SET LOCAL lock_timeout = " + limit, "SET LOCAL statement_timeout = " + limit,
		clockSQL, "LOCK TABLE " + names + " IN " + change.Mode + " MODE", clockSQL,
	}
	statements = append(statements, change.Statements...)
	return strings.Join(append(statements, "COMMIT", clockSQL), ";\n")
}

const clockSQL = "SELECT pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())"

// costs reads the three clocks of a brief change: before it waits, when it has its locks, when it has committed.
func costs(results []*pgconn.Result) (locked, error) {
	var clocks []float64
	for _, r := range results {
		if len(r.FieldDescriptions) == 0 || len(r.Rows) == 0 {
			continue
		}
		var at float64
		if _, err := fmt.Sscan(string(r.Rows[0][0]), &at); err != nil {
			return locked{}, fmt.Errorf("stratum: reading the server's clock: %w", err)
		}
		clocks = append(clocks, at)
	}
	if len(clocks) < 3 {
		return locked{}, pgx.ErrNoRows
	}
	seconds := func(d float64) time.Duration { return time.Duration(d * float64(time.Second)) }
	return locked{seconds(clocks[1] - clocks[0]), seconds(clocks[2] - clocks[1])}, nil
}
