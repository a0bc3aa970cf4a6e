package entstratum_test

import (
	"context"
	stdsql "database/sql"
	"regexp"
	"slices"
	"strings"
	"testing"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/internal/conformance"
)

// statement is one that ent has sent on a path of the conformance suite.
type statement struct {
	path, sql string
	args      []any
}

// recorder keeps the statements of one caller.
type recorder struct {
	path       string
	statements []statement
}

func (r *recorder) keep(text string, args any) {
	values, _ := args.([]any)
	r.statements = append(r.statements, statement{r.path, text, slices.Clone(values)})
}

// recording is ent's driver with a recorder in front.
type recording struct {
	*entstratum.Router

	kept *recorder
}

// Exec keeps the statement.
func (d recording) Exec(ctx context.Context, text string, args, v any) error {
	d.kept.keep(text, args)
	return d.Router.Exec(ctx, text, args, v)
}

// Query keeps the statement.
func (d recording) Query(ctx context.Context, text string, args, v any) error {
	d.kept.keep(text, args)
	return d.Router.Query(ctx, text, args, v)
}

// Tx begins a transaction that is recorded too.
func (d recording) Tx(ctx context.Context) (dialect.Tx, error) { return d.BeginTx(ctx, nil) }

// BeginTx begins a transaction that is recorded too.
func (d recording) BeginTx(ctx context.Context, o *sql.TxOptions) (dialect.Tx, error) {
	tx, err := d.Router.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	own, _ := tx.(*sql.Tx)
	return recordingTx{own, d.kept}, nil
}

type recordingTx struct {
	*sql.Tx

	kept *recorder
}

// Exec keeps the statement.
func (t recordingTx) Exec(ctx context.Context, text string, args, v any) error {
	t.kept.keep(text, args)
	return t.Tx.Exec(ctx, text, args, v)
}

// Query keeps the statement.
func (t recordingTx) Query(ctx context.Context, text string, args, v any) error {
	t.kept.keep(text, args)
	return t.Tx.Query(ctx, text, args, v)
}

// explain returns the plan of a statement as the tenant of ctx.
func explain(ctx context.Context, t *testing.T, st *core.Stratum, s statement) conformance.Plan {
	t.Helper()
	tx, err := st.DB().BeginTx(ctx, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback()) }()
	var text string
	require.NoError(t, tx.QueryRowContext(ctx, "EXPLAIN (FORMAT JSON) "+s.sql, s.args...).Scan(&text), s.sql)
	return conformance.ReadPlan(t, text)
}

// unqualified is a statement whose columns have no table: ent writes so where it changes what an edge has in another
// table, or in a join table, and where it reads a row again that it has updated. No hook, interceptor or predicate gets
// there.
var unqualified = regexp.MustCompile(`^(SELECT [^.]+ FROM "\w+"|UPDATE "\w+" SET [^.]+|DELETE FROM "\w+") WHERE ` +
	`\(?"\w+" = \$\d+( AND "\w+" (= \$\d+|IS NULL))?\)?$`)

// checkConditions demands that each statement has the mixin's condition, but for those that have nothing of the sort, and
// for those in which the application has put something else in the place of the table.
func (r *recorder) checkConditions(t *testing.T) {
	t.Helper()
	replaced := []string{"Modify, another table", "Modify, a sub-query as the table"}
	without := 0
	for _, s := range r.statements {
		switch {
		case strings.HasPrefix(s.sql, "INSERT"), strings.Contains(s.sql, `"tenant_id" = $`), slices.Contains(replaced, s.path):
		case unqualified.MatchString(s.sql):
			without++
		default:
			t.Errorf("%s: no condition of the mixin's in\n%s", s.path, s.sql)
		}
	}
	t.Logf("%d statements by the policies alone: changes of edges, and rows read again", without)
}

// Every scan of a tenant-owned table that ent's statements make, in sub-queries and joins too, is by an index with the
// tenant's column in its condition. Where ent leaves the column out, as in the sub-queries of HasCommentsWith, the
// policies put it in.
func TestPlans(t *testing.T) {
	t.Parallel()
	d := newConformance(t)
	var kept recorder
	paths := allPaths(newClients(recording{entstratum.Driver(d.st), &kept}, d.st.DB()))
	paths = slices.DeleteFunc(paths, func(p conformance.Path) bool { return p.Tenant != nil })
	conformance.Visit(t, conformance.Suite{Stratum: d.st, AdminDSN: d.AdminDSN, Paths: paths},
		func(name string) { kept.path = name })
	kept.checkConditions(t)
	d.exec(t, d.AdminDSN, conformance.CrowdSQL)
	ctx := d.tenant(t, "planner")
	scans, points := 0, make(map[string]int)
	for _, s := range kept.statements {
		for _, p := range explain(ctx, t, d.st, s).Scans() {
			scans++
			if p.CheckScan(t, s.path+"\n"+s.sql) {
				points[p.Index]++
			}
		}
	}
	require.Greater(t, scans, 300)
	t.Logf("%d statements, %d scans of tenant-owned tables, of which by the whole primary key: %v",
		len(kept.statements), scans, points)
}

var _ interface {
	ExecContext(context.Context, string, ...any) (stdsql.Result, error)
	QueryContext(context.Context, string, ...any) (*stdsql.Rows, error)
} = recording{} // what the application has written is not recorded
