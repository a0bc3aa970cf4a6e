package core_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/pgproxy"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// knows is the status of a tenant as its satellite knows it.
func knows(t *testing.T, dsn string, tenant core.Tenant) core.Status {
	t.Helper()
	return ask[core.Status](t, dsn, "SELECT status FROM stratum.tenants WHERE id = $1", tenant.ID)
}

// satelliteOf is where a tenant of eu1 is.
func (e estate) satelliteOf(t *testing.T, db *stratumtest.Database, tenant core.Tenant) string {
	t.Helper()
	if tenant.Isolation == core.DatabaseIsolation {
		return e.databaseOf(t, db.AdminDSN, tenant)
	}
	return db.AdminDSN
}

// TestSatellitesAreTold of statuses.
func TestSatellitesAreTold(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	db := e.register(t, "eu1")
	ctx, tenants := t.Context(), e.st.Tenants
	another := e.open(t)
	root := e.create(t, core.NewTenant{Slug: "root"})
	own := e.create(t, core.NewTenant{Slug: "own", Isolation: core.DatabaseIsolation, Parent: root.ID})
	all := []core.Tenant{own}
	for _, isolation := range isolations() {
		all = append(all, e.create(t, core.NewTenant{
			Slug: string(isolation), Isolation: isolation, Placement: "eu1", Parent: root.ID,
		}))
	}
	where := func(tenant core.Tenant) string {
		if tenant.Placement == "home" {
			return e.databaseOf(t, e.AdminDSN, tenant)
		}
		return e.satelliteOf(t, db, tenant)
	}
	requireStatus := func(want core.Status) {
		t.Helper()
		for _, tenant := range all {
			require.Equal(t, want, knows(t, where(tenant), tenant), tenant.Slug)
			for _, st := range []*core.Stratum{e.st, another} {
				_, err := notes(ctx, st.DB(), tenant.ID)
				if want == core.StatusActive {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, core.ErrTenantNotActive, tenant.Slug)
				}
			}
		}
	}
	requireStatus(core.StatusActive)
	for range 2 {
		for _, tenant := range all {
			require.NoError(t, tenants.Suspend(ctx, tenant.ID))
		}
		requireStatus(core.StatusSuspended)
		for _, tenant := range all {
			require.NoError(t, tenants.Resume(ctx, tenant.ID))
		}
		requireStatus(core.StatusActive)
	}
	suspended, err := tenants.SuspendSubtree(ctx, root.ID)
	require.NoError(t, err)
	require.Equal(t, 5, suspended)
	requireStatus(core.StatusSuspended)
	for _, tenant := range all {
		require.NoError(t, tenants.Archive(ctx, tenant.ID))
	}
	requireStatus(core.StatusArchived)
	require.NoError(t, tenants.Resume(ctx, root.ID))
	for _, tenant := range all {
		require.NoError(t, tenants.Restore(ctx, tenant.ID))
	}
	requireStatus(core.StatusActive)
}

// TestSatelliteOutOfReach goes by the old status, which is said, until it is told.
func TestSatelliteOutOfReach(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	ctx, tenants := t.Context(), e.st.Tenants
	p, db := e.satellite(t, "eu1")
	proxy, err := pgproxy.Start(ctx, db.DSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, proxy.Close()) }()
	direct := func() {
		e.dsns.put("eu1/data", db.DSN)
		e.dsns.put("eu1/system", db.SystemDSN)
		e.dsns.put("eu1/owner", db.OwnerDSN)
	}
	for name, dsn := range map[string]string{"data": db.DSN, "system": db.SystemDSN, "owner": db.OwnerDSN} {
		proxied, err := proxy.Rewrite(dsn)
		require.NoError(t, err)
		e.dsns.put("eu1/"+name, proxied)
	}
	_, err = e.st.Placements.Register(ctx, p)
	require.NoError(t, err)
	e.register(t, "eu2")
	root := e.create(t, core.NewTenant{Slug: "root"})
	acme := e.create(t, core.NewTenant{Slug: "acme", Placement: "eu1", Parent: root.ID})
	other := e.create(t, core.NewTenant{Slug: "other", Placement: "eu2"})
	resumed := e.create(t, core.NewTenant{Slug: "resumed", Placement: "eu1"})
	require.NoError(t, tenants.Suspend(ctx, resumed.ID))
	note(t, e.st, acme.ID, "x")

	require.NoError(t, proxy.Close())
	_, err = tenants.SuspendSubtree(ctx, root.ID)
	require.ErrorIs(t, err, core.ErrUntold)
	require.ErrorIs(t, tenants.Resume(ctx, resumed.ID), core.ErrUntold)
	_, err = tenants.SuspendSubtree(ctx, other.ID)
	require.NoError(t, err, "of what is at other placements nothing is said")
	_, err = tenants.Reconcile(ctx, core.ReconcileOptions{})
	require.ErrorIs(t, err, core.ErrUntold)
	for _, tenant := range []struct {
		tenant core.Tenant
		here   core.Status
		there  core.Status
	}{{acme, core.StatusSuspended, core.StatusActive}, {resumed, core.StatusActive, core.StatusSuspended}} {
		found, err := tenants.Get(ctx, tenant.tenant.ID)
		require.NoError(t, err)
		require.Equal(t, tenant.here, found.Status)
		require.Equal(t, tenant.there, knows(t, db.AdminDSN, tenant.tenant))
	}
	health, err := e.st.Placements.Health(ctx)
	require.NoError(t, err)
	require.Error(t, health[0].Err, "eu1")
	require.NoError(t, health[1].Err, "one that is down hides no others")
	require.NoError(t, health[2].Err)

	direct()
	require.Eventually(t, func() bool {
		_, err = tenants.Reconcile(ctx, core.ReconcileOptions{})
		return err == nil
	}, time.Minute, 20*time.Millisecond)
	require.Equal(t, core.StatusSuspended, knows(t, db.AdminDSN, acme))
	require.Equal(t, core.StatusActive, knows(t, db.AdminDSN, resumed))
	_, err = notes(ctx, e.st.DB(), acme.ID)
	require.ErrorIs(t, err, core.ErrTenantNotActive)
	note(t, e.st, resumed.ID, "y")
}

// TestStatusesInARace end with the satellite knowing the last one.
func TestStatusesInARace(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	ctx := t.Context()
	db := e.register(t, "eu1")
	tenant := e.create(t, core.NewTenant{Slug: "acme", Placement: "eu1"})
	programs := []*core.Stratum{e.st, e.open(t)}
	for round := range 12 {
		var work sync.WaitGroup
		for n := range 8 {
			work.Go(func() {
				st := programs[n%2]
				if n%3 == 0 { // an attribute that has nothing to do with it
					name := strconv.Itoa(round)
					_, _ = st.Tenants.Update(ctx, tenant.ID, core.TenantUpdate{Name: &name})
				}
				if n%2 == 0 {
					_ = st.Tenants.Suspend(ctx, tenant.ID)
				} else {
					_ = st.Tenants.Resume(ctx, tenant.ID)
				}
			})
		}
		work.Wait()
		_, err := e.st.Tenants.Reconcile(ctx, core.ReconcileOptions{})
		require.NoError(t, err)
		found, err := e.st.Tenants.Get(ctx, tenant.ID)
		require.NoError(t, err)
		require.Equal(t, found.Status, knows(t, db.AdminDSN, tenant), "round %d", round)
	}
}
