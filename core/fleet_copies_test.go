package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// level waits until no copy lacks anything.
func (f fleet) level(t *testing.T, copies int) {
	t.Helper()
	require.Eventually(t, func() bool {
		lags, err := f.st.Placements.Lag(t.Context())
		require.NoError(t, err)
		require.Len(t, lags, copies)
		for _, l := range lags {
			require.NoError(t, l.Err)
			if l.Never || l.Changes > 0 {
				return false
			}
		}
		return true
	}, time.Minute, 100*time.Millisecond)
}

// What the system writes to a global table reaches every database, where it is only read.
func TestFleetCopies(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	const databases = 4 // eu1, two tenants, a spare
	f.level(t, databases)
	system := core.AsSystem(t.Context(), "a country is founded")
	exec := func(statement string) {
		_, err := f.st.DB().ExecContext(system, statement)
		require.NoError(t, err)
	}
	exec("INSERT INTO countries VALUES ('it', 'Italy')")
	exec("UPDATE countries SET name = 'Allemagne' WHERE code = 'de'")
	exec("DELETE FROM countries WHERE code = 'fr'")
	f.level(t, databases)
	for _, tenant := range f.tenants {
		ctx := core.WithTenant(t.Context(), tenant.ID)
		note(t, f.st, tenant.ID, "it")
		var name string
		require.NoError(t, f.st.DB().QueryRowContext(ctx,
			"SELECT c.name FROM notes n JOIN countries c ON c.code = n.body").Scan(&name), tenant.Slug)
		require.Equal(t, "Italy", name)
		require.NoError(t, f.st.DB().QueryRowContext(ctx,
			"SELECT string_agg(name, ',' ORDER BY name) FROM countries").Scan(&name))
		require.Equal(t, "Allemagne,Italy", name)

		_, err := f.st.DB().ExecContext(ctx, "INSERT INTO countries VALUES ('xx', 'Nowhere')")
		require.ErrorIs(t, err, core.ErrPermission, tenant.Slug)
		if tenant.Isolation != core.DatabaseIsolation && tenant.Placement == "home" {
			continue // the table itself, which is the system's to write
		}
		there := core.AsSystemAt(t.Context(), "a mistake", tenant.ID)
		_, err = f.st.DB().ExecContext(there, "INSERT INTO countries VALUES ('xx', 'Nowhere')")
		require.ErrorIs(t, err, core.ErrPermission, tenant.Slug)
	}

	// A new global table follows with its rows, and can be referred to.
	migrateEstate(t, f.OwnerDSN, `CREATE TABLE colours (code text PRIMARY KEY);
		INSERT INTO colours VALUES ('red'); ALTER TABLE notes ADD COLUMN colour text REFERENCES colours DEFAULT 'red'`,
		append(estateTables(), tables.Table{Name: "colours", Kind: tables.Global}))
	f.migrate(t, core.FleetOptions{})
	require.Empty(t, f.drifts(t))
	f.level(t, 2*databases)
	for _, tenant := range f.tenants {
		var colour string
		require.NoError(t, f.st.DB().QueryRowContext(core.WithTenant(t.Context(), tenant.ID),
			"SELECT c.code FROM notes n JOIN colours c ON c.code = n.colour").Scan(&colour), tenant.Slug)
		require.Equal(t, "red", colour)
		_, err := f.st.DB().ExecContext(core.WithTenant(t.Context(), tenant.ID), "INSERT INTO notes (body, colour) VALUES ('', 'blue')")
		require.ErrorIs(t, err, core.ErrForeignKey, tenant.Slug)
	}
	require.Zero(t, f.migrate(t, core.FleetOptions{}).Done, "a second run has nothing to do")
	exec("INSERT INTO colours VALUES ('blue')")
	f.level(t, 2*databases)
	for _, tenant := range f.tenants {
		_, err := f.st.DB().ExecContext(core.WithTenant(t.Context(), tenant.ID), "INSERT INTO notes (body, colour) VALUES ('', 'blue')")
		require.NoError(t, err, tenant.Slug)
	}

	// So does a mixed one, of which each place has everyone's rows beside its own.
	migrateEstate(t, f.OwnerDSN, `CREATE TABLE labels (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), tenant_id uuid, name text);
		INSERT INTO labels (name) VALUES ('urgent')`, append(estateTables(),
		tables.Table{Name: "colours", Kind: tables.Global},
		tables.Table{Name: "labels", PrimaryKey: []string{"id"}, Kind: tables.Mixed}))
	f.migrate(t, core.FleetOptions{})
	require.Empty(t, f.drifts(t))
	require.Zero(t, f.migrate(t, core.FleetOptions{}).Done, "a second run has nothing to do")
	for _, isolation := range isolations() {
		f.tenants = append(f.tenants, f.create(t, core.NewTenant{Slug: "new-" + string(isolation), Isolation: isolation}))
	}
	batch, err := f.st.Tenants.CreateBatch(t.Context(), []core.NewTenant{
		{Name: "b", Slug: "b1", Isolation: core.SchemaIsolation}, {Name: "b", Slug: "b2", Isolation: core.SchemaIsolation},
	})
	require.NoError(t, err)
	for _, tenant := range append(f.tenants, batch...) {
		ctx := core.WithTenant(t.Context(), tenant.ID)
		_, err := f.st.DB().ExecContext(ctx, "INSERT INTO labels (name) VALUES ('own')")
		require.NoError(t, err, tenant.Slug)
		var names string
		require.NoError(t, f.st.DB().QueryRowContext(ctx, "SELECT string_agg(name, ',' ORDER BY name) FROM labels").Scan(&names))
		require.Equal(t, "own,urgent", names, tenant.Slug)
	}
	require.Zero(t, f.migrate(t, core.FleetOptions{}).Done, "what is new is like the model")
}
