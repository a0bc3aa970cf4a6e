package core_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// unknownID is the id of no tenant.
var unknownID = uuid.MustParse("00000000-0000-4000-8000-000000000001")

// forest is a database with tenants, for tests that make trees of their own in it. At a test's end every tenant in it
// must keep the rules of the tree, whatever the test was about.
type forest struct {
	*core.Tenants
	admin *pgxpool.Pool // superuser: looks at, and tampers with, the table itself
	close func()        // ends the connections of Tenants before the test does
	slugs *atomic.Int64
}

func newForest(tb testing.TB) forest {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	db := stratumtest.EmptyDatabase(tb)
	st, err := core.Open(ctx, core.Options{
		DSN: db.DSN, OwnerDSN: db.OwnerDSN, SystemDSN: db.SystemDSN, RolePrefix: db.Name + "_role",
		SystemMaxConns: 16, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, st.Close()) })
	require.NoError(tb, st.Migrate(ctx))
	admin, err := pgxpool.New(ctx, db.AdminDSN)
	require.NoError(tb, err)
	tb.Cleanup(admin.Close)
	f := forest{
		Tenants: st.Tenants, admin: admin, close: func() { _ = st.Close() }, slugs: new(atomic.Int64),
	}
	tb.Cleanup(func() { f.checkSound(ctx, tb) })
	return f
}

// slug returns one that no other tenant of the forest has.
func (f forest) slug() string { return fmt.Sprintf("t%d", f.slugs.Add(1)) }

// add creates an active tenant beneath parent, or a root for uuid.Nil.
func (f forest) add(tb testing.TB, parent uuid.UUID) core.Tenant {
	tb.Helper()
	slug := f.slug()
	tenant, err := f.Create(tb.Context(), core.NewTenant{Name: "Tenant " + slug, Slug: slug, Parent: parent})
	require.NoError(tb, err)
	return tenant
}

// chain creates n tenants, each beneath the one before and the first beneath parent.
func (f forest) chain(tb testing.TB, parent uuid.UUID, n int) []core.Tenant {
	tb.Helper()
	batch := make([]core.NewTenant, n)
	for i := range batch {
		slug := f.slug()
		batch[i] = core.NewTenant{ID: uuid.New(), Name: slug, Slug: slug, Parent: parent}
		parent = batch[i].ID
	}
	created, err := f.CreateBatch(tb.Context(), batch)
	require.NoError(tb, err)
	return created
}

func (f forest) mustGet(tb testing.TB, id uuid.UUID) core.Tenant {
	tb.Helper()
	tenant, err := f.Get(tb.Context(), id)
	require.NoError(tb, err)
	return tenant
}

func (f forest) requireStatus(tb testing.TB, want core.Status, tenants ...core.Tenant) {
	tb.Helper()
	for _, tenant := range tenants {
		require.Equal(tb, want, f.mustGet(tb, tenant.ID).Status)
	}
}

// move leaves out the tenant that Move returns, where a test is about the error.
func (f forest) move(ctx context.Context, id, parent uuid.UUID) error {
	return second(f.Move(ctx, id, parent))
}

// second leaves out the first of two results.
func second(_ any, err error) error { return err }

// tamper changes the table past every rule, as a superuser with triggers off can.
func (f forest) tamper(tb testing.TB, statement string, args ...any) {
	tb.Helper()
	ctx := tb.Context()
	tx, err := f.admin.Begin(ctx)
	require.NoError(tb, err)
	defer func() { _ = tx.Rollback(ctx) }()
	_, err = tx.Exec(ctx, "SET LOCAL session_replication_role = replica")
	require.NoError(tb, err)
	_, err = tx.Exec(ctx, statement, args...)
	require.NoError(tb, err)
	require.NoError(tb, tx.Commit(ctx))
}

func (f forest) setStatus(tb testing.TB, tenant core.Tenant, status core.Status) {
	tb.Helper()
	f.tamper(tb, "UPDATE stratum.tenants SET status = $2 WHERE id = $1", tenant.ID, status)
}

// brokenRules lists every tenant that breaks a rule of the tree, and which. Paths that each continue the parent's leave
// no room for a cycle: along one they would grow for ever.
const brokenRules = `
	SELECT t.slug || ' has path ' || t.path::text
	FROM stratum.tenants t LEFT JOIN stratum.tenants p ON p.id = t.parent_id
	WHERE t.path::text <> concat_ws('.', p.path::text, t.label) OR (p.id IS NULL) <> (t.parent_id IS NULL)
	UNION ALL
	SELECT slug || ' is too deep: ' || path::text FROM stratum.tenants WHERE array_length(string_to_array(path::text, '.'), 1) > 20
	UNION ALL
	SELECT t.slug || ' is active beneath ' || p.status
	FROM stratum.tenants t JOIN stratum.tenants p ON p.id = t.parent_id
	WHERE t.status = 'active' AND p.status <> 'active'`

// checkSound fails the test unless every tenant keeps the rules of the tree. It does not end it, because testing does
// not report a test that a Cleanup ends after its parallel subtests.
func (f forest) checkSound(ctx context.Context, t interface{ Errorf(string, ...any) }) {
	rows, _ := f.admin.Query(ctx, brokenRules) // CollectRows returns this error too
	broken, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(broken) > 0 {
		t.Errorf("%v, tenants that break a rule: %q", err, broken)
	}
}

// checkNoDeadlock ends the forest's connections, for a server process counts its deadlocks when it goes, and fails the
// test if there was one: a retry would have hidden it.
func (f forest) checkNoDeadlock(tb testing.TB) {
	tb.Helper()
	f.close()
	ctx := context.WithoutCancel(tb.Context())
	require.Eventually(tb, func() bool {
		var others int
		err := f.admin.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND backend_type = 'client backend'
				AND usename <> current_user`).Scan(&others)
		return err == nil && others == 0
	}, time.Minute, 20*time.Millisecond)
	var deadlocks int
	const query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
	if err := f.admin.QueryRow(ctx, query).Scan(&deadlocks); err != nil || deadlocks > 0 {
		tb.Errorf("%v, deadlocks: %d", err, deadlocks)
	}
}

func ids(tenants []core.Tenant) []uuid.UUID {
	list := make([]uuid.UUID, 0, len(tenants))
	for _, tenant := range tenants {
		list = append(list, tenant.ID)
	}
	return list
}

// createError returns why n cannot be created.
func createError(t *testing.T, f forest, n core.NewTenant) error {
	t.Helper()
	_, err := f.Create(t.Context(), n)
	return err
}

func requireInvalid(tb testing.TB, field string, err error) {
	tb.Helper()
	require.ErrorIs(tb, err, core.ErrInvalidTenant)
	var invalid *core.InvalidError
	require.ErrorAs(tb, err, &invalid)
	require.Equal(tb, field, invalid.Field)
}

func requireExists(tb testing.TB, field string, err error) {
	tb.Helper()
	require.ErrorIs(tb, err, core.ErrTenantExists)
	var exists *core.ExistsError
	require.ErrorAs(tb, err, &exists)
	require.Equal(tb, field, exists.Field)
}

func requireState(tb testing.TB, status core.Status, err error) {
	tb.Helper()
	require.ErrorIs(tb, err, core.ErrTenantState)
	var state *core.StateError
	require.ErrorAs(tb, err, &state)
	require.Equal(tb, status, state.Status)
}

// unstorable are values that encoding/json or PostgreSQL's jsonb cannot hold, or would change.
func unstorable() map[string]any {
	return map[string]any{
		"a channel":         make(chan int),
		"not a number":      math.NaN(),
		"a NUL":             "secret \x00",
		"a NUL as a key":    map[string]any{"secret \x00": 1},
		"a NUL behind \\":   `secret \` + "\x00",
		"invalid UTF-8":     "secret \xff",
		"half a surrogate":  json.RawMessage(`"secret \ud800"`),
		"a number too long": json.RawMessage(`1e999999`),
		"too much":          strings.Repeat("secret ", core.MaxMetadataSize/7),
	}
}
