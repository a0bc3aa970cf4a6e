package install_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

func script(tb testing.TB, opts install.Options) string {
	tb.Helper()
	text, err := install.Script(opts)
	require.NoError(tb, err)
	return text
}

func TestScriptLeavesMigrateNothingToDo(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	exec(t, db.AdminDSN, "GRANT CREATE ON SCHEMA public TO PUBLIC")
	opts := lowly(t, db)
	exec(t, db.AdminDSN, script(t, opts))
	requireInstalled(t, db)
	before := snapshot(t, db)
	require.NoError(t, install.Migrate(t.Context(), opts), "a login without any privilege")
	require.Equal(t, before, snapshot(t, db))
	createTenant(t, db, tenant{slug: "acme"})
}

func TestScriptRunsAgain(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	opts := options(t, db)
	for range 3 {
		exec(t, db.OwnerDSN, script(t, opts))
		requireInstalled(t, db)
	}
}

func TestScriptAfterMigrate(t *testing.T) {
	t.Parallel()
	db, _ := installed(t)
	exec(t, db.OwnerDSN, script(t, options(t, db)))
	requireInstalled(t, db)
}

func TestScriptMakesWhatMigrateMakes(t *testing.T) {
	t.Parallel()
	migrated, _ := installed(t)
	scripted := stratumtest.EmptyDatabase(t)
	exec(t, scripted.OwnerDSN, script(t, options(t, scripted)))
	require.Equal(t, describe(t, migrated), describe(t, scripted))
}

// describe lists what is in the schema, with definitions and grants, under names that do not tell the database.
func describe(tb testing.TB, db *stratumtest.Database) string {
	tb.Helper()
	text := value[string](tb, db.AdminDSN, `SELECT string_agg(line, E'\n' ORDER BY line) FROM (
		SELECT format('%s %s %s', c.oid::regclass, c.relkind, c.relacl) FROM pg_class c
			WHERE c.relnamespace = 'stratum'::regnamespace
		UNION ALL SELECT format('%s.%s %s %s %s', a.attrelid::regclass, a.attname, a.atttypid::regtype, a.attnotnull, a.attacl)
			FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
			WHERE c.relnamespace = 'stratum'::regnamespace AND a.attnum > 0
		UNION ALL SELECT format('%s %s', pg_get_functiondef(p.oid), p.proacl) FROM pg_proc p
			WHERE p.pronamespace = 'stratum'::regnamespace
		UNION ALL SELECT format('%s %s', c.conname, pg_get_constraintdef(c.oid)) FROM pg_constraint c
			WHERE c.connamespace = 'stratum'::regnamespace
		UNION ALL SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
			WHERE c.relnamespace = 'stratum'::regnamespace
		UNION ALL SELECT format('schema %s', n.nspacl) FROM pg_namespace n WHERE n.nspname IN ('stratum', 'public')
		UNION ALL SELECT format('database %s', d.datacl) FROM pg_database d WHERE d.datname = current_database()
		UNION ALL SELECT format('version %s %s', version, min_compatible) FROM stratum.schema_info
		UNION ALL SELECT format('migration %s', version_id) FROM stratum.schema_migrations
	) l (line)`)
	require.Contains(tb, text, "FUNCTION stratum.enter")
	return strings.ReplaceAll(text, db.Name, "X")
}

func TestScriptUpgrades(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	this, err := install.Embedded()
	require.NoError(t, err)
	require.NoError(t, install.ApplyRelease(t.Context(), this[:1], options(t, db)))
	exec(t, db.OwnerDSN, script(t, options(t, db)))
	requireInstalled(t, db)

	newer, err := install.ScriptRelease(install.Extend(this, 1, "CREATE TABLE stratum.more ();"), options(t, db))
	require.NoError(t, err)
	exec(t, db.OwnerDSN, newer)
	exec(t, db.OwnerDSN, script(t, options(t, db)))
	state, err := install.ReadState(t.Context(), connect(t, db.DSN))
	require.NoError(t, err)
	require.Equal(t, install.Version+1, state.Version, "an older script never lowers it")
}

func TestScriptFindsLtree(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	exec(t, db.OwnerDSN, `CREATE SCHEMA "My Extensions"; CREATE EXTENSION ltree SCHEMA "My Extensions"`)
	exec(t, db.OwnerDSN, script(t, options(t, db)))
	require.NoError(t, install.Migrate(t.Context(), options(t, db)))
	requireInstalled(t, db)
	createTenant(t, db, tenant{slug: "acme"})
}

func TestScriptRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ setup, refusal string }{
		"a role that can log in":        {"CREATE ROLE {db}_r_tenant LOGIN", "is not what it must be"},
		"a role that bypasses policies": {"CREATE ROLE {db}_r_system NOINHERIT BYPASSRLS", "is not what it must be"},
		"another prefix": {
			"CREATE SCHEMA stratum; CREATE TABLE stratum.schema_info AS SELECT 'other' AS prefix",
			"installed with the prefix other",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := stratumtest.EmptyDatabase(t)
			exec(t, db.AdminDSN, strings.ReplaceAll(tc.setup, "{db}", db.Name))
			conn := connect(t, db.AdminDSN)
			_, err := conn.PgConn().Exec(t.Context(), script(t, options(t, db))).ReadAll()
			require.ErrorContains(t, err, tc.refusal)
		})
	}
}

func TestScriptRefusesALoginThatInherits(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	exec(t, db.AdminDSN, "ALTER ROLE "+db.Name+"_app INHERIT")
	conn := connect(t, db.AdminDSN)
	_, err := conn.PgConn().Exec(t.Context(), script(t, options(t, db))).ReadAll()
	if serverVersion(t, db) < 160000 {
		require.ErrorContains(t, err, "would inherit")
		return
	}
	require.NoError(t, err)
	requireInstalled(t, db)
}

func TestScriptGivesASuperuserNoRole(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	admin := value[string](t, db.AdminDSN, "SELECT current_user")
	opts := install.Options{Prefix: prefixOf(db), DataLogin: admin, SystemLogin: admin}
	exec(t, db.AdminDSN, script(t, opts))
	require.Zero(t, value[int](t, db.AdminDSN, "SELECT count(*) FROM pg_auth_members "+
		"WHERE starts_with(roleid::regrole::text, $1)", prefixOf(db)))
}

func TestScriptSaysWhatItNeeds(t *testing.T) {
	t.Parallel()
	text := script(t, install.Options{DataLogin: `o'brien "x"`})
	head, _, _ := strings.Cut(text, "BEGIN;")
	for _, line := range strings.Split(strings.TrimSpace(install.Privileges()), "\n") {
		require.Contains(t, head, "-- "+line)
	}
	require.Contains(t, text, `TO "o''brien ""x"""`, "within a literal")
	require.NotContains(t, text, "{{")
	_, err := install.Script(install.Options{Prefix: "No"})
	require.ErrorContains(t, err, "no prefix for roles")
}
