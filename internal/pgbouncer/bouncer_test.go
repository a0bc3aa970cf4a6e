package pgbouncer_test

import (
	"context"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/pgbouncer"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

func start(t *testing.T, options pgbouncer.Options) *pgbouncer.Bouncer {
	t.Helper()
	bouncer, err := pgbouncer.Start(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, bouncer.Close()) })
	return bouncer
}

// connect sends no named statements, which two clients would quarrel about.
func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn+"&default_query_exec_mode=exec")
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// backend is the process of the server that ran the statement.
func backend(t *testing.T, conn interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
},
) (pid uint32) {
	t.Helper()
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&pid))
	return pid
}

// TestConnectionsChangeHands is what the package is for.
func TestConnectionsChangeHands(t *testing.T) {
	t.Parallel()
	database := stratumtest.EmptyDatabase(t)
	bouncer := start(t, pgbouncer.Options{DSNs: []string{database.DSN}, PoolSize: 1})
	first, second := connect(t, bouncer.DSN(database.DSN)), connect(t, bouncer.DSN(database.DSN))
	require.Equal(t, backend(t, first), backend(t, second))
	require.NotEqual(t, first.PgConn().PID(), backend(t, first), "the client sees a number that is not the server's")

	_, err := first.Exec(t.Context(), "SET application_name = 'left behind'")
	require.NoError(t, err)
	var name string
	require.NoError(t, second.QueryRow(t.Context(), "SELECT current_setting('application_name')").Scan(&name))
	require.Equal(t, "left behind", name)
}

func TestPoolSize(t *testing.T) {
	t.Parallel()
	database := stratumtest.EmptyDatabase(t)
	bouncer := start(t, pgbouncer.Options{DSNs: []string{database.DSN, database.OwnerDSN}})
	first, err := connect(t, bouncer.DSN(database.DSN)).Begin(t.Context())
	require.NoError(t, err)
	second, err := connect(t, bouncer.DSN(database.DSN)).Begin(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, backend(t, first), backend(t, second))
	require.NoError(t, first.Rollback(t.Context()))
	require.NoError(t, second.Rollback(t.Context()))
	backend(t, connect(t, bouncer.DSN(database.OwnerDSN)))
}

func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	database := stratumtest.EmptyDatabase(t)
	bouncer, err := pgbouncer.Start(t.Context(), pgbouncer.Options{DSNs: []string{database.DSN}})
	require.NoError(t, err)
	dsn := bouncer.DSN(database.DSN)
	parsed, err := url.Parse(dsn)
	require.NoError(t, err)
	require.DirExists(t, parsed.Query().Get("host"))
	require.NoError(t, bouncer.Close())
	_, err = pgx.Connect(t.Context(), dsn)
	require.Error(t, err)
	_, err = os.Stat(parsed.Query().Get("host"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestBadDSN(t *testing.T) {
	t.Parallel()
	for _, dsns := range [][]string{nil, {"postgres://u:secret@host:port/"}} {
		_, err := pgbouncer.Start(t.Context(), pgbouncer.Options{DSNs: dsns})
		require.ErrorIs(t, err, pgbouncer.ErrDSN)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestMissing(t *testing.T) {
	t.Parallel()
	_, err := pgbouncer.Start(t.Context(), pgbouncer.Options{Programs: []string{"no-such-program"}})
	require.ErrorIs(t, err, pgbouncer.ErrMissing)
	require.ErrorContains(t, err, "apt-get install pgbouncer")
}

// TestItDoesNotStart tells what the program said.
func TestItDoesNotStart(t *testing.T) {
	t.Parallel()
	database := stratumtest.EmptyDatabase(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := pgbouncer.Start(ctx, pgbouncer.Options{DSNs: []string{database.DSN}, Programs: []string{"false"}})
	require.ErrorContains(t, err, "does not answer")
}
