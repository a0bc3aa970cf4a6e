package core_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/internal/pgserver"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// cluster is a primary with streaming standbys. They are the test's own, since replay is paused for a whole server.
type cluster struct {
	primary  *pgserver.Server
	standbys []*pgserver.Server
}

func newCluster(tb testing.TB, standbys int) *cluster {
	tb.Helper()
	c := &cluster{primary: startServer(tb, pgserver.Config{Getenv: unset})}
	for range standbys {
		c.standbys = append(c.standbys, startServer(tb, pgserver.Config{StandbyOf: c.primary.URL("postgres")}))
	}
	return c
}

// unset is an environment without a server.
func unset(string) string { return "" }

func startServer(tb testing.TB, config pgserver.Config) *pgserver.Server {
	tb.Helper()
	server, err := pgserver.Start(tb.Context(), config)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, server.Close()) })
	return server
}

// database makes a database with its logins, as those of stratumtest are.
func (c *cluster) database(tb testing.TB, name string) *stratumtest.Database {
	tb.Helper()
	admin := c.primary.URL("postgres")
	runAs(tb, admin, fmt.Sprintf(`CREATE ROLE %[1]s_app LOGIN NOINHERIT; CREATE ROLE %[1]s_system LOGIN NOINHERIT;
		CREATE ROLE %[1]s_owner LOGIN CREATEROLE CREATEDB`, name))
	runAs(tb, admin, fmt.Sprintf(`CREATE DATABASE %[1]s OWNER %[1]s_owner`, name))
	return &stratumtest.Database{
		Name: name, AdminDSN: c.primary.URL(name), DSN: c.primary.URLFor(name, name+"_app", ""),
		SystemDSN: c.primary.URLFor(name, name+"_system", ""), OwnerDSN: c.primary.URLFor(name, name+"_owner", ""),
	}
}

// estate is a registry with tables in a database of the cluster, and its replicas on the standbys.
func (c *cluster) estate(tb testing.TB, name string, changes ...func(o *core.Options)) estate {
	tb.Helper()
	e := estate{Database: c.database(tb, name), dsns: &vault{dsns: map[string]string{}}}
	config, err := pgx.ParseConfig(e.OwnerDSN)
	require.NoError(tb, err)
	owner := stdlib.OpenDB(*config)
	require.NoError(tb, install.Migrate(tb.Context(), install.Options{
		Owner: owner, DataLogin: name + "_app", SystemLogin: name + "_system",
	}))
	require.NoError(tb, owner.Close())
	e.st = e.open(tb, append([]func(o *core.Options){c.replicas}, changes...)...)
	if e.options(changes...).Hardened {
		require.NoError(tb, e.st.Migrate(tb.Context()))
	}
	migrateEstate(tb, e.OwnerDSN, estateDDL+replicaDDL, estateTables())
	c.settle(tb)
	return e
}

// replicaDDL are functions that write, for queries that do; one handles the refusal itself.
const replicaDDL = `
CREATE FUNCTION write_note(text) RETURNS bigint LANGUAGE sql VOLATILE AS
	$$ INSERT INTO notes (body) VALUES ($1) RETURNING id $$;
CREATE FUNCTION try_note(text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO notes (body) VALUES ($1);
	EXCEPTION WHEN read_only_sql_transaction THEN NULL;
END $$;`

// replicas has a handle read from the standbys. The DSN need not name a login.
func (c *cluster) replicas(o *core.Options) {
	o.ReplicaDSNs = nil
	for _, standby := range c.standbys {
		o.ReplicaDSNs = append(o.ReplicaDSNs, standby.URL("postgres"))
	}
}

// pause stops the replay of all standbys, until the test ends at the latest.
func (c *cluster) pause(tb testing.TB) {
	tb.Helper()
	for _, standby := range c.standbys {
		dsn := standby.URL("postgres")
		runAs(tb, dsn, "SELECT pg_wal_replay_pause()")
		require.Eventually(tb, func() bool {
			return ask[string](tb, dsn, "SELECT pg_get_wal_replay_pause_state()") == "paused"
		}, time.Minute, 20*time.Millisecond)
	}
}

func (c *cluster) resume(tb testing.TB) {
	tb.Helper()
	for _, standby := range c.standbys {
		runAs(tb, standby.URL("postgres"), "SELECT pg_wal_replay_resume()")
	}
}

// settle waits until the standbys have replayed all that was written until now.
func (c *cluster) settle(tb testing.TB) {
	tb.Helper()
	lsn := ask[string](tb, c.primary.URL("postgres"), "SELECT pg_current_wal_flush_lsn()::text")
	for _, standby := range c.standbys {
		require.Eventually(tb, func() bool {
			return ask[bool](tb, standby.URL("postgres"), "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", lsn)
		}, time.Minute, 20*time.Millisecond)
	}
}

// underWay changes tenants in a transaction of which the standbys have replayed all but the commit.
func (c *cluster) underWay(tb testing.TB, e estate, change string) (commit func()) {
	tb.Helper()
	admin, err := pgx.Connect(tb.Context(), e.AdminDSN)
	require.NoError(tb, err)
	tx, err := admin.Begin(tb.Context())
	require.NoError(tb, err)
	_, err = tx.Exec(tb.Context(), change)
	require.NoError(tb, err)
	_, err = tx.Exec(tb.Context(), "SET CONSTRAINTS ALL IMMEDIATE")
	require.NoError(tb, err)
	runAs(tb, e.AdminDSN, "CREATE TABLE flushes (); DROP TABLE flushes")
	c.settle(tb)
	return func() {
		require.NoError(tb, tx.Commit(tb.Context()))
		require.NoError(tb, admin.Close(tb.Context()))
	}
}

// querier is a DB or a Tx.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// onReplica reports whether a query runs on a standby.
func onReplica(ctx context.Context, tb testing.TB, db querier) (standby bool) {
	tb.Helper()
	require.NoError(tb, db.QueryRowContext(ctx, "SELECT pg_is_in_recovery()").Scan(&standby))
	return standby
}

// comesToReplica waits until reads of ctx go to a standby.
func comesToReplica(ctx context.Context, tb testing.TB, st *core.Stratum) {
	tb.Helper()
	require.Eventually(tb, func() bool { return onReplica(ctx, tb, st.DB()) }, time.Minute, 20*time.Millisecond)
}

// reader reads as the tenant, from a replica if it may.
func reader(tb testing.TB, tenant uuid.UUID) context.Context {
	tb.Helper()
	return core.WithReplica(core.WithTenant(tb.Context(), tenant))
}

// requireBodies wants just these notes to be seen.
func requireBodies(ctx context.Context, tb testing.TB, db querier, want string) {
	tb.Helper()
	var got string
	require.NoError(tb, db.QueryRowContext(ctx, "SELECT coalesce(string_agg(body, ',' ORDER BY body), '') FROM notes").Scan(&got))
	require.Equal(tb, want, got)
}

// journal keeps what is logged.
type journal struct {
	slog.Handler

	mu   sync.Mutex
	text string
}

func (j *journal) Enabled(context.Context, slog.Level) bool { return true }

func (j *journal) Handle(_ context.Context, r slog.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text += r.Message
	r.Attrs(func(a slog.Attr) bool {
		j.text += " " + a.String()
		return true
	})
	j.text += "\n"
	return nil
}

func (j *journal) read() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text
}

func (j *journal) logger() *slog.Logger { return slog.New(j) }

// newStranger is a server that has nothing to do with the cluster.
func newStranger() pgserver.Config { return pgserver.Config{Getenv: unset} }

// queryAs runs statements of which the last has a value, as the login of a DSN.
func queryAs(tb testing.TB, dsn string, value any, statements ...string) error {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), dsn)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, conn.Close(tb.Context())) }()
	last := len(statements) - 1
	for _, statement := range statements[:last] {
		_, err := conn.Exec(tb.Context(), statement)
		require.NoError(tb, err)
	}
	return conn.QueryRow(tb.Context(), statements[last]).Scan(value)
}
