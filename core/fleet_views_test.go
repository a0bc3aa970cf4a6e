package core_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// viewed is a migration that makes views, one on the other.
func viewed() map[string]string {
	return map[string]string{
		"00001_views.sql": `CREATE VIEW bodies WITH (security_invoker = true) AS
				SELECT n.id, n.body, (SELECT count(*) FROM countries) AS countries FROM notes n;
			CREATE VIEW summary WITH (security_invoker = true) AS
				SELECT string_agg(body, ',' ORDER BY body) AS bodies, max(countries) AS countries FROM bodies;
			GRANT SELECT ON bodies, summary TO stratum_tenant, stratum_subtree, stratum_system;
			GRANT INSERT (body) ON bodies TO stratum_tenant;`,
	}
}

// requireSummary holds that a tenant reads its own rows through views, wherever it is.
func requireSummary(t *testing.T, st *core.Stratum, tenant core.Tenant, want string) {
	t.Helper()
	var bodies string
	var countries int
	require.NoError(t, st.DB().QueryRowContext(core.WithTenant(t.Context(), tenant.ID),
		"SELECT coalesce(bodies, ''), countries FROM summary").Scan(&bodies, &countries), tenant.Slug)
	require.Equal(t, want, bodies, tenant.Slug)
	require.Equal(t, 2, countries, tenant.Slug)
}

// TestFleetViews has views wherever the tables are, in places that are there and in those that are made later.
func TestFleetViews(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	migrations := []core.Migrations{gooseOf(t, viewed())}
	f.migrate(t, core.FleetOptions{Migrations: migrations})
	require.Empty(t, f.drifts(t))
	require.Zero(t, f.migrate(t, core.FleetOptions{Migrations: migrations}).Done)
	tenants := f.tenants
	for _, isolation := range isolations() {
		for _, placement := range []string{"home", "eu1"} {
			tenants = append(tenants, f.create(t, core.NewTenant{
				Slug: "later-" + placement + "-" + string(isolation), Isolation: isolation, Placement: placement,
			}))
		}
	}
	batch, err := f.st.Tenants.CreateBatch(t.Context(), []core.NewTenant{
		{Name: "b", Slug: "b1", Isolation: core.SchemaIsolation},
		{Name: "b", Slug: "b2", Isolation: core.SchemaIsolation},
	})
	require.NoError(t, err)
	tenants = append(tenants, batch...)
	require.Empty(t, f.drifts(t))
	for _, tenant := range tenants {
		note(t, f.st, tenant.ID, tenant.Slug)
		_, err := f.st.DB().ExecContext(core.WithTenant(t.Context(), tenant.ID), "INSERT INTO bodies (body) VALUES ('zz')")
		require.NoError(t, err, tenant.Slug)
	}
	for _, tenant := range tenants {
		requireSummary(t, f.st, tenant, tenant.Slug+",zz")
	}
}

// TestFleetViewsConverge brings views to the model, with the tables that they stand on.
func TestFleetViewsConverge(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	runAs(t, f.OwnerDSN, viewed()["00001_views.sql"])
	require.Equal(t, fleetOthers, f.migrate(t, core.FleetOptions{}).Done)
	require.Empty(t, f.drifts(t))
	for _, tenant := range f.tenants {
		note(t, f.st, tenant.ID, tenant.Slug)
		requireSummary(t, f.st, tenant, tenant.Slug)
	}

	runAs(t, f.OwnerDSN, "REVOKE SELECT ON "+f.homeSchema(t)+".summary FROM stratum_schema")
	_, err := f.st.DB().ExecContext(core.WithTenant(t.Context(), f.of(t, "home-schema").ID), "SELECT FROM summary")
	require.ErrorIs(t, err, core.ErrPermission, "and nothing falls through to the shared one")
	drift := f.drifts(t)
	require.Len(t, drift, 1)
	found := drift[f.targetOf(t, "home-schema")]
	require.Len(t, found, 1)
	require.Equal(t, "view", found[0].Kind)
	require.Equal(t, "summary", found[0].Table)
	require.Equal(t, 1, f.migrate(t, core.FleetOptions{Verify: true}).Done)

	runAs(t, f.OwnerDSN, `DROP VIEW bodies CASCADE; ALTER TABLE notes ALTER body TYPE varchar(900);
		CREATE VIEW bodies WITH (security_invoker = true) AS SELECT body, 2 AS countries FROM notes;
		CREATE VIEW summary WITH (security_invoker = true) AS SELECT max(body) AS bodies, max(countries) AS countries FROM bodies;
		GRANT SELECT ON bodies, summary TO stratum_tenant, stratum_subtree, stratum_system`)
	require.Equal(t, fleetOthers, f.migrate(t, core.FleetOptions{AllowDestructive: true}).Done)
	require.Empty(t, f.drifts(t))
	for _, tenant := range f.tenants {
		requireSummary(t, f.st, tenant, tenant.Slug)
	}
}
