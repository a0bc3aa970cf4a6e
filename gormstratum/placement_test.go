package gormstratum_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// isolations are all of them.
func isolations() []core.Isolation {
	return []core.Isolation{core.SharedIsolation, core.SchemaIsolation, core.DatabaseIsolation}
}

func TestIsolations(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskModels())
	for _, isolation := range isolations() {
		tenant, err := d.st.Tenants.Create(t.Context(), core.NewTenant{
			Name: string(isolation), Slug: string(isolation), Isolation: isolation,
		})
		require.NoError(t, err)
		require.Equal(t, core.StatusActive, tenant.Status)
		require.Equal(t, isolation, tenant.Isolation)
		ctx := core.WithTenant(t.Context(), tenant.ID)
		ticket := Ticket{Number: "T-1", Title: "of " + string(isolation)}
		require.NoError(t, d.db.WithContext(ctx).Create(&ticket).Error)
		var found []Ticket
		require.NoError(t, d.db.WithContext(ctx).Find(&found).Error)
		require.Len(t, found, 1)
		require.Equal(t, "of "+string(isolation), found[0].Title)
	}
}

// Rows that nobody would find are not written.
func TestSystemKnowsWhoLivesElsewhere(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskModels())
	system := d.db.WithContext(core.AsSystem(t.Context(), "test"))
	near, err := d.st.Tenants.Create(t.Context(), core.NewTenant{Name: "Near", Slug: "near"})
	require.NoError(t, err)
	require.NoError(t, system.Exec("INSERT INTO tickets (tenant_id, number, title) VALUES (?, '1', 'here')", near.ID).Error)
	for _, isolation := range isolations()[1:] {
		far, err := d.st.Tenants.Create(t.Context(), core.NewTenant{
			Name: "Far", Slug: "far-" + string(isolation), Isolation: isolation,
		})
		require.NoError(t, err)
		insert := "INSERT INTO tickets (tenant_id, number, title) VALUES (?, '2', 'there')"
		require.ErrorIs(t, system.Exec(insert, far.ID).Error, core.ErrElsewhere)
		require.ErrorIs(t, system.Exec("UPDATE tickets SET tenant_id = ?", far.ID).Error, core.ErrElsewhere)
		there := d.db.WithContext(core.AsSystemAt(t.Context(), "test", far.ID))
		require.NoError(t, there.Exec(insert, far.ID).Error)
		var count int64
		require.NoError(t, there.Raw("SELECT count(*) FROM tickets").Scan(&count).Error)
		require.EqualValues(t, 1, count)
	}
}

// A lookup that would pass over tenants is refused however it reads their tables, and whether it finds something or
// not. One that reads global tables is not.
func TestLookupPassesOverNobody(t *testing.T) { //nolint:tparallel // its parts share the tenants
	t.Parallel()
	d := newDesk(t, deskModels())
	d.exec(t, d.OwnerDSN, `CREATE FUNCTION title_of(n text) RETURNS text LANGUAGE plpgsql STABLE AS $$
		BEGIN RETURN (SELECT title FROM tickets WHERE number = n); END $$;
		CREATE VIEW all_tickets WITH (security_invoker = on) AS SELECT * FROM tickets;
		GRANT SELECT ON all_tickets TO PUBLIC`)
	near, err := d.st.Tenants.Create(t.Context(), core.NewTenant{Name: "Near", Slug: "near"})
	require.NoError(t, err)
	system := d.db.WithContext(core.AsSystem(t.Context(), "test"))
	require.NoError(t, system.Exec("INSERT INTO tickets (tenant_id, number, title) VALUES (?, '1', 'here')", near.ID).Error)
	require.NoError(t, system.Exec("INSERT INTO countries VALUES ('nz', 'New Zealand')").Error)

	for mode, open := range lookupModes(t, d) { //nolint:paralleltest // tenants come and go in each
		t.Run(mode, func(t *testing.T) {
			own := map[string]string{
				"table":    "SELECT title FROM tickets WHERE number = $1",
				"view":     "SELECT title FROM all_tickets WHERE number = $1",
				"function": "SELECT title FROM (SELECT title_of($1) AS title) f WHERE title IS NOT NULL",
				"never":    "SELECT c.name FROM countries c WHERE c.code = $1 AND EXISTS (SELECT FROM tickets t WHERE t.number = c.code)",
			}
			lookups := make(map[string]*core.Lookup[string], len(own))
			for name, query := range own {
				lookups[name], err = core.NewLookup[string](open, name, query)
				require.NoError(t, err)
			}
			global, err := core.NewLookup[string](open, "global", "SELECT name FROM countries WHERE code = $1")
			require.NoError(t, err)
			check := func(t *testing.T, here, nowhere error) {
				t.Helper()
				for range 7 { // beyond the plans for particular values
					for name, l := range lookups {
						if name != "never" {
							_, err := l.One(t.Context(), "1")
							require.ErrorIs(t, err, here, name)
						}
						_, err = l.One(t.Context(), "no such number")
						require.ErrorIs(t, err, nowhere, name)
					}
					name, err := global.One(t.Context(), "nz")
					require.NoError(t, err)
					require.Equal(t, "New Zealand", name)
					_, err = global.One(t.Context(), "xx")
					require.ErrorIs(t, err, core.ErrLookupNotFound)
				}
			}
			for _, isolation := range isolations()[1:] {
				check(t, nil, core.ErrLookupNotFound)
				far, err := d.st.Tenants.Create(t.Context(), core.NewTenant{
					Name: "Far", Slug: "far-" + uuid.NewString(), Isolation: isolation,
				})
				require.NoError(t, err)
				check(t, core.ErrLookupElsewhere, core.ErrLookupElsewhere)
				require.NoError(t, d.st.Tenants.Archive(t.Context(), far.ID))
			}
			check(t, nil, core.ErrLookupNotFound)
		})
	}
}

// lookupModes are handles whose statements are sent in different ways.
func lookupModes(t *testing.T, d desk) map[string]*core.Stratum {
	t.Helper()
	simple := d.Options()
	simple.DSN = withOption(t, simple.DSN, "default_query_exec_mode", "simple_protocol")
	simple.SystemDSN = withOption(t, simple.SystemDSN, "default_query_exec_mode", "simple_protocol")
	return map[string]*core.Stratum{"prepared": d.st, "simple protocol": d.openStratum(t, simple)}
}
