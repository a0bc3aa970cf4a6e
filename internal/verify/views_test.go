package verify_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/verify"
)

func TestViews(t *testing.T) {
	t.Parallel()
	const view = `view "public"."v"`
	newWorld(t).breaches(t, []breach{
		{
			name: "granted", sql: "CREATE VIEW v AS SELECT * FROM invoices; GRANT SELECT ON v TO {tenant}",
			severity: verify.Breaks, code: verify.CodeViewDefiner, object: view, undo: "DROP VIEW v",
		},
		{
			name: "not granted", sql: "CREATE VIEW v WITH (security_barrier) AS SELECT 1 FROM templates",
			severity: verify.Weakens, code: verify.CodeViewDefiner, object: view, undo: "DROP VIEW v",
		},
		{
			name: "of a table that is out of reach but by views",
			sql: `CREATE VIEW inner_v AS SELECT * FROM invoices; ALTER VIEW inner_v SET (security_invoker);
				CREATE MATERIALIZED VIEW m AS SELECT number FROM inner_v WITH NO DATA;
				CREATE VIEW v AS SELECT * FROM (SELECT number FROM m) s; GRANT SELECT ON v TO PUBLIC`,
			severity: verify.Breaks, code: verify.CodeViewDefiner, object: view,
			undo: "DROP VIEW v; DROP MATERIALIZED VIEW m; DROP VIEW inner_v",
		},
		{
			name: "told to be the owner's", sql: "CREATE VIEW v WITH (security_invoker = off) AS SELECT * FROM invoices",
			severity: verify.Weakens, code: verify.CodeViewDefiner, object: view, undo: "DROP VIEW v",
		},
		{
			name: "materialized", admin: true,
			sql:      "CREATE MATERIALIZED VIEW v AS SELECT * FROM invoices; ALTER MATERIALIZED VIEW v OWNER TO {owner}; GRANT SELECT ON v TO {subtree}",
			severity: verify.Breaks, code: verify.CodeMaterialized, object: `materialized view "public"."v"`,
			undo: "DROP MATERIALIZED VIEW v",
		},
		{
			name: "a rule on a table of tenants", sql: "CREATE RULE r AS ON DELETE TO invoices DO INSTEAD NOTHING",
			severity: verify.Breaks, code: verify.CodeRule, object: `rule "r" on "public"."invoices"`,
		},
		{
			name: "a rule that leads to one", sql: "CREATE RULE r AS ON INSERT TO river_job DO ALSO DELETE FROM invoices",
			severity: verify.Breaks, code: verify.CodeRule, object: `rule "r" on "public"."river_job"`,
		},
	})
}

func TestViewsLookalikes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run(t, w.OwnerDSN, "CREATE VIEW a WITH (security_invoker) AS SELECT * FROM invoices")
	for name, sql := range map[string]string{
		"a view with security_invoker":        "ALTER VIEW a SET (security_invoker = on); GRANT SELECT ON a TO {tenant}",
		"a view of one with security_invoker": "CREATE VIEW e AS SELECT * FROM a; GRANT SELECT ON e TO PUBLIC",
		"a view of other tables":              "CREATE VIEW b AS SELECT * FROM countries, river_job; GRANT SELECT ON b TO PUBLIC",
		"a materialized view for the system":  "CREATE MATERIALIZED VIEW c AS SELECT * FROM invoices; GRANT SELECT ON c TO {system}",
		"a materialized view of other tables": "CREATE MATERIALIZED VIEW d AS SELECT * FROM countries; GRANT SELECT ON d TO {tenant}",
		"a rule elsewhere":                    "CREATE RULE r AS ON DELETE TO river_job DO INSTEAD NOTHING",
	} {
		run(t, w.AdminDSN, w.fill(sql))
		require.Empty(t, codes(w.verify(t), verify.Slows), name)
	}
}

func TestFunctions(t *testing.T) {
	t.Parallel()
	const makeF = `CREATE FUNCTION f(a int, b text DEFAULT '') RETURNS bigint LANGUAGE sql SECURITY DEFINER
		RETURN (SELECT count(*) FROM invoices); `
	const function = `function public.f(a integer, b text)`
	newWorld(t).breaches(t, []breach{
		{
			name: "of the tables' owner", sql: makeF, severity: verify.Breaks, code: verify.CodeDefiner, object: function,
			undo: "DROP FUNCTION f",
		},
		{
			name: "of a superuser", sql: makeF, admin: true, severity: verify.Breaks, code: verify.CodeDefiner, object: function,
			undo: "DROP FUNCTION f",
		},
		{
			name: "of somebody else", sql: "CREATE ROLE {other}; " + makeF + "ALTER FUNCTION f OWNER TO {other}", admin: true,
			severity: verify.Weakens, code: verify.CodeDefiner, object: function, undo: "DROP FUNCTION f; DROP ROLE {other}",
		},
		{
			name: "of somebody who may become the system", admin: true,
			sql:      makeF + "ALTER FUNCTION f OWNER TO {systemlogin}",
			severity: verify.Breaks, code: verify.CodeDefiner, object: function, undo: "DROP FUNCTION f",
		},
		{
			name: "granted to the login", sql: makeF + "REVOKE ALL ON FUNCTION f FROM PUBLIC; GRANT EXECUTE ON FUNCTION f TO {app}",
			severity: verify.Breaks, code: verify.CodeDefiner, object: function, undo: "DROP FUNCTION f",
		},
		{
			name: "in the schema stratum", admin: true,
			sql:      "CREATE FUNCTION stratum.f() RETURNS int LANGUAGE sql SECURITY DEFINER RETURN 1",
			severity: verify.Breaks, code: verify.CodeDefiner, object: "function stratum.f()", undo: "DROP FUNCTION stratum.f",
		},
		{
			name: "the tenant's own", sql: `CREATE OR REPLACE FUNCTION stratum.tenant_id() RETURNS uuid LANGUAGE sql STABLE
				RETURN coalesce(nullif(current_setting('stratum.other', true), ''), stratum.no_tenant())::uuid`,
			severity: verify.Breaks, code: verify.CodeTenantFunction, object: "function stratum.tenant_id()",
		},
		{
			name: "a procedure", sql: "CREATE PROCEDURE p(INOUT a int) LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN END'",
			severity: verify.Breaks, code: verify.CodeDefiner, object: "procedure public.p(INOUT a integer)",
			undo: "DROP PROCEDURE p",
		},
		{
			name: "leakproof", admin: true, sql: "CREATE FUNCTION f(a text) RETURNS bool LANGUAGE plpgsql LEAKPROOF AS 'BEGIN END'",
			severity: verify.Weakens, code: verify.CodeLeakproof, object: "function public.f(a text)", undo: "DROP FUNCTION f",
		},
	})
}

func TestFunctionsLookalikes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, sql := range map[string]string{
		"one that nobody may call": `CREATE FUNCTION a() RETURNS int LANGUAGE sql SECURITY DEFINER RETURN 1;
			REVOKE ALL ON FUNCTION a FROM PUBLIC; GRANT EXECUTE ON FUNCTION a TO {system}`,
		"one with the caller's rights": "CREATE FUNCTION b() RETURNS int LANGUAGE sql RETURN 1",
		"one for triggers":             "CREATE FUNCTION c() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN NEW; END'",
		"one in a schema out of reach": "CREATE SCHEMA private; CREATE FUNCTION private.d() RETURNS int LANGUAGE sql SECURITY DEFINER RETURN 1",
	} {
		run(t, w.AdminDSN, w.fill(sql))
		require.Empty(t, codes(w.verify(t), verify.Slows), name)
	}
}

// TestFunctionsByChoice holds that a function can be accepted, with a reason, and that an extension's is its author's word.
func TestFunctionsByChoice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run(t, w.AdminDSN, `CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER RETURN 1;
		COMMENT ON FUNCTION f IS 'stratum: accepted: counts sign-ups, returns a number';
		CREATE FUNCTION g() RETURNS int LANGUAGE sql SECURITY DEFINER RETURN 1;
		ALTER EXTENSION ltree ADD FUNCTION g()`)
	report := w.verify(t)
	require.Empty(t, codes(report, verify.Slows))
	f := find(report, verify.CodeDefinerAccepted, "function public.f()")
	require.Equal(t, verify.Note, f.Severity)
	require.Contains(t, f.Finding, "counts sign-ups, returns a number")
	g := find(report, verify.CodeDefiner, "function public.g()")
	require.Equal(t, verify.Note, g.Severity)
	require.Contains(t, g.Finding, `the extension "ltree"`)
}
