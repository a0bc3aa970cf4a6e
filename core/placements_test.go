package core_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

func TestPlacements(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	ctx, placements := t.Context(), e.st.Placements
	p, db := e.satellite(t, "eu1")
	p.Region, p.Labels = "eu", map[string]string{"tier": "gold"}
	for range 2 { // at each start of a program
		registered, err := placements.Register(ctx, p)
		require.NoError(t, err)
		require.Equal(t, core.PlacementActive, registered.State)
		require.Equal(t, "eu", registered.Region)
		require.Equal(t, map[string]string{"tier": "gold"}, registered.Labels)
		require.Zero(t, registered.Tenants)
	}
	all, err := placements.List(ctx)
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, []string{"eu1", "home"}, []string{all[0].Name, all[1].Name})
	_, err = placements.Get(ctx, "us1")
	require.ErrorIs(t, err, core.ErrPlacementNotFound)

	for _, isolation := range isolations() {
		tenant := e.create(t, core.NewTenant{Slug: string(isolation), Isolation: isolation, Placement: "eu1"})
		note(t, e.st, tenant.ID, "of "+tenant.Slug)
		requireNotes(t, e.st, tenant.ID, "of "+tenant.Slug)
		require.Equal(t, 2, countries(t, core.WithTenant(ctx, tenant.ID), e.st))
	}
	require.Equal(t, 1, ask[int](t, db.AdminDSN, "SELECT count(*) FROM notes"), "the shared tenant's is there")
	require.Zero(t, ask[int](t, e.AdminDSN, "SELECT count(*) FROM notes"))
	eu, err := placements.Get(ctx, "eu1")
	require.NoError(t, err)
	require.EqualValues(t, 3, eu.Tenants)
	health, err := placements.Health(ctx)
	require.NoError(t, err)
	require.Len(t, health, 2)
	for _, h := range health {
		require.NoError(t, h.Err, h.Name)
	}
	require.ErrorIs(t, placements.Remove(ctx, "eu1"), core.ErrPlacementInUse)
	require.ErrorIs(t, placements.Remove(ctx, "us1"), core.ErrPlacementNotFound)
	require.ErrorIs(t, placements.Remove(ctx, "home"), core.ErrPlacementNotFound)
	e.register(t, "eu2")
	require.NoError(t, placements.Remove(ctx, "eu2"))
	_, err = placements.Get(ctx, "eu2")
	require.ErrorIs(t, err, core.ErrPlacementNotFound)
}

func countries(t *testing.T, ctx context.Context, st *core.Stratum) (n int) { //nolint:revive // t first
	t.Helper()
	require.NoError(t, st.DB().QueryRowContext(ctx, "SELECT count(*) FROM countries").Scan(&n))
	return n
}

// TestPlacementsOfOthers are refused, and what was registered before goes on.
func TestPlacementsOfOthers(t *testing.T) {
	t.Parallel()
	e, other := newEstate(t), newEstate(t)
	ctx := t.Context()
	p, _ := e.satellite(t, "eu1")
	_, err := e.st.Placements.Register(ctx, p)
	require.NoError(t, err)
	tenant := e.create(t, core.NewTenant{Slug: "acme", Placement: "eu1"})
	note(t, e.st, tenant.ID, "here")

	for name, change := range map[string]func(p *core.Placement){
		"the registry itself": func(p *core.Placement) {
			p.DSN, p.SystemDSN, p.OwnerDSN = e.dsns.put("h/d", e.DSN), e.dsns.put("h/s", e.SystemDSN), e.dsns.put("h/o", e.OwnerDSN)
		},
		"another registry": func(p *core.Placement) {
			p.DSN, p.SystemDSN = e.dsns.put("o/d", other.DSN), e.dsns.put("o/s", other.SystemDSN)
			p.OwnerDSN = e.dsns.put("o/o", other.OwnerDSN)
		},
		"the same under two names": func(*core.Placement) {},
		"an owner elsewhere": func(p *core.Placement) {
			elsewhere, _ := e.satellite(t, "elsewhere")
			p.OwnerDSN = elsewhere.OwnerDSN
		},
		"nowhere": func(p *core.Placement) { p.SystemDSN = "vault:nothing" },
	} {
		wrong := p
		wrong.Name = "eu2"
		change(&wrong)
		_, err := e.st.Placements.Register(ctx, wrong)
		require.ErrorIs(t, err, core.ErrPlacement, name)
		closed, err := e.st.Placements.Get(ctx, "eu2")
		require.NoError(t, err, name)
		require.Equal(t, core.PlacementClosed, closed.State, name)
		require.NoError(t, e.st.Placements.Remove(ctx, "eu2"))

		wrong.Name = "eu1" // now of one with tenants
		if name == "the same under two names" {
			fresh, _ := e.satellite(t, "fresh")
			wrong.DSN, wrong.SystemDSN, wrong.OwnerDSN = fresh.DSN, fresh.SystemDSN, fresh.OwnerDSN
		}
		_, err = e.st.Placements.Register(ctx, wrong)
		require.ErrorIs(t, err, core.ErrPlacement, name)
		requireNotes(t, e.st, tenant.ID, "here")
		requireNotes(t, e.open(t), tenant.ID, "here")
	}
	note(t, e.st, e.create(t, core.NewTenant{Slug: "still"}).ID, "the registry is as it was")
}

// TestRegistryIsNoPlacement also while it is empty.
func TestRegistryIsNoPlacement(t *testing.T) {
	t.Parallel()
	e := emptyEstate(t)
	_, err := e.st.Placements.Register(t.Context(), core.Placement{
		Name: "eu1", DSN: e.dsns.put("d", e.DSN), SystemDSN: e.dsns.put("s", e.SystemDSN), OwnerDSN: e.dsns.put("o", e.OwnerDSN),
	})
	require.ErrorIs(t, err, core.ErrPlacement)
	require.Equal(t, "home", ask[string](t, e.AdminDSN, "SELECT placement FROM stratum.site"))
}

// The name of a secret's file or variable may say what it is.
func TestReferencesNamedForPasswords(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	_, db := e.satellite(t, "eu1")
	folder := t.TempDir()
	reference := func(dsn string) string {
		path := filepath.Join(folder, uuid.NewString()+"_pg_password")
		require.NoError(t, os.WriteFile(path, []byte(dsn+"\n"), 0o600))
		return "file:" + path
	}
	_, err := e.st.Placements.Register(t.Context(), core.Placement{
		Name: "eu1", DSN: reference(db.DSN), SystemDSN: reference(db.SystemDSN), OwnerDSN: reference(db.OwnerDSN),
	})
	require.NoError(t, err)
	tenant := e.create(t, core.NewTenant{Slug: "acme", Placement: "eu1", Isolation: core.SchemaIsolation})
	note(t, e.st, tenant.ID, "there")
}

func TestPlacementsRefuse(t *testing.T) {
	t.Parallel()
	e := emptyEstate(t)
	const secret = "canary-5ecret"
	for field, p := range map[string]core.Placement{
		"Name":      {Name: "EU", DSN: "env:X"},
		"DSN":       {Name: "eu1", DSN: "postgres://app:" + secret + "@db/app"},
		"DSN ":      {Name: "eu1", DSN: "env:X", OwnerDSN: "host=db password=" + secret},
		"DSN  ":     {Name: "eu1", DSN: "env:X", ReplicaDSNs: []string{"postgresql://" + secret + "@db"}},
		"DSN   ":    {Name: "eu1"},
		"DSN    ":   {Name: "home", DSN: "env:X"},
		"DSN     ":  {Name: "eu1", DSN: "no reference " + secret},
		"SystemDSN": {Name: "home", SystemDSN: "env:X"},
		"Capacity":  {Name: "eu1", DSN: "env:X", Capacity: -1},
		"State":     {Name: "eu1", DSN: "env:X", State: "open"},
	} {
		_, err := e.st.Placements.Register(t.Context(), p)
		requireInvalid(t, strings.TrimSpace(field), err)
		require.NotContains(t, err.Error(), secret)
	}
	// The table does not take one either.
	for _, dsn := range []string{"postgres://a:b@c/d", "host=a dbname=b", "user=a PASSWORD=b", "a@b"} {
		for _, column := range []string{"dsn", "system_dsn", "owner_dsn"} {
			err := tryAs(t, e.OwnerDSN, fmt.Sprintf("INSERT INTO stratum.placements (name, %s) VALUES ('x', '%s')", column, dsn))
			require.ErrorContains(t, err, "placements_dsn_check")
		}
		err := tryAs(t, e.OwnerDSN, fmt.Sprintf("INSERT INTO stratum.placements (name, replica_dsns) VALUES ('x', '{\"%s\"}')", dsn))
		require.ErrorContains(t, err, "placements_dsn_check")
	}
	// Placements are the operator's.
	acme, err := e.st.Tenants.Create(t.Context(), core.NewTenant{Name: "Acme", Slug: "acme"})
	require.NoError(t, err)
	for _, ctx := range []context.Context{
		core.WithTenant(t.Context(), acme.ID), core.WithSubtree(t.Context(), acme.ID),
	} {
		_, listErr := e.st.Placements.List(ctx)
		_, getErr := e.st.Placements.Get(ctx, "home")
		_, registerErr := e.st.Placements.Register(ctx, core.Placement{Name: "eu1", DSN: "env:X"})
		_, homeErr := e.st.Placements.Register(ctx, core.Placement{Name: "home"})
		_, healthErr := e.st.Placements.Health(ctx)
		_, prepareErr := e.st.Placements.Prepare(ctx, core.Spares{Isolation: core.SchemaIsolation, Count: 1})
		_, reconcileErr := e.st.Tenants.Reconcile(ctx, core.ReconcileOptions{})
		for _, err := range []error{
			listErr, getErr, registerErr, homeErr, healthErr, prepareErr, reconcileErr, e.st.Placements.Remove(ctx, "eu1"),
		} {
			require.ErrorIs(t, err, core.ErrForbiddenPlacement)
			require.ErrorIs(t, err, core.ErrForbidden)
		}
	}
	_, err = e.st.Placements.List(core.AsSystem(t.Context(), "a test lists"))
	require.NoError(t, err)
}

// tryAs runs statements as the login of a DSN.
func tryAs(tb testing.TB, dsn, statements string) error {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), dsn)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, conn.Close(tb.Context())) }()
	_, err = conn.PgConn().Exec(tb.Context(), statements).ReadAll()
	return err
}

// TestReferences lead to DSNs by the environment, by files and by a resolver, and nothing of a DSN is told or kept.
func TestReferences(t *testing.T) {
	const canary = "c4nary5ecret"
	var log bytes.Buffer
	e := newEstate(t, func(o *core.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	ctx := t.Context()
	_, db := e.satellite(t, "unused")
	for _, suffix := range []string{"app", "system", "owner"} {
		runAs(t, db.AdminDSN, fmt.Sprintf(`ALTER ROLE "%s_%s" PASSWORD '%s'`, db.Name, suffix, canary))
	}
	file := filepath.Join(t.TempDir(), "owner")
	require.NoError(t, os.WriteFile(file, []byte(withPassword(t, db.OwnerDSN, canary)+"\n"), 0o600))
	t.Setenv("STRATUM_TEST_EU_DSN", withPassword(t, db.DSN, canary))
	e.dsns.put("system", withPassword(t, db.SystemDSN, canary))
	p := core.Placement{Name: "eu1", DSN: "env:STRATUM_TEST_EU_DSN", SystemDSN: "vault:system", OwnerDSN: "file:" + file}
	_, err := e.st.Placements.Register(ctx, p)
	require.NoError(t, err)
	tenants := map[core.Isolation]core.Tenant{}
	for _, isolation := range isolations() {
		tenants[isolation] = e.create(t, core.NewTenant{Slug: string(isolation), Isolation: isolation, Placement: "eu1"})
		note(t, e.st, tenants[isolation].ID, "x")
	}

	var told strings.Builder
	tell := func(err error) {
		require.Error(t, err)
		fmt.Fprintf(&told, "%v\n%+v\n%#v\n", err, err, err)
	}
	// Wrong in all kinds of ways, for programs that have not connected yet.
	wrong := []string{
		"postgres://nobody:" + canary + "@127.0.0.1:1/x", "postgres://a:" + canary + "@[::bad", canary + " is no dsn",
		withPassword(t, strings.Replace(db.DSN, db.Name+"_app", "nobody", 1), canary),
		withPassword(t, strings.Replace(db.DSN, "/"+db.Name, "/nodatabase", 1), canary), "",
	}
	for _, dsn := range wrong {
		t.Setenv("STRATUM_TEST_EU_DSN", dsn)
		st := e.open(t)
		for _, tenant := range tenants {
			_, err := notes(ctx, st.DB(), tenant.ID)
			tell(err)
		}
		health, err := st.Placements.Health(ctx)
		require.NoError(t, err)
		tell(health[0].Err)
		_, err = st.Placements.Register(ctx, p)
		tell(err)
	}
	t.Setenv("STRATUM_TEST_EU_DSN", withPassword(t, db.DSN, canary))
	for _, text := range wrong {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err := e.open(t).Tenants.Create(ctx, core.NewTenant{
			Name: "n", Slug: fmt.Sprintf("n%d", len(text)), Isolation: core.DatabaseIsolation, Placement: "eu1",
		})
		tell(err)
	}
	e.dsns.err = fmt.Errorf("dial postgres://a:%s@b: refused", canary)
	_, err = e.open(t).Placements.Register(ctx, p)
	tell(err)
	for _, secret := range []string{canary, "127.0.0.1", "user="} {
		require.NotContains(t, told.String(), secret)
		require.NotContains(t, log.String(), secret)
	}
	for _, dsn := range []string{e.AdminDSN, db.AdminDSN} {
		require.NotContains(t, dump(t, dsn), canary)
	}
}

// withPassword puts a password into a DSN.
func withPassword(tb testing.TB, dsn, password string) string {
	tb.Helper()
	before, after, ok := strings.Cut(dsn, "@")
	require.True(tb, ok, "the DSN names its login")
	scheme, login, ok := strings.Cut(before, "://")
	require.True(tb, ok)
	login, _, _ = strings.Cut(login, ":")
	return scheme + "://" + login + ":" + password + "@" + after
}

// dump is all that is in the tables of schema stratum.
func dump(tb testing.TB, dsn string) string {
	tb.Helper()
	return ask[string](tb, dsn, `SELECT string_agg(query_to_xml(format('SELECT * FROM stratum.%I', relname), true, true, '')::text, '')
		FROM pg_class WHERE relnamespace = 'stratum'::regnamespace AND relkind = 'r'`)
}

// TestRotatedPassword is in force with the next connection.
func TestRotatedReference(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	p, db := e.satellite(t, "eu1")
	_, err := e.st.Placements.Register(t.Context(), p)
	require.NoError(t, err)
	acme := e.create(t, core.NewTenant{Slug: "acme", Placement: "eu1"})
	note(t, e.st, acme.ID, "one")
	// Another login takes over, and the connections of the one before are ended.
	runAs(t, db.AdminDSN, fmt.Sprintf(`CREATE ROLE "%[1]s_app2" LOGIN NOINHERIT;
		GRANT stratum_tenant, stratum_subtree, stratum_schema TO "%[1]s_app2";
		ALTER ROLE "%[1]s_app" NOLOGIN`, db.Name))
	e.dsns.put("eu1/data", strings.Replace(db.DSN, db.Name+"_app", db.Name+"_app2", 1))
	runAs(t, db.AdminDSN, fmt.Sprintf("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '%s_app'", db.Name))
	require.Eventually(t, func() bool {
		got, err := notes(t.Context(), e.st.DB(), acme.ID)
		return err == nil && got == "one"
	}, time.Minute, 20*time.Millisecond)
}

// TestResidency keeps data in its regions: at create, at a move, and when a placement or a residency changes.
func TestResidency(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	ctx := t.Context()
	p, _ := e.satellite(t, "eu1")
	p.Region, p.Labels = "eu", map[string]string{"tier": "gold"}
	_, err := e.st.Placements.Register(ctx, p)
	require.NoError(t, err)
	_, err = e.st.Placements.Register(ctx, core.Placement{Name: "home", Region: "us"})
	require.NoError(t, err)
	eu := core.Residency{Regions: []string{"eu"}}
	bank := e.create(t, core.NewTenant{Slug: "bank", Residency: eu})
	require.Equal(t, "eu1", bank.Placement, "the only place that will do")
	require.Equal(t, eu, bank.Residency)
	branch := e.create(t, core.NewTenant{Slug: "branch", Parent: bank.ID})
	require.Equal(t, "eu1", branch.Placement)
	desk := e.create(t, core.NewTenant{Slug: "desk", Parent: branch.ID, Residency: core.Residency{Labels: map[string]string{"tier": "gold"}}})

	refused := func(n core.NewTenant) {
		n.Name = n.Slug
		_, err := e.st.Tenants.Create(ctx, n)
		require.ErrorIs(t, err, core.ErrResidency, n.Slug)
	}
	refused(core.NewTenant{Slug: "n1", Parent: branch.ID, Placement: "home"})
	refused(core.NewTenant{Slug: "n2", Parent: branch.ID, Residency: core.Residency{Regions: []string{"us"}}})
	refused(core.NewTenant{Slug: "n3", Residency: core.Residency{Labels: map[string]string{"tier": "silver"}}})
	refused(core.NewTenant{Slug: "n4", Residency: core.Residency{Labels: map[string]string{"zone": ""}}})
	_, err = e.st.Tenants.Create(ctx, core.NewTenant{Name: "n", Slug: "n", Placement: "nowhere"})
	require.ErrorIs(t, err, core.ErrPlacementNotFound)

	shop := e.create(t, core.NewTenant{Slug: "shop"})
	require.Equal(t, "home", shop.Placement)
	corner := e.create(t, core.NewTenant{Slug: "corner", Parent: shop.ID})
	require.ErrorIs(t, second(e.st.Tenants.Move(ctx, shop.ID, branch.ID)), core.ErrResidency)
	require.ErrorIs(t, second(e.st.Tenants.Move(ctx, corner.ID, bank.ID)), core.ErrResidency)
	require.NoError(t, second(e.st.Tenants.Move(ctx, desk.ID, bank.ID)))
	require.NoError(t, second(e.st.Tenants.Move(ctx, desk.ID, uuid.Nil)))
	require.NoError(t, second(e.st.Tenants.Move(ctx, desk.ID, branch.ID)))

	p.Region = "us"
	_, err = e.st.Placements.Register(ctx, p)
	require.ErrorIs(t, err, core.ErrResidency)
	p.Region, p.Labels = "eu", nil
	_, err = e.st.Placements.Register(ctx, p)
	require.ErrorIs(t, err, core.ErrResidency, "the desk needs the label")

	// What a tenant needs can change, if all that is beneath it fits.
	us := core.Residency{Regions: []string{"us"}}
	require.ErrorIs(t, second(e.st.Tenants.Update(ctx, bank.ID, core.TenantUpdate{Residency: &us})), core.ErrResidency)
	both := core.Residency{Regions: []string{"eu", "us"}}
	updated, err := e.st.Tenants.Update(ctx, bank.ID, core.TenantUpdate{Residency: &both})
	require.NoError(t, err)
	require.Equal(t, both, updated.Residency)
	require.NoError(t, second(e.st.Tenants.Move(ctx, corner.ID, bank.ID)))
	require.ErrorIs(t, second(e.st.Tenants.Update(ctx, bank.ID, core.TenantUpdate{Residency: &eu})), core.ErrResidency,
		"the corner is in the us")
	updated, err = e.st.Tenants.Update(ctx, bank.ID, core.TenantUpdate{Residency: &core.Residency{}})
	require.NoError(t, err)
	require.Empty(t, updated.Residency)
	name := "Bank"
	updated, err = e.st.Tenants.Update(ctx, desk.ID, core.TenantUpdate{Name: &name})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"tier": "gold"}, updated.Residency.Labels, "what is not mentioned stays")
}

// TestCapacity fills placements up, and leaves alone those that take no more.
func TestCapacity(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	ctx := t.Context()
	p, _ := e.satellite(t, "eu1")
	p.Capacity = 2
	_, err := e.st.Placements.Register(ctx, p)
	require.NoError(t, err)
	_, err = e.st.Placements.Register(ctx, core.Placement{Name: "home", Capacity: 1})
	require.NoError(t, err)
	var at []string
	for n := range 3 {
		at = append(at, e.create(t, core.NewTenant{Slug: fmt.Sprintf("t%d", n)}).Placement)
	}
	require.Equal(t, []string{"home", "eu1", "eu1"}, at)
	full := core.NewTenant{Name: "full", Slug: "full"}
	require.ErrorIs(t, second(e.st.Tenants.Create(ctx, full)), core.ErrPlacementFull)
	named := e.create(t, core.NewTenant{Slug: "named", Placement: "eu1"})
	require.Equal(t, "eu1", named.Placement, "who names a placement has looked")

	_, err = e.st.Placements.Register(ctx, core.Placement{Name: "home"})
	require.NoError(t, err)
	batch := make([]core.NewTenant, 3)
	for i := range batch {
		batch[i] = core.NewTenant{Name: "n", Slug: fmt.Sprintf("b%d", i)}
	}
	created, err := e.st.Tenants.CreateBatch(ctx, batch)
	require.NoError(t, err)
	require.Equal(t, "home", created[2].Placement)
	for _, state := range []core.PlacementState{core.PlacementDraining, core.PlacementClosed} {
		p.State, p.Capacity = state, 0
		_, err = e.st.Placements.Register(ctx, p)
		require.NoError(t, err)
		require.ErrorIs(t, second(e.st.Tenants.Create(ctx, core.NewTenant{
			Name: "n", Slug: "closed", Placement: "eu1",
		})), core.ErrPlacementFull)
		child := e.create(t, core.NewTenant{Slug: "child-" + string(state), Parent: named.ID})
		require.Equal(t, "home", child.Placement, "not where its parent is")
		note(t, e.st, named.ID, string(state))
	}
}
