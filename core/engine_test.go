package core_test

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/citus/standin"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// coordinator is a database that looks like Citus', with roles of its own: they can log in.
func coordinator(t *testing.T) (*stratumtest.Database, core.Options) {
	t.Helper()
	d := stratumtest.EmptyDatabase(t)
	require.NoError(t, standin.Install(t.Context(), d.AdminDSN))
	options := d.Options()
	options.RolePrefix = d.Name + "_r"
	return d, options
}

func TestEngineIsFoundOut(t *testing.T) {
	t.Parallel()
	st, _ := stratumtest.Open(t)
	require.Equal(t, core.PostgreSQL, st.Engine())
	_, options := coordinator(t)
	for said, want := range map[core.Engine]core.Engine{
		"": core.Citus, core.Citus: core.Citus, core.PostgreSQL: core.PostgreSQL,
	} {
		options.Engine = said
		st, err := core.Open(t.Context(), options)
		require.NoError(t, err)
		require.Equal(t, want, st.Engine(), said)
		require.NoError(t, st.Close())
	}
}

func TestEngineIsRefused(t *testing.T) {
	t.Parallel()
	plain := stratumtest.NewDatabase(t)
	_, citus := coordinator(t)
	for name, c := range map[string]struct {
		options core.Options
		change  func(o *core.Options)
		want    error
		says    string
	}{
		"Citus without the extension": {plain.Options(), func(o *core.Options) {
			o.Engine = core.Citus
		}, core.ErrConfig, "has no extension citus"},
		"unknown": {plain.Options(), func(o *core.Options) {
			o.Engine = "oracle"
		}, core.ErrConfig, `"oracle" is unknown`},
		"hardened": {citus, func(o *core.Options) { o.Hardened = true }, core.ErrEngine, "Hardened"},
		"simple protocol": {citus, func(o *core.Options) {
			o.SystemDSN += "&default_query_exec_mode=simple_protocol"
		}, core.ErrConfig, "simple_protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.change(&c.options)
			_, err := core.Open(t.Context(), c.options)
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.says)
		})
	}
}

// TestCitusMigrate makes the roles fit for connections to workers, and tells the workers what policies call, once.
func TestCitusMigrate(t *testing.T) {
	t.Parallel()
	d, options := coordinator(t)
	st, err := core.Open(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	for range 2 {
		require.NoError(t, st.Migrate(t.Context()), "roles that log in are no finding here")
	}
	admin, err := sql.Open("pgx", d.AdminDSN)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, admin.Close()) })
	var logins, functions int
	require.NoError(t, admin.QueryRowContext(t.Context(),
		"SELECT count(*) FROM pg_roles WHERE rolcanlogin AND rolname LIKE $1", options.RolePrefix+"\\_%").Scan(&logins))
	require.Equal(t, 4, logins)
	require.NoError(t, admin.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_dist_object").Scan(&functions))
	require.Equal(t, 4, functions)
	report, err := st.Verify(t.Context())
	require.NoError(t, err)
	require.NoError(t, report.Err())

	_, err = admin.ExecContext(t.Context(), "DELETE FROM pg_extension WHERE extname = 'citus'")
	require.NoError(t, err)
	_, err = core.Open(t.Context(), options)
	var refused *core.LoginError
	require.ErrorAs(t, err, &refused, "without Citus nobody but an application logs in")
}

// TestCitusLodging refuses what there is no place for, also where it is said of a tenant above.
func TestCitusLodging(t *testing.T) {
	t.Parallel()
	d, options := coordinator(t)
	options.Engine = core.PostgreSQL
	before, err := core.Open(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, before.Close()) })
	require.NoError(t, before.Migrate(t.Context()))
	runAs(t, d.OwnerDSN, `CREATE TABLE countries (code text PRIMARY KEY);
		INSERT INTO stratum.tables (table_schema, table_name, class) VALUES ('public', 'countries', 'global')`)
	own, err := before.Tenants.Create(t.Context(), core.NewTenant{
		Name: "Own", Slug: "own", Isolation: core.SchemaIsolation,
	})
	require.NoError(t, err)

	options.Engine = core.Citus
	st, err := core.Open(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	require.ErrorIs(t, st.Migrate(t.Context()), core.ErrEngine)
	for _, n := range []core.NewTenant{
		{Name: "x", Slug: "x", Isolation: core.SchemaIsolation},
		{Name: "y", Slug: "y", Isolation: core.DatabaseIsolation},
		{Name: "z", Slug: "z", Parent: own.ID},
	} {
		_, err := st.Tenants.Create(t.Context(), n)
		require.ErrorIs(t, err, core.ErrEngine, n.Slug)
	}
	err = st.DB().QueryRowContext(core.WithTenant(t.Context(), own.ID), "SELECT 1").Scan(new(int))
	require.ErrorIs(t, err, core.ErrEngine, "of the time before")
	_, err = st.Tenants.Create(t.Context(), core.NewTenant{Name: "Shared", Slug: "shared"})
	require.NoError(t, err)
}
