package tables_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/internal/tables"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

func TestMain(m *testing.M) {
	stratumtest.Main(m)
}

// world is a database with three tenants, migrated as its owner and looked at as the roles.
type world struct {
	*stratumtest.Database
	owner   *sql.DB
	roles   install.Roles
	queries *atomic.Int64 // round trips of owner

	acme, acmeChild, globex uuid.UUID
}

func newWorld(tb testing.TB) world {
	tb.Helper()
	db := stratumtest.EmptyDatabase(tb)
	w := world{
		Database: db, queries: new(atomic.Int64),
		acme: uuid.New(), acmeChild: uuid.New(), globex: uuid.New(),
	}
	config, err := pgx.ParseConfig(db.OwnerDSN)
	require.NoError(tb, err)
	config.Tracer = counter{w.queries}
	w.owner = stdlib.OpenDB(*config)
	tb.Cleanup(func() { require.NoError(tb, w.owner.Close()) })
	prefix := db.Name + "_r"
	require.NoError(tb, install.Migrate(tb.Context(), install.Options{
		Owner: w.owner, Prefix: prefix, DataLogin: db.Name + "_app", SystemLogin: db.Name + "_system",
	}))
	w.roles, err = install.NewRoles(prefix)
	require.NoError(tb, err)
	w.exec(tb, fmt.Sprintf(`INSERT INTO stratum.tenants (id, label, path, parent_id, slug, name) VALUES
		('%[1]s', 'a', 'a', NULL, 'acme', 'Acme'), ('%[2]s', 'b', 'a.b', '%[1]s', 'child', 'Child'),
		('%[3]s', 'c', 'c', NULL, 'globex', 'Globex')`, w.acme, w.acmeChild, w.globex))
	w.logDDL(tb)
	return w
}

// counter counts the round trips of a pool.
type counter struct{ n *atomic.Int64 }

func (c counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.n.Add(1)
	return ctx
}

func (c counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// logDDL has the server itself record every change of its catalog, grants included.
func (w world) logDDL(tb testing.TB) {
	tb.Helper()
	run(tb, w.AdminDSN, `
		CREATE TABLE stratum.ddl_log (tag text NOT NULL);
		CREATE FUNCTION stratum.log_ddl() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
			BEGIN INSERT INTO stratum.ddl_log VALUES (tg_tag); END $$;
		CREATE EVENT TRIGGER log_ddl ON ddl_command_end EXECUTE FUNCTION stratum.log_ddl()`)
}

// ddl returns how many commands have changed the catalog.
func (w world) ddl(tb testing.TB) int64 {
	tb.Helper()
	return value[int64](tb, w.AdminDSN, "SELECT count(*) FROM stratum.ddl_log")
}

// exec runs SQL as the owner.
func (w world) exec(tb testing.TB, statements string) {
	tb.Helper()
	run(tb, w.OwnerDSN, statements)
}

// job is a migration as an ORM's adapter runs it.
type job struct {
	tables []tables.Table
	orm    string // what the ORM's migrator issues
	rows   uuid.UUID
	citus  bool // the tables are distributed
	lead   bool // the tenant column leads primary keys
}

// migrate runs a job and commits it, or returns its error.
func (w world) migrate(tb testing.TB, j job) (*tables.Migration, error) {
	tb.Helper()
	tx, err := w.owner.BeginTx(tb.Context(), nil)
	require.NoError(tb, err)
	defer func() { _ = tx.Rollback() }()
	m := tables.New(tx, tables.Config{
		Roles: w.roles, ExistingRows: j.rows, Citus: j.citus, TenantInPrimaryKey: j.lead,
	})
	if err := m.Prepare(tb.Context(), j.tables); err != nil {
		return m, err
	}
	if j.orm != "" {
		_, err = tx.ExecContext(tb.Context(), j.orm)
		require.NoError(tb, err, j.orm)
	}
	if err := m.Finish(tb.Context(), j.tables); err != nil {
		return m, err
	}
	require.NoError(tb, tx.Commit())
	return m, nil
}

// migrated runs a job that must succeed, and again, when it must have nothing to do.
func (w world) migrated(tb testing.TB, j job) *tables.Migration {
	tb.Helper()
	first, err := w.migrate(tb, j)
	require.NoError(tb, err)
	w.settled(tb, j)
	return first
}

// settled holds that a migration changes nothing.
func (w world) settled(tb testing.TB, j job) {
	tb.Helper()
	before := w.ddl(tb)
	j.orm = ""
	second, err := w.migrate(tb, j)
	require.NoError(tb, err)
	require.Empty(tb, second.Statements(), "a second run issues nothing")
	require.Equal(tb, before, w.ddl(tb), "a second run changes nothing in the catalog")
}

// refused runs a job that must fail with a *TableError of a kind.
func (w world) refused(tb testing.TB, kind error, j job) *tables.TableError {
	tb.Helper()
	_, err := w.migrate(tb, j)
	require.ErrorIs(tb, err, kind)
	var refusal *tables.TableError
	require.ErrorAs(tb, err, &refusal)
	return refusal
}

// session is a transaction in a scope, rolled back at the test's end.
type session struct{ pgx.Tx }

// as begins a transaction of a tenant under one of the roles.
func (w world) as(tb testing.TB, role string, tenant uuid.UUID) session {
	tb.Helper()
	s := w.login(tb, w.DSN)
	s.must(tb, "SELECT stratum.enter($1)", tenant)
	s.must(tb, "SET LOCAL ROLE "+quote(role))
	return s
}

func (w world) tenant(tb testing.TB, id uuid.UUID) session {
	tb.Helper()
	return w.as(tb, w.roles.Tenant, id)
}

func (w world) subtree(tb testing.TB, id uuid.UUID) session {
	tb.Helper()
	return w.as(tb, w.roles.Subtree, id)
}

func (w world) system(tb testing.TB) session {
	tb.Helper()
	s := w.login(tb, w.SystemDSN)
	s.must(tb, "SET LOCAL ROLE "+quote(w.roles.System))
	return s
}

// login begins a transaction as a login, in no scope.
func (w world) login(tb testing.TB, dsn string) session {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	conn, err := pgx.Connect(ctx, dsn)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = conn.Close(ctx) })
	tx, err := conn.Begin(ctx)
	require.NoError(tb, err)
	return session{tx}
}

// must runs a statement and returns the number of rows it touched.
func (s session) must(tb testing.TB, statement string, args ...any) int64 {
	tb.Helper()
	tag, err := s.Exec(tb.Context(), statement, args...)
	require.NoError(tb, err, statement)
	return tag.RowsAffected()
}

// fails runs a statement that must fail with a SQLSTATE, and goes on as if it had not been run.
func (s session) fails(tb testing.TB, code, statement string, args ...any) {
	tb.Helper()
	s.must(tb, "SAVEPOINT attempt")
	_, err := s.Exec(tb.Context(), statement, args...)
	var pgErr *pgconn.PgError
	require.ErrorAs(tb, err, &pgErr, statement)
	require.Equal(tb, code, pgErr.Code, "%s: %s", statement, pgErr.Message)
	s.must(tb, "ROLLBACK TO SAVEPOINT attempt")
}

// one returns the first column of the first row.
func one[T any](tb testing.TB, s session, query string, args ...any) T {
	tb.Helper()
	var v T
	require.NoError(tb, s.QueryRow(tb.Context(), query, args...).Scan(&v), query)
	return v
}

// run executes SQL as a login.
func run(tb testing.TB, dsn, statements string) {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), dsn)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, conn.Close(tb.Context())) }()
	_, err = conn.PgConn().Exec(tb.Context(), statements).ReadAll()
	require.NoError(tb, err, statements)
}

// value is the first column of the first row as a login sees it.
func value[T any](tb testing.TB, dsn, query string, args ...any) T {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), dsn)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, conn.Close(tb.Context())) }()
	var v T
	require.NoError(tb, conn.QueryRow(tb.Context(), query, args...).Scan(&v), query)
	return v
}

func quote(name ...string) string { return pgx.Identifier(name).Sanitize() }

// SQLSTATEs that tests expect.
const (
	codePrivilege  = "42501" // also a row that violates a policy
	codeForeignKey = "23503"
	codeUnique     = "23505"
	codeNoTenant   = "ST001"
	codeOwner      = "ST004"
)
