package core_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

func adminExec(t *testing.T, d *stratumtest.Database, statements string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.AdminDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	_, err = conn.Exec(t.Context(), statements)
	require.NoError(t, err)
}

func loginOf(t *testing.T, dsn string) string {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	require.NoError(t, err)
	return config.User
}

// Every door from the login of tenants to something more is shut, or Open refuses; each cure that is SQL opens the way.
func TestHardenedRefusesALoginThatCouldBecomeMore(t *testing.T) {
	t.Parallel()
	for name, weaken := range map[string]string{
		"CREATEROLE":  "ALTER ROLE $app CREATEROLE",
		"BYPASSRLS":   "ALTER ROLE $app BYPASSRLS",
		"SUPERUSER":   "ALTER ROLE $app SUPERUSER",
		"CREATEDB":    "ALTER ROLE $app CREATEDB",
		"REPLICATION": "ALTER ROLE $app REPLICATION",
		"system role": "GRANT stratum_system TO $app",
		"member":      "GRANT pg_read_all_data, pg_execute_server_program TO $app",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := stratumtest.NewDatabase(t)
			options := d.Options()
			options.Hardened = true
			app := loginOf(t, d.DSN)
			adminExec(t, d, strings.ReplaceAll(weaken, "$app", app))
			_, err := core.Open(t.Context(), options)
			var refused *core.LoginError
			require.ErrorAs(t, err, &refused)
			require.Contains(t, err.Error(), name)
			adminExec(t, d, refused.Cure)
			st, err := core.Open(t.Context(), options)
			require.NoError(t, err)
			require.NoError(t, st.Close())
		})
	}
}

func TestHardenedNeedsThreeLogins(t *testing.T) {
	t.Parallel()
	d := stratumtest.NewDatabase(t)
	adminExec(t, d, "GRANT stratum_system TO "+loginOf(t, d.DSN))
	for name, options := range map[string]core.Options{
		"SystemDSN": {DSN: d.DSN, OwnerDSN: d.OwnerDSN},
		"OwnerDSN":  {DSN: d.DSN, SystemDSN: d.SystemDSN},
	} {
		options.Hardened = true
		_, err := core.Open(t.Context(), options)
		var refused *core.LoginError
		require.ErrorAs(t, err, &refused, name)
		require.Contains(t, refused.Finding, name)
	}
	adminExec(t, d, "REVOKE stratum_system FROM "+loginOf(t, d.DSN)+
		"; GRANT "+loginOf(t, d.OwnerDSN)+" TO "+loginOf(t, d.DSN))
	options := d.Options()
	options.Hardened = true
	_, err := core.Open(t.Context(), options)
	require.ErrorContains(t, err, "it must not own the database")
}

func TestHardenedLoginOwnsNothing(t *testing.T) {
	t.Parallel()
	d := stratumtest.NewDatabase(t)
	adminExec(t, d, "CREATE TABLE public.left_over (id int); ALTER TABLE public.left_over OWNER TO "+loginOf(t, d.DSN))
	options := d.Options()
	options.Hardened = true
	_, err := core.Open(t.Context(), options)
	require.ErrorContains(t, err, "it must own no table")
}

func TestHardenedRefusesTextsWithProofs(t *testing.T) {
	t.Parallel()
	d := stratumtest.NewDatabase(t)
	options := d.Options()
	options.Hardened = true
	options.DSN += "&default_query_exec_mode=simple_protocol"
	_, err := core.Open(t.Context(), options)
	require.ErrorIs(t, err, core.ErrConfig)
	require.ErrorContains(t, err, "cache_describe")
}

// The script for a DBA leaves the database as Migrate does.
func TestHardenedScript(t *testing.T) {
	t.Parallel()
	d := stratumtest.NewDatabase(t)
	options := d.Options()
	plain, err := core.Open(t.Context(), options)
	require.NoError(t, err)
	script, err := plain.MigrateScript()
	require.NoError(t, err)
	require.NotContains(t, script, "require_signature(true)")
	require.NoError(t, plain.Close())
	options.Hardened = true
	st, err := core.Open(t.Context(), options)
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()
	script, err = st.MigrateScript()
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), d.OwnerDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	_, err = conn.PgConn().Exec(t.Context(), script).ReadAll()
	require.NoError(t, err)
	var required bool
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT required FROM stratum.signing").Scan(&required))
	require.True(t, required)
	require.NoError(t, st.Migrate(t.Context()), "and it can be run again")
}

// Who knows the key of one tenant's database, or of the template, can prove nothing in another.
func TestHardenedDatabasesHaveKeysOfTheirOwn(t *testing.T) {
	t.Parallel()
	e := newEstate(t, func(o *core.Options) { o.Hardened = true })
	require.NoError(t, e.st.Migrate(t.Context()), "it requires signatures")
	spares := core.Spares{Isolation: core.DatabaseIsolation, Count: 1}
	_, err := e.st.Placements.Prepare(t.Context(), spares)
	require.NoError(t, err)
	const query = "SELECT encode(proof_key || sign_inner, 'hex') FROM stratum.signing WHERE required"
	keys := map[string]string{ask[string](t, e.AdminDSN, query): "registry"}
	for _, slug := range []string{"from-a-spare", "from-the-template", "another"} {
		tenant := e.create(t, core.NewTenant{Slug: slug, Isolation: core.DatabaseIsolation})
		note(t, e.st, tenant.ID, slug)
		key := ask[string](t, e.databaseOf(t, e.AdminDSN, tenant), query)
		require.Empty(t, keys[key], slug)
		keys[key] = slug
	}
}
