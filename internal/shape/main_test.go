package shape_test

import (
	"context"
	"database/sql"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/internal/shape"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

func TestMain(m *testing.M) {
	stratumtest.Main(m)
}

// world is a database with Stratum's schema, and its owner.
type world struct {
	*stratumtest.Database
	owner   *sql.DB
	roles   shape.Roles
	install install.Roles
	login   string        // of the owner
	queries *atomic.Int64 // round trips of owner
}

func newWorld(tb testing.TB) world {
	tb.Helper()
	db := stratumtest.EmptyDatabase(tb)
	w := world{Database: db, queries: new(atomic.Int64)}
	config, err := pgx.ParseConfig(db.OwnerDSN)
	require.NoError(tb, err)
	config.Tracer = counter{w.queries}
	w.login = config.User
	w.owner = stdlib.OpenDB(*config)
	tb.Cleanup(func() { require.NoError(tb, w.owner.Close()) })
	prefix := db.Name + "_r"
	require.NoError(tb, install.Migrate(tb.Context(), install.Options{
		Owner: w.owner, Prefix: prefix, DataLogin: db.Name + "_app", SystemLogin: db.Name + "_system",
	}))
	w.install, err = install.NewRoles(prefix)
	require.NoError(tb, err)
	w.roles = shape.Roles{
		Tenant: w.install.Tenant, Subtree: w.install.Subtree, System: w.install.System, Schema: w.install.Schema,
	}
	return w
}

// counter counts the round trips of a pool.
type counter struct{ n *atomic.Int64 }

func (c counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.n.Add(1)
	return ctx
}

func (c counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// exec runs SQL as the owner.
func (w world) exec(tb testing.TB, statements string) {
	tb.Helper()
	run(tb, w.OwnerDSN, statements)
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

// execute runs statements of the package as they are meant to be run: as one text.
func (w world) execute(tb testing.TB, dsn string, statements []string) {
	tb.Helper()
	run(tb, dsn, "SET LOCAL search_path = "+shape.SearchPath+"; SET LOCAL stratum.owner = 'migrate';\n"+
		strings.Join(statements, ";\n"))
}

// within runs something in a transaction of the owner.
func (w world) within(tb testing.TB, db *sql.DB, do func(tx *sql.Tx)) {
	tb.Helper()
	tx, err := db.BeginTx(tb.Context(), nil)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, tx.Rollback()) }()
	do(tx)
}

// read returns the tables of a schema.
func (w world) read(tb testing.TB, schema string) (s shape.Shape) {
	tb.Helper()
	w.within(tb, w.owner, func(tx *sql.Tx) {
		var err error
		s, err = shape.Read(tb.Context(), tx, schema, nil)
		require.NoError(tb, err)
	})
	return s
}

// model reads the model.
func (w world) model(tb testing.TB, specs []shape.Spec) (m shape.Model) {
	tb.Helper()
	w.within(tb, w.owner, func(tx *sql.Tx) {
		var err error
		m, err = shape.ReadModel(tb.Context(), tx, specs)
		require.NoError(tb, err)
	})
	return m
}

// residence is that of a tenant with this schema.
func (w world) residence(schema string) shape.Residence {
	return shape.Residence{Schema: schema, Roles: w.roles, Owner: w.login, Keys: shape.KeyRange{
		Big: shape.Range{Min: 1 << 40, Max: 1<<41 - 1}, Int: shape.Range{Min: 1_000_000, Max: 1_999_999},
	}}
}

// inSchema is the wanted shape in a schema.
func (w world) inSchema(tb testing.TB, m shape.Model, schema string) shape.Shape {
	tb.Helper()
	s, err := m.InSchema(w.residence(schema))
	require.NoError(tb, err)
	return s
}

// created makes the wanted shape in a fresh schema, and returns it.
func (w world) created(tb testing.TB, m shape.Model, schema string) shape.Shape {
	tb.Helper()
	want := w.inSchema(tb, m, schema)
	w.exec(tb, "CREATE SCHEMA "+quote(schema))
	w.execute(tb, w.OwnerDSN, shape.Create(want))
	return want
}

// equal holds that there is no difference, by either measure.
func equal(tb require.TestingT, have, want shape.Shape) {
	require.Empty(tb, texts(shape.Diff(have, want)))
	require.Equal(tb, want.Hash(), have.Hash())
}

// texts are what changes say.
func texts(changes []shape.Change) (list []string) {
	for _, c := range changes {
		list = append(list, c.String())
	}
	return list
}

func quote(name ...string) string { return pgx.Identifier(name).Sanitize() }
