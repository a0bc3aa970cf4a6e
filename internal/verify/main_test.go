package verify_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/internal/tables"
	"github.com/stratum-hq/stratum-go/internal/verify"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

func TestMain(m *testing.M) {
	stratumtest.Main(m)
}

// world is a database with a small application in it, as Migrate makes it.
type world struct {
	*stratumtest.Database
	config  verify.Config
	queries *atomic.Int64 // round trips of the last verify
}

// newWorld has roles of its own: logins of other databases of the server are no members of them.
func newWorld(tb testing.TB) world {
	tb.Helper()
	w := emptyWorld(tb)
	w.migrate(tb, shopDDL, shop())
	return w
}

func emptyWorld(tb testing.TB) world {
	tb.Helper()
	db := stratumtest.EmptyDatabase(tb)
	w := world{Database: db, queries: new(atomic.Int64)}
	prefix := db.Name + "_r"
	roles, err := install.NewRoles(prefix)
	require.NoError(tb, err)
	w.config = verify.Config{
		Roles: roles, DataLogin: db.Name + "_app", SystemLogin: db.Name + "_system", OwnerLogin: db.Name + "_owner",
		SearchPath: []string{"public"},
	}
	w.asOwner(tb, func(owner *sql.DB) {
		require.NoError(tb, install.Migrate(tb.Context(), install.Options{
			Owner: owner, Prefix: prefix, DataLogin: w.config.DataLogin, SystemLogin: w.config.SystemLogin,
		}))
	})
	return w
}

func (w world) asOwner(tb testing.TB, work func(owner *sql.DB)) {
	tb.Helper()
	config, err := pgx.ParseConfig(w.OwnerDSN)
	require.NoError(tb, err)
	owner := stdlib.OpenDB(*config)
	defer func() { require.NoError(tb, owner.Close()) }()
	work(owner)
}

// migrate does what an ORM's adapter does.
func (w world) migrate(tb testing.TB, ddl string, list []tables.Table) {
	tb.Helper()
	w.asOwner(tb, func(owner *sql.DB) {
		tx, err := owner.BeginTx(tb.Context(), nil)
		require.NoError(tb, err)
		defer func() { _ = tx.Rollback() }()
		m := tables.New(tx, tables.Config{Roles: w.config.Roles})
		require.NoError(tb, m.Prepare(tb.Context(), list))
		_, err = tx.ExecContext(tb.Context(), ddl)
		require.NoError(tb, err)
		require.NoError(tb, m.Finish(tb.Context(), list))
		require.NoError(tb, tx.Commit())
	})
}

// counter counts the round trips of a connection.
type counter struct{ n *atomic.Int64 }

func (c counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.n.Add(1)
	return ctx
}

func (c counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// verify looks at the database as the system's login, in a transaction that cannot write.
func (w world) verify(tb testing.TB) *verify.Report {
	tb.Helper()
	return w.verifyAs(tb, w.SystemDSN, w.config)
}

func (w world) verifyAs(tb testing.TB, dsn string, c verify.Config) *verify.Report {
	tb.Helper()
	config, err := pgx.ParseConfig(dsn)
	require.NoError(tb, err)
	w.queries.Store(0)
	config.Tracer = counter{w.queries}
	conn, err := pgx.ConnectConfig(tb.Context(), config)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, conn.Close(tb.Context())) }()
	var report *verify.Report
	err = pgx.BeginTxFunc(tb.Context(), conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		report, err = verify.Run(tb.Context(), tx, c)
		return err
	})
	require.NoError(tb, err)
	return report
}

// dsn is that of the login which a cure is for.
func (w world) dsn(l verify.Login) string {
	if l == verify.Superuser {
		return w.AdminDSN
	}
	return w.OwnerDSN
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

// fill puts the names of this world's roles and logins into SQL.
func (w world) fill(text string) string {
	return strings.NewReplacer(
		"{tenant}", quote(w.config.Roles.Tenant), "{subtree}", quote(w.config.Roles.Subtree),
		"{schema}", quote(w.config.Roles.Schema),
		"{system}", quote(w.config.Roles.System), "{app}", quote(w.config.DataLogin),
		"{systemlogin}", quote(w.config.SystemLogin), "{owner}", quote(w.config.OwnerLogin),
		"{database}", quote(w.Name), "{other}", quote(w.Name+"_other"),
	).Replace(text)
}

func quote(name ...string) string { return pgx.Identifier(name).Sanitize() }

// find returns the finding of a code on an object.
func find(r *verify.Report, code verify.Code, object string) *verify.Finding {
	i := slices.IndexFunc(r.Findings, func(f verify.Finding) bool { return f.Code == code && f.Object == object })
	if i < 0 {
		return nil
	}
	return &r.Findings[i]
}

// codes lists what was found, in a form that is easy to compare.
func codes(r *verify.Report, worst verify.Severity) []string {
	list := make([]string, 0, len(r.Findings))
	for _, f := range r.AtLeast(worst) {
		list = append(list, fmt.Sprintf("%s %s %s", f.Severity, f.Code, f.Object))
	}
	return list
}

// breach is one way in which a database is not as it should be.
type breach struct {
	name string
	// sql makes it so, as the owner unless admin is set.
	sql   string
	admin bool
	// severity, code and object are what must be found.
	severity verify.Severity
	code     verify.Code
	object   string
	// sentence says that SQL alone does not cure it; undo, as the administrator, takes back what is left after the cure.
	sentence bool
	undo     string
}

// breaches runs each breach on a database of its own kind that was clean before: found as said, cured by the cure alone
// as the login it names, and clean again.
func (w world) breaches(t *testing.T, list []breach) {
	t.Helper()
	clean := codes(w.verify(t), verify.Note)
	require.Empty(t, codes(w.verify(t), verify.Slows), "the database is clean to begin with")
	for _, b := range list {
		w.breach(t, b, clean)
	}
}

// breach runs one breach. They share a database, so they come one after the other.
func (w world) breach(t *testing.T, b breach, clean []string) {
	t.Helper()
	dsn, object := w.OwnerDSN, w.fill(b.object)
	if b.admin {
		dsn = w.AdminDSN
	}
	run(t, dsn, w.fill(b.sql))
	report := w.verify(t)
	f := find(report, b.code, object)
	require.NotNil(t, f, "%s: %s on %s is not among\n%s", b.name, b.code, object, report)
	require.Equal(t, b.severity, f.Severity, b.name)
	require.NotEmpty(t, f.Finding, b.name)
	require.NotEmpty(t, f.Cure, b.name)
	require.Equal(t, b.sentence, f.RunAs == "", "%s: %s", b.name, f)
	require.Equal(t, b.severity != verify.Breaks, report.OK(), b.name)
	if !b.sentence {
		run(t, w.dsn(f.RunAs), f.Cure)
		require.Nil(t, find(w.verify(t), b.code, object), "%s: still there after\n%s", b.name, f.Cure)
	}
	if b.undo != "" {
		run(t, w.AdminDSN, w.fill(b.undo))
	}
	require.Equal(t, clean, codes(w.verify(t), verify.Note), "%s: after\n%s", b.name, f.Cure)
}

// tryRun executes SQL that may fail.
func tryRun(tb testing.TB, dsn, statements string) error {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), dsn)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, conn.Close(tb.Context())) }()
	_, err = conn.PgConn().Exec(tb.Context(), statements).ReadAll()
	return err
}

// text is what a query returns, as the administrator.
func (w world) text(tb testing.TB, query string) (text string) {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), w.AdminDSN)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, conn.Close(tb.Context())) }()
	require.NoError(tb, conn.QueryRow(tb.Context(), query).Scan(&text))
	return text
}

// tryVerify looks at the database as a login that may be refused.
func tryVerify(tb testing.TB, dsn string, c verify.Config) error {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), dsn)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, conn.Close(tb.Context())) }()
	return pgx.BeginTxFunc(tb.Context(), conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		_, err := verify.Run(tb.Context(), tx, c)
		return err
	})
}
