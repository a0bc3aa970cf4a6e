package verify_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/verify"
)

func TestRoles(t *testing.T) {
	t.Parallel()
	newWorld(t).breaches(t, []breach{
		{
			name: "a role has attributes", admin: true, sql: "ALTER ROLE {tenant} LOGIN BYPASSRLS",
			severity: verify.Breaks, code: verify.CodeRoleAttribute, object: "role {tenant}",
		},
		{
			name: "a role is a member", admin: true, sql: "GRANT {system} TO {subtree}",
			severity: verify.Breaks, code: verify.CodeRoleMember, object: "role {subtree}",
		},
		{
			name: "another login may become the system", admin: true, sql: "CREATE ROLE {other} LOGIN; GRANT {system} TO {other}",
			severity: verify.Weakens, code: verify.CodeSystemGranted, object: "role {other}", undo: "DROP ROLE {other}",
		},
	})
}

func TestLogins(t *testing.T) {
	t.Parallel()
	const login = "login {app}"
	newWorld(t).breaches(t, []breach{
		{
			name: "inherits", admin: true, sql: "ALTER ROLE {app} INHERIT",
			severity: verify.Breaks, code: verify.CodeLoginInherits, object: login,
		},
		{
			name: "the system's login inherits", admin: true, sql: "ALTER ROLE {systemlogin} INHERIT",
			severity: verify.Breaks, code: verify.CodeLoginInherits, object: "login {systemlogin}",
		},
		{
			name: "is a superuser", admin: true, sql: "ALTER ROLE {app} SUPERUSER",
			severity: verify.Weakens, code: verify.CodeLoginBypasses, object: login,
		},
		{
			name: "the system's login is a superuser", admin: true, sql: "ALTER ROLE {systemlogin} SUPERUSER",
			severity: verify.Weakens, code: verify.CodeLoginBypasses, object: "login {systemlogin}",
		},
		{
			name: "bypasses policies", admin: true, sql: "ALTER ROLE {app} BYPASSRLS",
			severity: verify.Weakens, code: verify.CodeLoginBypasses, object: login,
		},
		{
			name: "may become one who bypasses", admin: true, sql: "CREATE ROLE {other} BYPASSRLS; GRANT {other} TO {app}",
			severity: verify.Weakens, code: verify.CodeLoginBypasses, object: login, undo: "DROP ROLE {other}",
		},
		{
			name: "may become one by another", admin: true, sentence: true,
			sql:      `CREATE ROLE {other} NOINHERIT; GRANT {other} TO {app}; GRANT {owner} TO {other}`,
			severity: verify.Weakens, code: verify.CodeLoginOwns, object: login, undo: "DROP ROLE {other}",
		},
		{
			name: "creates roles", admin: true, sql: "ALTER ROLE {app} CREATEROLE",
			severity: verify.Weakens, code: verify.CodeLoginCreates, object: login,
		},
		{
			name: "may become the system", admin: true, sql: "GRANT {system} TO {app}",
			severity: verify.Weakens, code: verify.CodeLoginSystem, object: login,
		},
		{
			name: "may become the owner", admin: true, sql: "GRANT {owner} TO {app}",
			severity: verify.Weakens, code: verify.CodeLoginOwns, object: login,
		},
		{
			name: "may leave the database", admin: true, sql: "GRANT pg_execute_server_program TO {app}",
			severity: verify.Weakens, code: verify.CodeLoginPowerful, object: login,
		},
		{
			name: "owns a partition", admin: true,
			sql:      "CREATE TABLE part () INHERITS (tags); ALTER TABLE part OWNER TO {app}",
			severity: verify.Weakens, code: verify.CodeLoginOwns, object: login, undo: "DROP TABLE part",
		},
		{
			name: "owns the schema stratum", admin: true, sql: "ALTER SCHEMA stratum OWNER TO {app}",
			severity: verify.Weakens, code: verify.CodeLoginOwns, object: login,
			undo: "REVOKE CREATE ON SCHEMA stratum FROM {app}",
		},
	})
}

func TestRolesLookalikes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// In order: each builds on the one before.
	for _, sql := range []string{
		"CREATE ROLE {other} SUPERUSER; GRANT {system} TO {other}",
		"ALTER ROLE {other} NOSUPERUSER; REVOKE {system} FROM {other}; GRANT {tenant} TO {other}; GRANT {other} TO {systemlogin}",
		"REVOKE {tenant} FROM {other}; GRANT {other} TO {app}",
		"GRANT {system} TO {owner}",
	} {
		run(t, w.AdminDSN, w.fill(sql))
		require.Empty(t, codes(w.verify(t), verify.Slows), sql)
	}
}

// oneDSN is the world as an application with one login sees it, which is an ordinary one and owns all.
func (w world) oneDSN(tb testing.TB) verify.Config {
	tb.Helper()
	run(tb, w.AdminDSN, w.fill("ALTER ROLE {owner} NOINHERIT; GRANT {tenant}, {subtree}, {schema}, {system} TO {owner}"))
	c := w.config
	c.DataLogin, c.SystemLogin = c.OwnerLogin, c.OwnerLogin
	return c
}

// TestOneDSN holds that one login is no error, and that the report says what it does not give.
func TestOneDSN(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.oneDSN(t)
	report := w.verifyAs(t, w.OwnerDSN, c)
	login := w.fill("login {owner}")
	require.Equal(t, []string{
		"weakens login_creates_roles " + login, "weakens login_may_become_system " + login, "weakens login_owns " + login,
		"weakens system_role_granted " + w.fill("role {systemlogin}"),
	}, codes(report, verify.Slows), "%s", report)
	require.True(t, report.OK())
	require.NoError(t, report.Err())
	require.Equal(t, verify.AgainstMistakes, report.ThreatModel)
	require.Equal(t, "threat model: against mistakes, not against hostile SQL: "+strings.Join(report.NotHardened, "; "),
		report.Summary())
	require.Contains(t, report.Summary(), "DSN and SystemDSN are the same login")
	require.Contains(t, report.Summary(), "DSN and OwnerDSN are the same login")
	require.Contains(t, report.Summary(), "checks no signature")
	require.Empty(t, find(report, verify.CodeLoginSystem, login).RunAs)
	require.Contains(t, find(report, verify.CodeLoginSystem, login).Cure, "core.Options.SystemDSN")
	require.Contains(t, find(report, verify.CodeLoginOwns, login).Cure, "core.Options.OwnerDSN")

	run(t, w.OwnerDSN, w.fill("GRANT TRUNCATE ON invoices TO {tenant}"))
	report = w.verifyAs(t, w.OwnerDSN, c)
	require.Equal(t, verify.NoBoundary, report.ThreatModel)
	require.Contains(t, report.Summary(), "none holds")
}

// TestSuperuserDSN holds that a superuser's own rights are not reported one by one.
func TestSuperuserDSN(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.config
	c.DataLogin = w.text(t, "SELECT current_user::text")
	c.SystemLogin, c.OwnerLogin = c.DataLogin, c.DataLogin
	report := w.verifyAs(t, w.AdminDSN, c)
	require.Equal(t, []string{
		"weakens login_bypasses login " + quote(c.DataLogin),
		"weakens system_role_granted " + w.fill("role {systemlogin}"),
	}, codes(report, verify.Slows), "%s", report)

	// Also where the others are ordinary logins.
	run(t, w.OwnerDSN, w.fill("GRANT TEMP ON DATABASE {database} TO "+quote(c.DataLogin)))
	c.SystemLogin, c.OwnerLogin = w.config.SystemLogin, w.config.OwnerLogin
	report = w.verifyAs(t, w.AdminDSN, c)
	require.Equal(t, []string{"weakens login_bypasses login " + quote(c.DataLogin)}, codes(report, verify.Slows))
}

// TestHardened holds that what hardened mode lacks is an error for who asked for it, and that three logins with signed
// admissions withstand hostile SQL.
func TestHardened(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Equal(t, []string{"the database checks no signature of the setting that names the tenant"},
		w.verify(t).NotHardened, "all else is as it must be")
	w.config.Hardened = true
	report := w.verify(t)
	require.NotNil(t, find(report, verify.CodeNotSigned, w.fill("database {database}")))
	require.False(t, report.OK())

	run(t, w.OwnerDSN, "SELECT stratum.require_signature(true)")
	report = w.verify(t)
	require.Empty(t, codes(report, verify.Slows))
	require.Empty(t, report.NotHardened)
	require.Equal(t, verify.AgainstHostileSQL, report.ThreatModel)

	run(t, w.OwnerDSN, w.fill("GRANT REFERENCES ON invoices TO {app}"))
	report = w.verify(t)
	require.Equal(t, verify.AgainstMistakes, report.ThreatModel, "what weakens is what hostile SQL uses")
	run(t, w.OwnerDSN, w.fill(`REVOKE REFERENCES ON invoices FROM {app};
		CREATE OR REPLACE FUNCTION stratum.tenant_id() RETURNS uuid LANGUAGE sql STABLE
			RETURN coalesce(nullif(current_setting('stratum.tenant', true), ''), stratum.no_tenant())::uuid`))
	f := find(w.verify(t), verify.CodeTenantFunction, "function stratum.tenant_id()")
	require.NotNil(t, f, "signatures are required, and nobody checks them")
	run(t, w.OwnerDSN, f.Cure)
	require.Equal(t, verify.AgainstHostileSQL, w.verify(t).ThreatModel)
}
