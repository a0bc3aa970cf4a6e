package install_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// lowly is a login without any privilege as the owner's.
func lowly(tb testing.TB, db *stratumtest.Database) install.Options {
	tb.Helper()
	login := db.Name + "_lowly"
	exec(tb, db.AdminDSN, "CREATE ROLE "+login+" LOGIN PASSWORD 'lowly'")
	config := as(tb, db.OwnerDSN, login)
	config.Password = "lowly"
	opts := options(tb, db)
	opts.Owner = poolOf(tb, config)
	return opts
}

func TestMigrateListsWhatItMayNotDo(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	exec(t, db.AdminDSN, "GRANT CREATE ON SCHEMA public TO PUBLIC; REVOKE USAGE ON SCHEMA public FROM PUBLIC")
	opts := lowly(t, db)
	before := snapshot(t, db)

	err := install.Migrate(t.Context(), opts)
	var refused *install.PrivilegeError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, before, snapshot(t, db), "nothing was changed")
	require.Equal(t, db.Name+"_lowly", refused.Login)
	with := ""
	if serverVersion(t, db) >= 160000 {
		with = " WITH INHERIT FALSE, SET TRUE"
	}
	none := "NOLOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
	cures := make([]string, len(refused.Missing))
	for i, m := range refused.Missing {
		require.NotEmpty(t, m.Privilege)
		require.Contains(t, err.Error(), m.Cure)
		cures[i] = strings.NewReplacer(db.Name, "X", `"`, "").Replace(m.Cure)
	}
	require.Equal(t, []string{
		"CREATE ROLE X_r_tenant " + none + ";",
		"CREATE ROLE X_r_subtree " + none + ";",
		"CREATE ROLE X_r_schema " + none + ";",
		"CREATE ROLE X_r_system " + none + ";",
		"GRANT X_r_tenant TO X_app" + with + ";",
		"GRANT X_r_subtree TO X_app" + with + ";",
		"GRANT X_r_schema TO X_app" + with + ";",
		"GRANT X_r_system TO X_system" + with + ";",
		"CREATE SCHEMA stratum AUTHORIZATION X_lowly;",
		"CREATE EXTENSION ltree SCHEMA public;",
		"GRANT USAGE ON SCHEMA public TO X_r_tenant, X_r_subtree, X_r_schema, X_r_system;",
		"REVOKE TEMPORARY ON DATABASE X FROM PUBLIC;",
		"REVOKE CREATE ON SCHEMA public FROM PUBLIC;",
	}, cures)

	for _, m := range refused.Missing {
		exec(t, db.AdminDSN, m.Cure)
	}
	// With the extension in place, its schema must be usable for the owner too.
	err = install.Migrate(t.Context(), opts)
	require.ErrorAs(t, err, &refused)
	require.Len(t, refused.Missing, 1)
	require.Contains(t, refused.Missing[0].Privilege, "where ltree is")
	exec(t, db.AdminDSN, refused.Missing[0].Cure)
	require.NoError(t, install.Migrate(t.Context(), opts), "the cures are exact")
	requireInstalled(t, db)
}

// Each alone, since in the complete list one could hide behind another.
func TestMigrateMissesOnePrivilege(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ setup, need string }{
		"create on the database": {"ALTER DATABASE {db} OWNER TO CURRENT_USER; " +
			"REVOKE TEMPORARY ON DATABASE {db} FROM PUBLIC; CREATE EXTENSION ltree SCHEMA public", "CREATE on the database"},
		"an extension that is not trusted": {
			"ALTER DATABASE {db} OWNER TO CURRENT_USER; " +
				"REVOKE TEMPORARY ON DATABASE {db} FROM PUBLIC; CREATE SCHEMA stratum AUTHORIZATION {db}_owner",
			"for the extension ltree",
		},
		"createrole": {"ALTER ROLE {db}_owner NOCREATEROLE", "CREATEROLE, for the role"},
		"ownership of the database": {"ALTER DATABASE {db} OWNER TO CURRENT_USER; " +
			"GRANT CREATE ON DATABASE {db} TO {db}_owner", "ownership of the database"},
		"ownership of the schema": {"CREATE SCHEMA stratum", "ownership of the schema stratum"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := stratumtest.EmptyDatabase(t)
			exec(t, db.AdminDSN, strings.ReplaceAll(tc.setup, "{db}", db.Name))
			before := snapshot(t, db)
			var refused *install.PrivilegeError
			require.ErrorAs(t, install.Migrate(t.Context(), options(t, db)), &refused)
			require.Equal(t, before, snapshot(t, db))
			require.Contains(t, refused.Missing[0].Privilege, tc.need)
			for _, m := range refused.Missing {
				exec(t, db.AdminDSN, m.Cure)
			}
			require.NoError(t, install.Migrate(t.Context(), options(t, db)))
			requireInstalled(t, db)
		})
	}
}

func TestMigrateNeedsToOwnWhatItUpgrades(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	this, err := install.Embedded()
	require.NoError(t, err)
	admin := options(t, db)
	admin.Owner = pool(t, db.AdminDSN)
	require.NoError(t, install.ApplyRelease(t.Context(), this[:2], admin))

	var refused *install.PrivilegeError
	require.ErrorAs(t, install.Migrate(t.Context(), options(t, db)), &refused)
	for _, m := range refused.Missing {
		require.Regexp(t, `^ALTER .* OWNER TO `, m.Cure)
		exec(t, db.AdminDSN, m.Cure)
	}
	require.NoError(t, install.Migrate(t.Context(), options(t, db)))
	requireInstalled(t, db)
	require.Equal(t, []string{db.Name + "_owner"}, value[[]string](t, db.AdminDSN, `SELECT array_agg(DISTINCT o::regrole::text)
		FROM (SELECT relowner AS o, relnamespace AS n FROM pg_class UNION SELECT proowner, pronamespace FROM pg_proc) x
		WHERE n = 'stratum'::regnamespace`))
}

// Before PostgreSQL 16 CREATEROLE would be enough; since then only who made a role may grant it.
func TestMigrateMayNotGrantAnothersRole(t *testing.T) {
	t.Parallel()
	first, _ := installed(t)
	db := stratumtest.EmptyDatabase(t)
	if serverVersion(t, db) < 160000 {
		exec(t, db.AdminDSN, "ALTER ROLE "+db.Name+"_owner NOCREATEROLE")
	}
	opts := options(t, db)
	opts.Prefix = prefixOf(first)
	err := install.Migrate(t.Context(), opts)
	var refused *install.PrivilegeError
	require.ErrorAs(t, err, &refused)
	require.Len(t, refused.Missing, 4)
	for _, m := range refused.Missing {
		require.Contains(t, m.Privilege, "ADMIN OPTION")
		exec(t, db.AdminDSN, m.Cure)
	}
	require.NoError(t, install.Migrate(t.Context(), opts))
}

func TestMigrateRefusesWhatGrantingWouldNotMakeSafe(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ setup, finding string }{
		"a role that can log in":           {"CREATE ROLE {db}_r_tenant LOGIN NOINHERIT", "has LOGIN"},
		"a superuser's role":               {"CREATE ROLE {db}_r_subtree SUPERUSER INHERIT", "has SUPERUSER, INHERIT"},
		"a role that bypasses policies":    {"CREATE ROLE {db}_r_tenant BYPASSRLS NOINHERIT", "has BYPASSRLS"},
		"a role that makes roles":          {"CREATE ROLE {db}_r_system CREATEROLE NOINHERIT", "has CREATEROLE"},
		"a default for the login":          {"ALTER ROLE {db}_app SET row_security = off", `default for "row_security"`},
		"a default for the system's login": {"ALTER ROLE {db}_system SET stratum.tenant = 'x'", `default for "stratum.tenant"`},
		"a member of another of the roles": {"CREATE ROLE {db}_r_tenant NOINHERIT; CREATE ROLE {db}_r_system NOINHERIT; " +
			"GRANT {db}_r_system TO {db}_r_tenant", "is a member of"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := stratumtest.EmptyDatabase(t)
			exec(t, db.AdminDSN, strings.ReplaceAll(tc.setup, "{db}", db.Name))
			// Whoever made a role may grant it; here that is the administrator.
			opts := options(t, db)
			opts.Owner = pool(t, db.AdminDSN)
			before := snapshot(t, db)
			err := install.Migrate(t.Context(), opts)
			var refused *install.LoginError
			require.ErrorAs(t, err, &refused)
			require.Contains(t, refused.Finding, tc.finding)
			require.Contains(t, err.Error(), refused.Cure)
			require.Equal(t, before, snapshot(t, db))
			exec(t, db.AdminDSN, refused.Cure)
			require.NoError(t, install.Migrate(t.Context(), opts))
			requireInstalled(t, db)
		})
	}
}

func TestMigrateRefusesARoleWithoutAnyLogins(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	exec(t, db.AdminDSN, `CREATE ROLE "`+db.Name+`_r_tenant" NOINHERIT BYPASSRLS`)
	opts := install.Options{Owner: pool(t, db.OwnerDSN), Prefix: prefixOf(db)}
	var refused *install.LoginError
	require.ErrorAs(t, install.Migrate(t.Context(), opts), &refused)
	require.Contains(t, refused.Finding, "has BYPASSRLS")
	exec(t, db.AdminDSN, refused.Cure)
	require.NoError(t, install.Migrate(t.Context(), opts))
}

func TestMigrateRefusesALoginThatIsNotThere(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	opts := options(t, db)
	opts.DataLogin = db.Name + "_typo"
	var refused *install.LoginError
	require.ErrorAs(t, install.Migrate(t.Context(), opts), &refused)
	require.Equal(t, opts.DataLogin, refused.Login)
	exec(t, db.AdminDSN, refused.Cure)
	require.NoError(t, install.Migrate(t.Context(), opts))
}

// One login for everything, which owns the database and inherits.
func TestMigrateWithTheOwnersLoginAlone(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	opts := options(t, db)
	opts.DataLogin, opts.SystemLogin = db.Name+"_owner", db.Name+"_owner"
	roles := rolesOf(t, db)
	_, err := install.CheckLogin(t.Context(), connect(t, db.OwnerDSN), roles, install.ForData)
	require.NoError(t, err, "before Migrate, what Migrate decides is no error")

	err = install.Migrate(t.Context(), opts)
	if serverVersion(t, db) < 160000 {
		var refused *install.LoginError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, fmt.Sprintf(`ALTER ROLE "%[1]s" NOINHERIT; GRANT CREATE ON SCHEMA public TO "%[1]s";`,
			opts.DataLogin), refused.Cure)
		exec(t, db.AdminDSN, refused.Cure)
		err = install.Migrate(t.Context(), opts)
	}
	require.NoError(t, err)
	for _, purpose := range []install.Purpose{install.ForData, install.ForSystem} {
		posture, err := install.CheckLogin(t.Context(), connect(t, db.OwnerDSN), roles, purpose)
		require.NoError(t, err)
		require.Equal(t, install.Posture{
			Login: opts.DataLogin, CreateRole: true, MaySystem: true, MayOwn: true,
			Members: posture.Members, OwnsObjects: true,
		}, posture)
		require.Contains(t, posture.Members, roles.System)
	}
	exec(t, db.OwnerDSN, "CREATE TABLE public.still_mine ()")
}

func TestPrivileges(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"CREATE on the database", "owns the database", "CREATEROLE", "superuser", "ADMIN OPTION"} {
		require.Contains(t, install.Privileges(), word)
	}
}
