package guard_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/guard"
	"github.com/stratum-hq/stratum-go/internal/pgbouncer"
)

const (
	stormTenants = 6
	stormWorkers = 32
	stormSteps   = 40
	stormRows    = 20
)

// storm is much work of many tenants at once, a third of it canceled somewhere in the middle.
type storm struct {
	h       *handle
	tenants []uuid.UUID
	stmt    *sql.Stmt
}

func newStorm(t *testing.T, h *handle) *storm {
	t.Helper()
	s := &storm{h: h}
	for range stormTenants {
		id := h.tenant("storm")
		s.tenants = append(s.tenants, id)
		h.exec(h.as(id), "INSERT INTO notes (body) SELECT $1 FROM generate_series(1, $2::int)", id.String(), stormRows)
	}
	var err error
	s.stmt, err = h.db.PrepareContext(t.Context(), "SELECT tenant_id, body FROM notes WHERE id > $1")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.stmt.Close()) })
	return s
}

func (s *storm) run(t *testing.T) {
	t.Helper()
	var group errgroup.Group
	for worker := range stormWorkers {
		random := rand.New(rand.NewPCG(7, uint64(worker)))
		group.Go(func() error {
			for range stormSteps {
				if err := s.step(t.Context(), random); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	s.h.settle()
	for _, id := range s.tenants {
		require.Equal(t, strconv.Itoa(stormRows), s.h.count(s.h.as(id)), "what was written was undone")
	}
}

// step does one thing for one tenant. An error that the storm brings about is none of the step.
func (s *storm) step(ctx context.Context, random *rand.Rand) error {
	id := s.tenants[random.IntN(len(s.tenants))]
	ctx = core.WithTenant(ctx, id)
	if random.IntN(3) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(random.IntN(3000))*time.Microsecond)
		defer cancel()
	}
	steps := []func(ctx context.Context, random *rand.Rand, id uuid.UUID) error{
		s.readOnce, s.readPrepared, s.write, s.readOnce, s.fail,
	}
	err := steps[random.IntN(len(steps))](ctx, random, id)
	if err != nil && ctx.Err() != nil && !errors.Is(err, errForeign) {
		return nil // canceled, in whatever words
	}
	return err
}

var errForeign = errors.New("a foreign row")

// own reads rows and looks whose they are.
func own(rows *sql.Rows, err error, id uuid.UUID, enough int) error {
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err has it
	n := 0
	for ; n < enough && rows.Next(); n++ {
		var owner uuid.UUID
		var body string
		if err := rows.Scan(&owner, &body); err != nil {
			return err
		}
		if owner != id || body != id.String() {
			return fmt.Errorf("%w: of %s, marked %s, seen by %s", errForeign, owner, body, id)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if n < min(stormRows, enough) {
		return fmt.Errorf("%d rows, and no error", n)
	}
	return nil
}

func (s *storm) readOnce(ctx context.Context, random *rand.Rand, id uuid.UUID) error {
	rows, err := s.h.db.QueryContext(ctx, "SELECT tenant_id, body FROM notes")
	return own(rows, err, id, 1+random.IntN(2*stormRows))
}

func (s *storm) readPrepared(ctx context.Context, random *rand.Rand, id uuid.UUID) error {
	rows, err := s.stmt.QueryContext(ctx, 0)
	return own(rows, err, id, 1+random.IntN(2*stormRows))
}

// write does it all in a transaction and takes it back.
func (s *storm) write(ctx context.Context, _ *rand.Rand, id uuid.UUID) error {
	tx, err := s.h.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // it is the end either way
	for _, statement := range []string{
		"SELECT pg_advisory_xact_lock_shared(99)", "SET LOCAL statement_timeout = '1min'",
		"UPDATE notes SET body = body WHERE id % 5 = 0", "INSERT INTO notes (body) VALUES ('in a transaction')",
		"DELETE FROM notes WHERE body = 'in a transaction'",
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	stmt := tx.StmtContext(ctx, s.stmt)
	defer stmt.Close() //nolint:errcheck // it ends with the transaction
	rows, err := stmt.QueryContext(ctx, 0)
	return own(rows, err, id, stormRows)
}

// fail has the server refuse something.
func (s *storm) fail(ctx context.Context, _ *rand.Rand, _ uuid.UUID) error {
	var refused *pgconn.PgError
	_, err := s.h.db.ExecContext(ctx, "SELECT 1 / (count(*) - count(*)) FROM notes")
	if errors.As(err, &refused) && refused.Code == "22012" {
		return nil
	}
	return fmt.Errorf("no refusal: %w", err)
}

// noLocks looks that nothing is locked in the database.
func noLocks(t *testing.T, d *database) {
	t.Helper()
	admin := d.admin(t)
	require.Eventually(t, func() bool {
		var locks int
		err := admin.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks l JOIN pg_database b ON b.oid = l.database
			WHERE b.datname = current_database() AND l.pid <> pg_backend_pid() AND l.locktype IN ('advisory', 'relation')
				AND l.pid IN (SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend')`).Scan(&locks)
		return err == nil && locks == 0
	}, waitFor, tick)
}

func TestStorm(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{cacheStatement, simpleProtocol} {
		d := newDatabase(t)
		h := d.open(t, setup{mode: mode, conns: 6, system: 2})
		newStorm(t, h).run(t)
		noLocks(t, d)
	}
}

// TestStormBehindAPooler has the server's connections change hands after each transaction.
func TestStormBehindAPooler(t *testing.T) {
	t.Parallel()
	for _, s := range []setup{{}, {mode: cacheStatement}, {mode: simpleProtocol}} {
		s.conns, s.system = 6, 2
		d := newDatabase(t)
		h := behindPooler(t, d, s)
		newStorm(t, h).run(t)
		noLocks(t, d)
	}
}

func behindPooler(t *testing.T, d *database, s setup) *handle {
	t.Helper()
	bouncer, err := pgbouncer.Start(t.Context(), pgbouncer.Options{DSNs: []string{d.DSN, d.SystemDSN}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, bouncer.Close()) })
	options := d.options(s)
	options.DSN, options.SystemDSN = bouncer.DSN(options.DSN), bouncer.DSN(options.SystemDSN)
	h := openWith(t, options)
	h.d, h.dsns = d, []string{options.DSN, options.SystemDSN}
	return h
}

// TestPoolerIsNoticed and statements are then sent without names, unless the DSN says otherwise.
func TestPoolerIsNoticed(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	mode := func(h *handle) (mode pgx.QueryExecMode) {
		h.raw(func(raw any) (err error) {
			mode, err = guard.Mode(t.Context(), raw)
			return err
		})
		return mode
	}
	require.Equal(t, pgx.QueryExecModeCacheStatement, mode(d.open(t, setup{})), "there is none")
	require.Equal(t, pgx.QueryExecModeCacheDescribe, mode(behindPooler(t, d, setup{})))
	require.Equal(t, pgx.QueryExecModeSimpleProtocol, mode(behindPooler(t, d, setup{mode: simpleProtocol})))
}

// TestNamesBehindAPooler are never those of another client's statement, which would be run instead. There are two
// connections to the server; each client prepares its statement on its own, and then one is led to the other's.
func TestNamesBehindAPooler(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	first := behindPooler(t, d, setup{mode: cacheStatement})
	options := d.options(setup{mode: cacheStatement})
	options.DSN, options.SystemDSN = first.dsns[0], first.dsns[1]
	second := openWith(t, options)
	one, two := "SELECT 'one' || $1::text", "SELECT 'two' || $1::text"

	free := holdServer(t, first.dsns[0], 0)
	require.Equal(t, "one!", first.text(first.as(first.acme), one, "!"))
	pid := first.serverOf(t)
	free()
	free = holdServer(t, first.dsns[0], pid)
	require.Equal(t, "two!", second.text(second.as(second.acme), two, "!"))
	require.Equal(t, "one?", first.text(first.as(first.acme), one, "?"), "on the connection of the second")
	require.Equal(t, "two?", second.text(second.as(second.acme), two, "?"))
	free()
}

// serverOf is the server's process that ran the statement.
func (h *handle) serverOf(t *testing.T) uint32 {
	t.Helper()
	pid, err := strconv.ParseUint(h.text(h.as(h.acme), "SELECT pg_backend_pid()"), 10, 32)
	require.NoError(t, err)
	return uint32(pid)
}

// holdServer keeps a connection to the server busy, that of the process pid or, if that is 0, any. The other one of the
// two is left to the tests. It returns what ends that.
func holdServer(t *testing.T, dsn string, pid uint32) (free func()) {
	t.Helper()
	var held []pgx.Tx
	for range 2 {
		conn, err := pgx.Connect(t.Context(), dsn+"&default_query_exec_mode=exec")
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
		tx, err := conn.Begin(t.Context())
		require.NoError(t, err)
		var found uint32
		require.NoError(t, tx.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&found))
		if pid == 0 || found == pid {
			for _, other := range held {
				require.NoError(t, other.Rollback(t.Context()))
			}
			return func() { require.NoError(t, tx.Rollback(t.Context())) }
		}
		held = append(held, tx)
	}
	require.Fail(t, "neither of the two connections is that of the process")
	return nil
}
