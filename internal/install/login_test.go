package install_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// checkLogin looks at a login through a fresh connection, as Open does.
func checkLogin(
	tb testing.TB, config *pgx.ConnConfig, roles install.Roles, purpose install.Purpose,
) (install.Posture, error) {
	tb.Helper()
	conn, err := pgx.ConnectConfig(tb.Context(), config)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, conn.Close(tb.Context())) }()
	return install.CheckLogin(tb.Context(), conn, roles, purpose)
}

func serverVersion(tb testing.TB, db *stratumtest.Database) int {
	tb.Helper()
	return value[int](tb, db.AdminDSN, "SELECT current_setting('server_version_num')::int")
}

// loginCase is a login that is refused after a set-up by the administrator. {db} stands for
// the database's name, {by} for who has granted the roles, where a revoke must name it.
type loginCase struct {
	name    string
	setup   string
	finding string
	cure    string
	purpose install.Purpose
}

// loginCases are refused on every server. Each cure is run as it stands.
func loginCases() []loginCase {
	return []loginCase{
		{
			name: "not a member", setup: `REVOKE "{db}_r_tenant" FROM "{db}_app"{by}`,
			finding: `cannot switch to the role "{db}_r_tenant"`, cure: `GRANT "{db}_r_tenant" TO "{db}_app"`,
		},
		{
			name: "a system's login that is no member", setup: `REVOKE "{db}_r_system" FROM "{db}_system"{by}`,
			finding: `cannot switch to the role "{db}_r_system"`, cure: `GRANT "{db}_r_system" TO "{db}_system"`,
			purpose: install.ForSystem,
		},
		{
			name: "a tenant by default", setup: `ALTER ROLE "{db}_app" SET stratum.tenant = 'x'`,
			finding: `default for "stratum.tenant"`, cure: `ALTER ROLE "{db}_app" RESET "stratum"."tenant";`,
		},
		{
			name: "any setting of ours by default", setup: `ALTER ROLE "{db}_app" SET "Stratum.Of.Tomorrow" = ''`,
			finding: `default for "Stratum.Of.Tomorrow"`, cure: `ALTER ROLE "{db}_app" RESET "Stratum"."Of"."Tomorrow";`,
		},
		{
			name: "a default of the database", setup: `ALTER DATABASE "{db}" SET row_security = off`,
			finding: `default for "row_security"`, cure: `ALTER DATABASE "{db}" RESET "row_security";`,
		},
		{
			name:    "a default of the login in the database",
			setup:   `ALTER ROLE "{db}_app" IN DATABASE "{db}" SET session_replication_role = replica`,
			finding: `default for "session_replication_role"`,
			cure:    `ALTER ROLE "{db}_app" IN DATABASE "{db}" RESET "session_replication_role";`,
		},
		{
			name: "two defaults", setup: `ALTER ROLE "{db}_app" SET row_security = off; ALTER DATABASE "{db}" SET row_security = off`,
			finding: `default for "row_security"`, cure: `ALTER DATABASE "{db}" RESET "row_security";`,
		},
		{
			name: "a role by default", setup: `ALTER ROLE "{db}_app" SET role = "{db}_r_tenant"`,
			finding: `default for "role"`, cure: `ALTER ROLE "{db}_app" RESET "role";`,
		},
		{
			name: "a role that can log in", setup: `ALTER ROLE "{db}_r_tenant" LOGIN`,
			finding: `"{db}_r_tenant" has LOGIN`, cure: `ALTER ROLE "{db}_r_tenant" NOLOGIN;`,
		},
		{
			name: "a role that bypasses policies", setup: `ALTER ROLE "{db}_r_subtree" BYPASSRLS CREATEDB REPLICATION`,
			finding: `"{db}_r_subtree" has BYPASSRLS, CREATEDB, REPLICATION`,
			cure:    `ALTER ROLE "{db}_r_subtree" NOBYPASSRLS NOCREATEDB NOREPLICATION;`,
		},
		{
			name: "a role that makes roles", setup: `ALTER ROLE "{db}_r_tenant" CREATEROLE`,
			finding: `has CREATEROLE`, cure: `ALTER ROLE "{db}_r_tenant" NOCREATEROLE;`,
		},
		{
			name: "a role that inherits", setup: `ALTER ROLE "{db}_r_tenant" INHERIT`,
			finding: `has INHERIT`, cure: `ALTER ROLE "{db}_r_tenant" NOINHERIT;`,
		},
		{
			name: "a superuser's role", setup: `ALTER ROLE "{db}_r_system" SUPERUSER`,
			finding: `has SUPERUSER`, cure: `ALTER ROLE "{db}_r_system" NOSUPERUSER;`,
		},
		{
			name: "a role that is a member of another of ours", setup: `GRANT "{db}_r_system" TO "{db}_r_tenant"`,
			finding: `is a member of "{db}_r_system"`, cure: `REVOKE "{db}_r_system" FROM "{db}_r_tenant"`,
		},
		{
			name: "a role that reads everything", setup: `GRANT pg_read_all_data, pg_write_all_data TO "{db}_r_subtree"`,
			finding: `"{db}_r_subtree" is a member of "pg_`, cure: `REVOKE "pg_read_all_data" FROM "{db}_r_subtree"`,
		},
		{
			name: "temporary tables for everybody", setup: `GRANT TEMPORARY ON DATABASE "{db}" TO PUBLIC`,
			finding: `may create temporary tables`, cure: `REVOKE TEMPORARY ON DATABASE "{db}" FROM PUBLIC`,
		},
		{
			name: "temporary tables for a role", setup: `GRANT TEMPORARY ON DATABASE "{db}" TO "{db}_r_system"`,
			finding: `may create temporary tables`, cure: `REVOKE TEMPORARY ON DATABASE "{db}" FROM PUBLIC`,
		},
		{
			name: "tables in public for everybody", setup: `GRANT CREATE ON SCHEMA public TO PUBLIC`,
			finding: `may create objects in the schema public`, cure: `REVOKE CREATE ON SCHEMA public FROM PUBLIC`,
		},
		{
			name: "tables in public for a tenant", setup: `GRANT CREATE ON SCHEMA public TO "{db}_r_tenant"`,
			finding: `may create objects in the schema public`, cure: `REVOKE CREATE ON SCHEMA public FROM PUBLIC`,
		},
	}
}

// inheritCases differ: before PostgreSQL 16 a login inherits or not, since then each grant says it.
func inheritCases(version int) []loginCase {
	if version < 160000 {
		return []loginCase{
			{
				name: "inherits", setup: `ALTER ROLE "{db}_app" INHERIT`,
				finding: `inherits the rights of the role "{db}_r_schema"`, cure: `ALTER ROLE "{db}_app" NOINHERIT;`,
			},
			{
				name: "inherits and owns the database", setup: `ALTER ROLE "{db}_app" INHERIT; ALTER DATABASE "{db}" OWNER TO "{db}_app"`,
				finding: `inherits`,
				cure:    `ALTER ROLE "{db}_app" NOINHERIT; GRANT CREATE ON SCHEMA public TO "{db}_app";`,
			},
			{
				name: "inherits through a group",
				setup: `CREATE ROLE "{db}_group"; GRANT "{db}_r_system" TO "{db}_group"; ` +
					`REVOKE "{db}_r_tenant", "{db}_r_subtree", "{db}_r_schema" FROM "{db}_app"; ` +
					`GRANT "{db}_r_tenant", "{db}_r_subtree", "{db}_r_schema" TO "{db}_group"; GRANT "{db}_group" TO "{db}_app"; ALTER ROLE "{db}_app" INHERIT`,
				finding: `inherits`, cure: `ALTER ROLE "{db}_app" NOINHERIT;`,
			},
			{
				name: "would inherit",
				setup: `REVOKE "{db}_r_tenant", "{db}_r_subtree", "{db}_r_schema" FROM "{db}_app"; ` +
					`ALTER ROLE "{db}_app" INHERIT`,
				finding: `cannot switch`,
				cure: `ALTER ROLE "{db}_app" NOINHERIT; ` +
					`GRANT "{db}_r_schema", "{db}_r_subtree", "{db}_r_tenant" TO "{db}_app";`,
			},
		}
	}
	return []loginCase{
		{
			name: "inherits", setup: `GRANT "{db}_r_tenant" TO "{db}_app" WITH INHERIT TRUE`,
			finding: `inherits the rights of the role "{db}_r_tenant"`,
			cure:    `GRANT "{db}_r_tenant" TO "{db}_app" WITH INHERIT FALSE GRANTED BY `,
		},
		{
			name: "inherits through a group",
			setup: `CREATE ROLE "{db}_group"; GRANT "{db}_r_system" TO "{db}_group" WITH INHERIT TRUE; ` +
				`GRANT "{db}_group" TO "{db}_app" WITH INHERIT TRUE`,
			finding: `inherits the rights of the role "{db}_r_system"`,
			cure:    `GRANT "{db}_group" TO "{db}_app" WITH INHERIT FALSE GRANTED BY `,
		},
		{
			name: "a member that may not switch", setup: `REVOKE "{db}_r_tenant" FROM "{db}_app" GRANTED BY "{db}_owner"; ` +
				`GRANT "{db}_r_tenant" TO "{db}_app" WITH INHERIT FALSE, SET FALSE`,
			finding: `cannot switch`, cure: `GRANT "{db}_r_tenant" TO "{db}_app" WITH INHERIT FALSE, SET TRUE;`,
		},
	}
}

func TestCheckLoginRefuses(t *testing.T) {
	t.Parallel()
	cases := append(loginCases(), inheritCases(serverVersion(t, stratumtest.EmptyDatabase(t)))...)
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			db, roles := installed(t)
			by := ""
			if serverVersion(t, db) >= 160000 {
				by = ` GRANTED BY "` + db.Name + `_owner"`
			}
			named := strings.NewReplacer("{db}", db.Name, "{by}", by)
			dsn, login := db.DSN, db.Name+"_app"
			if tc.purpose == install.ForSystem {
				dsn, login = db.SystemDSN, db.Name+"_system"
			}
			exec(t, db.AdminDSN, named.Replace(tc.setup))
			_, err := checkLogin(t, as(t, dsn, ""), roles, tc.purpose)
			var refused *install.LoginError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, login, refused.Login)
			require.Contains(t, refused.Finding, named.Replace(tc.finding))
			require.Contains(t, refused.Cure, named.Replace(tc.cure))
			require.Contains(t, err.Error(), refused.Finding)
			require.Contains(t, err.Error(), refused.Cure)

			exec(t, db.AdminDSN, refused.Cure)
			_, err = checkLogin(t, as(t, dsn, ""), roles, tc.purpose)
			require.NoError(t, err, "the cure is exact")
		})
	}
}

// What stands in the DSN is cured there.
func TestCheckLoginRefusesWhatTheDSNSets(t *testing.T) {
	t.Parallel()
	db, roles := installed(t)
	for setting, finding := range map[string]string{
		"row_security=off":     `own value for "row_security"`,
		"stratum.tenant=x":     `own value for "stratum.tenant"`,
		"stratum.context=x":    `own value for "stratum.context"`,
		"role=" + roles.Tenant: `already runs as "` + roles.Tenant + `"`,
	} {
		name, text, _ := strings.Cut(setting, "=")
		config := as(t, db.DSN, "")
		config.RuntimeParams[name] = text
		_, err := checkLogin(t, config, roles, install.ForData)
		var refused *install.LoginError
		require.ErrorAs(t, err, &refused, setting)
		require.Contains(t, refused.Finding, finding)
		require.Contains(t, refused.Cure, "DSN")
	}
	config := as(t, db.AdminDSN, "")
	config.RuntimeParams["session_replication_role"] = "replica"
	_, err := checkLogin(t, config, roles, install.ForData)
	require.ErrorContains(t, err, "session_replication_role", "of a superuser too")
}

// A default for all roles of all databases is tried in a transaction, where no other test meets it.
func TestCheckLoginRefusesADefaultForAll(t *testing.T) {
	t.Parallel()
	db, roles := installed(t)
	const setup = "BEGIN; ALTER ROLE ALL SET stratum.tenant = 'x'"
	conn := connect(t, db.AdminDSN)
	_, err := conn.Exec(t.Context(), setup)
	require.NoError(t, err)
	_, err = install.CheckLogin(t.Context(), conn, roles, install.ForData)
	var refused *install.LoginError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, `ALTER ROLE ALL RESET "stratum"."tenant";`, refused.Cure)
	_, err = conn.Exec(t.Context(), setup+"; "+refused.Cure)
	require.NoError(t, err)
	_, err = install.CheckLogin(t.Context(), conn, roles, install.ForData)
	require.NoError(t, err)
}

func TestCheckLoginRefusesOneOfTheRoles(t *testing.T) {
	t.Parallel()
	db, roles := installed(t)
	exec(t, db.AdminDSN, "ALTER ROLE "+roles.Tenant+" LOGIN PASSWORD 'open'")
	config := as(t, db.DSN, roles.Tenant)
	config.Password = "open"
	_, err := checkLogin(t, config, roles, install.ForData)
	var refused *install.LoginError
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.Finding, "one of the roles")
	cure, _, _ := strings.Cut(refused.Cure, " then ")
	exec(t, db.AdminDSN, cure)
	_, err = pgx.ConnectConfig(t.Context(), config)
	require.ErrorContains(t, err, "not permitted to log in")
	_, err = checkLogin(t, as(t, db.DSN, ""), roles, install.ForData)
	require.NoError(t, err)
}

func TestCheckLoginRefusesADatabaseWithoutItsRoles(t *testing.T) {
	t.Parallel()
	db, _ := installed(t)
	lost, err := install.NewRoles(db.Name + "_lost")
	require.NoError(t, err)
	_, err = checkLogin(t, as(t, db.DSN, ""), lost, install.ForData)
	var refused *install.LoginError
	require.ErrorAs(t, err, &refused)
	for _, name := range lost.All() {
		require.Contains(t, refused.Finding, name)
		require.Contains(t, refused.Cure, `CREATE ROLE "`+name+`" NOLOGIN`)
	}
}

// Roles are the cluster's: those of another database say nothing of whether this one is installed.
func TestCheckLoginBeforeMigrate(t *testing.T) {
	t.Parallel()
	_, roles := installed(t)
	db := stratumtest.EmptyDatabase(t)
	for _, prefix := range []install.Roles{roles, rolesOf(t, db)} {
		posture, err := checkLogin(t, as(t, db.DSN, ""), prefix, install.ForData)
		require.NoError(t, err)
		require.Equal(t, install.Posture{Login: db.Name + "_app"}, posture)
	}
	exec(t, db.AdminDSN, `ALTER ROLE "`+db.Name+`_app" SET row_security = off`)
	_, err := checkLogin(t, as(t, db.DSN, ""), roles, install.ForData)
	require.ErrorContains(t, err, "row_security", "Migrate would not put that right")
}

func TestPosture(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		setup string
		want  install.Posture
	}{
		"plain":                     {"", install.Posture{}},
		"bypasses policies":         {`ALTER ROLE "{db}_app" BYPASSRLS`, install.Posture{BypassRLS: true}},
		"makes roles":               {`ALTER ROLE "{db}_app" CREATEROLE`, install.Posture{CreateRole: true}},
		"may work across tenants":   {`GRANT "{db}_r_system" TO "{db}_app"`, install.Posture{MaySystem: true}},
		"owns the database":         {`ALTER DATABASE "{db}" OWNER TO "{db}_app"`, install.Posture{MayOwn: true}},
		"may become the owner":      {`GRANT "{db}_owner" TO "{db}_app"`, install.Posture{MayOwn: true}},
		"may make itself a member":  {`GRANT "{db}_r_system" TO "{db}_app" WITH ADMIN OPTION`, install.Posture{MaySystem: true}},
		"owns the schema":           {`ALTER SCHEMA stratum OWNER TO "{db}_app"`, install.Posture{MayOwn: true}},
		"a superuser who is plain?": {`ALTER ROLE "{db}_app" SUPERUSER`, install.Posture{Superuser: true, MaySystem: true, MayOwn: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, roles := installed(t)
			if serverVersion(t, db) >= 160000 {
				// The owner has made the role, and so may grant it.
				tc.want.MaySystem = tc.want.MaySystem || strings.HasPrefix(tc.setup, `GRANT "{db}_owner"`)
				tc.setup = strings.Replace(tc.setup, `TO "{db}_app"`, `TO "{db}_app" WITH INHERIT FALSE`, 1)
				tc.setup = strings.Replace(tc.setup, `WITH INHERIT FALSE WITH ADMIN OPTION`, `WITH ADMIN TRUE, INHERIT FALSE, SET FALSE`, 1)
				tc.setup = strings.Replace(tc.setup, `OWNER TO "{db}_app" WITH INHERIT FALSE`, `OWNER TO "{db}_app"`, 1)
			}
			exec(t, db.AdminDSN, strings.ReplaceAll(tc.setup, "{db}", db.Name))
			posture, err := checkLogin(t, as(t, db.DSN, ""), roles, install.ForData)
			require.NoError(t, err)
			tc.want.Login = db.Name + "_app"
			tc.want.Members, tc.want.OwnsObjects = posture.Members, posture.OwnsObjects // by their own test
			require.Equal(t, tc.want, posture)
		})
	}
}

// TestPostureBeyondStratum is what else a login has: in the hardened mode it is nothing.
func TestPostureBeyondStratum(t *testing.T) {
	t.Parallel()
	db, roles := installed(t)
	app := `"` + db.Name + `_app"`
	read := func() install.Posture {
		posture, err := checkLogin(t, as(t, db.DSN, ""), roles, install.ForData)
		require.NoError(t, err)
		return posture
	}
	require.Equal(t, install.Posture{Login: db.Name + "_app"}, read())
	exec(t, db.AdminDSN, "GRANT pg_read_all_data TO "+app+"; ALTER ROLE "+app+" CREATEDB REPLICATION; "+
		"CREATE TABLE public.t (); ALTER TABLE public.t OWNER TO "+app)
	require.Equal(t, install.Posture{
		Login: db.Name + "_app", Attributes: []string{"CREATEDB", "REPLICATION"}, Members: []string{"pg_read_all_data"},
		OwnsObjects: true,
	}, read())
}

// In development: one superuser for everything, without a role of its own.
func TestCheckLoginAllowsASuperuser(t *testing.T) {
	t.Parallel()
	db, roles := installed(t)
	for _, purpose := range []install.Purpose{install.ForData, install.ForSystem} {
		posture, err := checkLogin(t, as(t, db.AdminDSN, ""), roles, purpose)
		require.NoError(t, err)
		require.True(t, posture.Superuser)
	}
}

// Names looked up for the check are PostgreSQL's own, whatever the login's search_path says.
func TestCheckLoginIgnoresTheSearchPath(t *testing.T) {
	t.Parallel()
	db, roles := installed(t)
	exec(t, db.AdminDSN, `CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;
		CREATE FUNCTION evil.pg_has_role(oid, oid, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
		CREATE VIEW evil.pg_roles AS SELECT * FROM pg_catalog.pg_roles WHERE false;
		CREATE FUNCTION evil.current_setting(text, boolean) RETURNS text LANGUAGE sql AS $$SELECT ''$$;
		ALTER ROLE "`+db.Name+`_app" SET search_path = evil, pg_catalog`)
	posture, err := checkLogin(t, as(t, db.DSN, ""), roles, install.ForData)
	require.NoError(t, err)
	require.Equal(t, db.Name+"_app", posture.Login)
}
