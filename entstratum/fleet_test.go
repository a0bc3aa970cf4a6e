package entstratum_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/internal/conformance"
)

// olderSQL takes back what the models have grown by: a column with an index and one without, a table of each class, and
// references to them.
const olderSQL = `
	DROP TABLE remarks, templates, watchers;
	ALTER TABLE badges DROP COLUMN serial, DROP COLUMN title;
	DELETE FROM stratum.tables WHERE table_name IN ('remarks', 'templates', 'watchers')`

// evolve migrates, and looks that nobody differs from the model.
func (d desk) evolve(t *testing.T) core.FleetReport {
	t.Helper()
	report, err := d.st.Fleet.Migrate(t.Context(), core.FleetOptions{
		Migrations: []core.Migrations{ent.StratumMigrations(d.st)},
	})
	require.NoError(t, err)
	for drift, err := range d.st.Fleet.Drift(t.Context()) {
		require.NoError(t, err)
		require.Fail(t, "drift", "%+v", drift)
	}
	return report
}

// Models grow by columns, indexes and tables of every class: everyone follows, once, and who comes later has it all.
func TestFleetFollowsTheModels(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.exec(t, d.OwnerDSN, olderSQL)
	conformance.Register(t, d.st, "eu1")
	tenants := append(conformance.EveryIsolation(t, d.st, "home", "home"), conformance.EveryIsolation(t, d.st, "abroad", "eu1")...)
	for _, isolation := range []core.Isolation{core.SchemaIsolation, core.DatabaseIsolation} {
		_, err := d.st.Placements.Prepare(t.Context(), core.Spares{Isolation: isolation, Count: 1})
		require.NoError(t, err)
	}
	require.Equal(t, 7, d.evolve(t).Done, "all but the model")
	system := core.AsSystem(t.Context(), "what everyone has")
	_, err := d.client.Template.Create().SetCode("all").Save(system)
	require.NoError(t, err)
	require.Zero(t, d.evolve(t).Done, "a second run has nothing to do")
	tenants = append(append(tenants, conformance.EveryIsolation(t, d.st, "later", "home")...), conformance.EveryIsolation(t, d.st, "beyond", "eu1")...)
	require.Zero(t, d.evolve(t).Done, "what is new counts as migrated")
	for _, tenant := range tenants {
		ctx := core.WithTenant(t.Context(), tenant.ID)
		person, err := d.client.Person.Create().SetTitle("Ann").Save(ctx)
		require.NoError(t, err, tenant.Slug)
		_, err = d.client.Badge.Create().SetPerson(person).SetTitle("b").SetSerial(tenant.Slug).Save(ctx)
		require.NoError(t, err, tenant.Slug)
		remark, err := d.client.Remark.Create().SetTitle("r").Save(ctx)
		require.NoError(t, err, tenant.Slug)
		_, err = d.client.Remark.Create().SetParent(remark).Save(ctx)
		require.NoError(t, err, tenant.Slug)
		_, err = d.client.Template.Create().SetCode("own").Save(ctx)
		require.NoError(t, err, tenant.Slug)
		codes, err := d.client.Template.Query().Order(ent.Asc("code")).Select("code").Strings(ctx)
		require.NoError(t, err, tenant.Slug)
		require.Equal(t, []string{"all", "own"}, codes, tenant.Slug)
	}
}
