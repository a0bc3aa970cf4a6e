package core_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/pgproxy"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// through lays a proxy between a program and its registry: one for statements of tenants, one for the system's.
func (e estate) through(t *testing.T) (st *core.Stratum, data, system *pgproxy.Proxy) {
	t.Helper()
	start := func(dsn string) *pgproxy.Proxy {
		p, err := pgproxy.Start(t.Context(), dsn)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, p.Close()) })
		return p
	}
	data, system = start(e.DSN), start(e.SystemDSN)
	owner, err := system.Rewrite(e.OwnerDSN)
	require.NoError(t, err)
	st = e.open(t, func(o *core.Options) {
		o.DSN, o.SystemDSN, o.OwnerDSN = data.DSN(), system.DSN(), owner
		o.MaxConns, o.SystemMaxConns, o.NoCopies = 2, 2, true // of two databases at a time; nothing is done by the way
	})
	return st, data, system
}

// TestRoundTrips holds that a shared tenant costs what it did, and one elsewhere one round trip more, once.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	var tenants []core.Tenant
	for n := range 6 {
		isolation := isolations()[n%3]
		tenants = append(tenants, e.create(t, core.NewTenant{Slug: slugOf(isolation, n), Isolation: isolation}))
	}
	st, data, system := e.through(t)
	trips := func(tenant core.Tenant, query string) int {
		data.Reset()
		require.NoError(t, st.DB().QueryRowContext(core.WithTenant(t.Context(), tenant.ID), query).Scan(new(int)))
		return data.Counts().RoundTrips
	}
	const one, other = "SELECT count(*) FROM notes", "SELECT count(*) + 1 FROM notes"
	for _, tenant := range tenants[:3] { // what is prepared once for a connection
		for _, query := range []string{one, other} {
			trips(tenant, query)
		}
	}
	system.Reset()
	require.Equal(t, 1, trips(tenants[3], one), "a shared tenant, known to nobody")
	require.Equal(t, 1, trips(tenants[3], one))

	require.Equal(t, 1+2, trips(tenants[4], one), "refused once, and its search_path is a new one for the statement")
	require.Equal(t, 2, trips(tenants[4], other))
	require.Equal(t, 1, trips(tenants[4], other))
	require.Equal(t, 1, trips(tenants[4], one))

	trips(tenants[5], one) // connects
	require.Equal(t, 2, trips(tenants[5], other))
	require.Equal(t, 1, trips(tenants[5], other))
	require.Equal(t, 1, trips(tenants[5], one))
	require.Zero(t, system.Counts().RoundTrips, "the registry is not asked by the way")
}

// TestRegistryIsDown and tenants elsewhere that were reached before go on.
func TestRegistryIsDown(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	e.register(t, "eu1")
	ctx := t.Context()
	st, data, system := e.through(t)
	var known, unknown []core.Tenant
	for n := range 6 {
		isolation := isolations()[n%3]
		tenant := e.create(t, core.NewTenant{Slug: slugOf(isolation, n), Isolation: isolation, Placement: "eu1"})
		if n < 3 {
			known = append(known, tenant)
			note(t, st, tenant.ID, tenant.Slug)
		} else {
			unknown = append(unknown, tenant)
		}
	}
	home := e.create(t, core.NewTenant{Slug: "home"})
	note(t, st, home.ID, "x")
	require.NoError(t, data.Close())
	require.NoError(t, system.Close())
	for range 3 {
		for _, tenant := range known {
			requireNotes(t, st, tenant.ID, tenant.Slug)
			scoped := core.WithTenant(ctx, tenant.ID)
			tx, err := st.DB().BeginTx(scoped, nil)
			require.NoError(t, err)
			_, err = tx.ExecContext(scoped, "INSERT INTO notes (body) VALUES ('more')")
			require.NoError(t, err)
			_, err = tx.ExecContext(scoped, "DELETE FROM notes WHERE body = 'more'")
			require.NoError(t, err)
			require.NoError(t, tx.Commit())
			require.Equal(t, 2, countries(t, scoped, st))
			var n int
			at := core.AsSystemAt(ctx, "a test counts", tenant.ID)
			require.NoError(t, st.DB().QueryRowContext(at, "SELECT count(*) FROM notes").Scan(&n))
			require.Equal(t, 1, n)
		}
		for _, tenant := range append(unknown, home) {
			_, err := notes(ctx, st.DB(), tenant.ID)
			require.ErrorContains(t, err, "no connection")
			require.NotErrorIs(t, err, core.ErrTenantUnknown)
		}
	}
	require.ErrorContains(t, second(st.Tenants.Get(ctx, known[0].ID)), "no connection")
}

// TestRegistryCopied holds that a copy of the registry does not work on what belongs to the original.
func TestRegistryCopied(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	ctx := t.Context()
	own := e.create(t, core.NewTenant{Slug: "own", Isolation: core.DatabaseIsolation})
	shared := e.create(t, core.NewTenant{Slug: "shared"})
	note(t, e.st, own.ID, "x")
	runAs(t, e.AdminDSN, "UPDATE stratum.site SET home = 'another'")
	copied := e.open(t)
	note(t, copied, shared.ID, "x")
	_, err := notes(ctx, copied.DB(), own.ID)
	require.ErrorIs(t, err, core.ErrRegistryCopied)
	for _, isolation := range isolations()[1:] {
		_, err = copied.Tenants.Create(ctx, core.NewTenant{Name: "n", Slug: string(isolation), Isolation: core.DatabaseIsolation})
		require.ErrorIs(t, err, core.ErrRegistryCopied)
	}
	p, _ := e.satellite(t, "eu1")
	_, err = copied.Placements.Register(ctx, p)
	require.ErrorIs(t, err, core.ErrRegistryCopied)
	runAs(t, e.AdminDSN, "UPDATE stratum.site SET home = current_database()")
	requireNotes(t, copied, own.ID, "x")
}

// TestHandleOnASatellite is refused: the tree is not there.
func TestHandleOnASatellite(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	db := e.register(t, "eu1")
	st, err := core.Open(t.Context(), db.Options())
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()
	_, err = st.Tenants.Create(t.Context(), core.NewTenant{Name: "n", Slug: "n", Isolation: core.DatabaseIsolation})
	require.ErrorIs(t, err, core.ErrConfig)
}

// TestSubtreesElsewhere are refused instead of being incomplete.
func TestSubtreesElsewhere(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	e.register(t, "eu1")
	count := func(tenant core.Tenant) (n int, err error) {
		err = e.st.DB().QueryRowContext(core.WithSubtree(t.Context(), tenant.ID), "SELECT count(*) FROM notes").Scan(&n)
		return n, err
	}
	requireCount := func(want int, tenant core.Tenant) {
		t.Helper()
		n, err := count(tenant)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	requireElsewhere := func(tenant core.Tenant) {
		t.Helper()
		_, err := count(tenant)
		require.ErrorIs(t, err, core.ErrSubtreeElsewhere)
		require.ErrorContains(t, err, "Tenants.ForEach")
	}
	root := e.create(t, core.NewTenant{Slug: "root"})
	child := e.create(t, core.NewTenant{Slug: "child", Parent: root.ID})
	note(t, e.st, root.ID, "root")
	note(t, e.st, child.ID, "child")
	requireCount(2, root)
	for n, isolation := range isolations() {
		for _, placement := range []string{"home", "eu1"} {
			if isolation == core.SharedIsolation && placement == "home" {
				continue
			}
			top := e.create(t, core.NewTenant{Slug: fmt.Sprintf("top-%s-%d", placement, n)})
			note(t, e.st, top.ID, "top")
			requireCount(1, top)
			beneath := e.create(t, core.NewTenant{
				Slug: fmt.Sprintf("n-%s-%d", placement, n), Parent: top.ID, Isolation: isolation, Placement: placement,
			})
			note(t, e.st, beneath.ID, "beneath")
			requireElsewhere(top)
			requireCount(1, beneath)
			deeper := e.create(t, core.NewTenant{Slug: fmt.Sprintf("d-%s-%d", placement, n), Parent: beneath.ID})
			requireElsewhere(beneath)
			requireCount(0, deeper)
			require.NoError(t, e.st.Tenants.Archive(t.Context(), deeper.ID))
			requireCount(1, beneath)
		}
	}
	requireCount(2, root)
}

// TestForEachElsewhere visits all, wherever they are, in the order of their ids.
func TestForEachElsewhere(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	e.register(t, "eu1")
	ctx := t.Context()
	var want []uuid.UUID
	for n := range 9 {
		tenant := e.create(t, core.NewTenant{
			Slug: slugOf("t", n), Isolation: isolations()[n%3], Placement: []string{"home", "eu1"}[n%2],
		})
		want = append(want, tenant.ID)
	}
	for _, workers := range []int{1, 4} {
		var mu sync.Mutex
		var visited []uuid.UUID
		report, err := e.st.Tenants.ForEach(ctx, core.ForEachOptions{Workers: workers},
			func(ctx context.Context, tenant core.Tenant) error {
				_, err := e.st.DB().ExecContext(ctx, "INSERT INTO notes (body) VALUES ($1)", tenant.Slug)
				mu.Lock()
				defer mu.Unlock()
				visited = append(visited, tenant.ID)
				return err
			})
		require.NoError(t, err)
		require.Equal(t, 9, report.Done)
		require.ElementsMatch(t, want, visited)
		if workers == 1 {
			require.Equal(t, want, visited)
		}
	}
	errOne := errors.New("one")
	report, err := e.st.Tenants.ForEach(ctx, core.ForEachOptions{}, func(ctx context.Context, tenant core.Tenant) error {
		if tenant.ID == want[4] {
			return errOne
		}
		got, err := notes(ctx, e.st.DB(), tenant.ID)
		require.Equal(t, tenant.Slug+","+tenant.Slug, got)
		return err
	})
	require.ErrorIs(t, err, errOne)
	require.Equal(t, 8, report.Done)
	require.Equal(t, []core.TenantFailure{{Tenant: want[4], Err: errOne}}, report.Failures)
}

// TestKeysAreApart holds that integer keys of tenants in different places never meet.
func TestKeysAreApart(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	db := e.register(t, "eu1")
	big, small := map[int64]string{}, map[int64]string{}
	for n := range 12 {
		tenant := e.create(t, core.NewTenant{
			Slug: slugOf("t", n), Isolation: isolations()[n%3], Placement: []string{"home", "eu1"}[n%2],
		})
		ctx := core.WithTenant(t.Context(), tenant.ID)
		for range 3 {
			id := note(t, e.st, tenant.ID, "x")
			require.Empty(t, big[id], tenant.Slug)
			require.Less(t, id, int64(1)<<53, "JavaScript has these numbers")
			big[id] = tenant.Slug
			var mark int64
			require.NoError(t, e.st.DB().QueryRowContext(ctx, "INSERT INTO marks (note_id) VALUES ($1) RETURNING id", id).Scan(&mark))
			require.Empty(t, small[mark], tenant.Slug)
			small[mark] = tenant.Slug
		}
	}
	const limits = `SELECT array_agg(seqmax ORDER BY seqmax) FROM pg_sequence WHERE seqrelid::regclass::text IN ('notes_id_seq', 'marks_id_seq')`
	require.Equal(t, []int64{1 << 30, 1 << 40}, ask[[]int64](t, e.AdminDSN, limits), "what the shared tables may draw")
	elsewhere := ask[[]int64](t, db.AdminDSN, limits)
	require.Greater(t, elsewhere[0], int64(1)<<30)
	require.Greater(t, elsewhere[1], int64(1)<<40)
}

// TestKeysWithoutRoom are refused where they would have to stay apart.
func TestKeysWithoutRoom(t *testing.T) {
	t.Parallel()
	e := emptyEstate(t)
	migrateEstate(t, e.OwnerDSN, `CREATE TABLE kinds (id smallserial PRIMARY KEY,
		tenant_id uuid NOT NULL DEFAULT stratum.tenant_id())`, []tables.Table{{Name: "kinds", PrimaryKey: []string{"id"}}})
	for _, isolation := range isolations()[1:] {
		_, err := e.st.Tenants.Create(t.Context(), core.NewTenant{Name: "n", Slug: string(isolation), Isolation: isolation})
		require.ErrorContains(t, err, "smallint")
		require.ErrorContains(t, err, `"kinds"`)
	}
	report, err := e.st.Tenants.Reconcile(t.Context(), core.ReconcileOptions{Remove: true})
	require.NoError(t, err)
	require.Len(t, report.Removed, 2)
	e.create(t, core.NewTenant{Slug: "shared"})
	require.Empty(t, e.rubble(t))
}
