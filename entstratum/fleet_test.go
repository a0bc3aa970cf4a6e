package entstratum_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// olderSQL takes back what the models have grown by: a column with an index and one without, a table of each class, and
// references to them.
const olderSQL = `
	DROP TABLE remarks, templates, watchers;
	ALTER TABLE badges DROP COLUMN serial, DROP COLUMN title;
	DELETE FROM stratum.tables WHERE table_name IN ('remarks', 'templates', 'watchers')`

// register makes an empty database a placement.
func (d desk) register(t *testing.T, name string) {
	t.Helper()
	db := stratumtest.EmptyDatabase(t)
	d.exec(t, db.AdminDSN, "ALTER ROLE "+pgx.Identifier{db.Name + "_owner"}.Sanitize()+" CREATEDB")
	folder := t.TempDir()
	file := func(kind, dsn string) string {
		path := filepath.Join(folder, kind)
		require.NoError(t, os.WriteFile(path, []byte(dsn), 0o600))
		return "file:" + path
	}
	_, err := d.st.Placements.Register(t.Context(), core.Placement{
		Name: name, DSN: file("data", db.DSN), SystemDSN: file("system", db.SystemDSN), OwnerDSN: file("owner", db.OwnerDSN),
	})
	require.NoError(t, err)
}

func (d desk) everyKind(t *testing.T, prefix, placement string) (tenants []core.Tenant) {
	t.Helper()
	for _, isolation := range []core.Isolation{core.SharedIsolation, core.SchemaIsolation, core.DatabaseIsolation} {
		slug := prefix + "-" + string(isolation)
		tenant, err := d.st.Tenants.Create(t.Context(), core.NewTenant{
			Name: slug, Slug: slug, Isolation: isolation, Placement: placement,
		})
		require.NoError(t, err)
		tenants = append(tenants, tenant)
	}
	return tenants
}

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
	d.register(t, "eu1")
	tenants := append(d.everyKind(t, "home", "home"), d.everyKind(t, "abroad", "eu1")...)
	for _, isolation := range []core.Isolation{core.SchemaIsolation, core.DatabaseIsolation} {
		_, err := d.st.Placements.Prepare(t.Context(), core.Spares{Isolation: isolation, Count: 1})
		require.NoError(t, err)
	}
	require.Equal(t, 7, d.evolve(t).Done, "all but the model")
	system := core.AsSystem(t.Context(), "what everyone has")
	_, err := d.client.Template.Create().SetCode("all").Save(system)
	require.NoError(t, err)
	require.Zero(t, d.evolve(t).Done, "a second run has nothing to do")
	tenants = append(append(tenants, d.everyKind(t, "later", "home")...), d.everyKind(t, "beyond", "eu1")...)
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
