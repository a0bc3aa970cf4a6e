package verify_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/verify"
)

func TestRights(t *testing.T) {
	t.Parallel()
	newWorld(t).breaches(t, []breach{
		{
			name: "TRUNCATE", sql: "GRANT TRUNCATE ON invoices TO {tenant}, PUBLIC",
			severity: verify.Breaks, code: verify.CodeTruncate, object: tableInvoices,
		},
		{
			name: "TRUNCATE for the login", sql: "GRANT TRUNCATE ON invoices TO {app}",
			severity: verify.Weakens, code: verify.CodeTruncate, object: tableInvoices,
		},
		{
			name: "TRUNCATE for the system", sql: "GRANT TRUNCATE ON invoices TO {system}",
			severity: verify.Weakens, code: verify.CodeTruncate, object: tableInvoices,
		},
		{
			name: "TRUNCATE, granted by somebody else", admin: true,
			sql: `GRANT TRUNCATE ON invoices TO {systemlogin} WITH GRANT OPTION;
				SET ROLE {systemlogin}; GRANT TRUNCATE ON invoices TO {subtree}; RESET ROLE`,
			severity: verify.Breaks, code: verify.CodeTruncate, object: tableInvoices,
			undo: "REVOKE TRUNCATE ON invoices FROM {systemlogin}",
		},
		{
			name: "REFERENCES", sql: "GRANT REFERENCES (id) ON invoices TO {tenant}",
			severity: verify.Weakens, code: verify.CodeReferences, object: tableInvoices,
		},
		{
			name: "TRIGGER", sql: "GRANT TRIGGER ON invoices TO {subtree}",
			severity: verify.Weakens, code: verify.CodeTrigger, object: tableInvoices,
		},
		{
			name: "TRIGGER on a global table", sql: "GRANT TRIGGER ON countries TO {tenant}",
			severity: verify.Weakens, code: verify.CodeTrigger, object: `table "public"."countries"`,
		},
		{
			name: "rows to PUBLIC", sql: "GRANT SELECT, UPDATE (number) ON invoices TO PUBLIC",
			severity: verify.Weakens, code: verify.CodePublicGrant, object: tableInvoices,
		},
		{
			name: "shared rows to the role of tenants with schemas", sql: "GRANT SELECT (number) ON invoices TO {schema}",
			severity: verify.Weakens, code: verify.CodeSchemaGranted, object: tableInvoices,
		},
		{
			name: "TRUNCATE for the role of tenants with schemas", sql: "GRANT TRUNCATE ON invoices TO {schema}",
			severity: verify.Breaks, code: verify.CodeTruncate, object: tableInvoices,
		},
		{
			name: "a global table is written by tenants with schemas", sql: "GRANT INSERT ON countries TO {schema}",
			severity: verify.Breaks, code: verify.CodeGlobalWritable, object: `table "public"."countries"`,
		},
		{
			name: "placements are read", sql: "GRANT SELECT ON stratum.placements TO PUBLIC",
			severity: verify.Breaks, code: verify.CodeRegistry, object: `table "stratum"."placements"`,
		},
		{
			name: "spares are read", sql: "GRANT SELECT ON stratum.spares TO {schema}",
			severity: verify.Breaks, code: verify.CodeRegistry, object: `table "stratum"."spares"`,
		},
		{
			name: "a table of the role of tenants with schemas", admin: true,
			sql:      "CREATE TABLE mine (id int); ALTER TABLE mine OWNER TO {schema}",
			severity: verify.Breaks, code: verify.CodeRoleOwns, object: `table "public"."mine"`, undo: "DROP TABLE mine",
		},
		{
			name: "a global table is written", sql: "GRANT UPDATE ON countries TO {tenant}",
			severity: verify.Breaks, code: verify.CodeGlobalWritable, object: `table "public"."countries"`,
		},
		{
			name: "a global table is emptied", sql: "GRANT TRUNCATE ON countries TO PUBLIC",
			severity: verify.Breaks, code: verify.CodeGlobalWritable, object: `table "public"."countries"`,
		},
		{
			name: "a sequence is set", sql: "GRANT UPDATE ON SEQUENCE customers_id_seq TO {tenant}",
			severity: verify.Weakens, code: verify.CodeSequenceWritable, object: `sequence "public"."customers_id_seq"`,
		},
		{
			name: "tenants are read", sql: "GRANT SELECT ON stratum.tenants TO {tenant}",
			severity: verify.Breaks, code: verify.CodeRegistry, object: `table "stratum"."tenants"`,
		},
		{
			name: "the version is written", sql: "GRANT UPDATE ON stratum.schema_info TO PUBLIC",
			severity: verify.Breaks, code: verify.CodeRegistry, object: `table "stratum"."schema_info"`,
		},
		{
			name: "a tenant's own table", admin: true, sql: "CREATE TABLE mine (id int); ALTER TABLE mine OWNER TO {tenant}",
			severity: verify.Breaks, code: verify.CodeRoleOwns, object: `table "public"."mine"`, undo: "DROP TABLE mine",
		},
		{
			name: "a tenant's own view", admin: true, sql: "CREATE VIEW mine AS SELECT 1; ALTER VIEW mine OWNER TO {subtree}",
			severity: verify.Breaks, code: verify.CodeRoleOwns, object: `view "public"."mine"`, undo: "DROP VIEW mine",
		},
	})
}

func TestDatabase(t *testing.T) {
	t.Parallel()
	newWorld(t).breaches(t, []breach{
		{
			name: "TEMP to PUBLIC", sql: "GRANT TEMPORARY ON DATABASE {database} TO PUBLIC",
			severity: verify.Breaks, code: verify.CodeTemp, object: `database {database}`,
		},
		{
			name: "TEMP to a role", sql: "GRANT TEMP ON DATABASE {database} TO {subtree}",
			severity: verify.Breaks, code: verify.CodeTemp, object: `database {database}`,
		},
		{
			name: "TEMP to the system role", sql: "GRANT TEMP ON DATABASE {database} TO {system}",
			severity: verify.Breaks, code: verify.CodeTemp, object: `database {database}`,
		},
		{
			name: "TEMP to the login", sql: "GRANT TEMP ON DATABASE {database} TO {app}",
			severity: verify.Weakens, code: verify.CodeTemp, object: `database {database}`,
		},
		{
			name: "CREATE on the database", sql: "GRANT CREATE ON DATABASE {database} TO {tenant}",
			severity: verify.Breaks, code: verify.CodeDatabaseCreate, object: `database {database}`,
		},
		{
			name: "CREATE on public", sql: "GRANT CREATE ON SCHEMA public TO PUBLIC",
			severity: verify.Breaks, code: verify.CodeSchemaCreate, object: `schema "public"`,
		},
		{
			name: "CREATE on another schema", sql: "CREATE SCHEMA app; GRANT CREATE ON SCHEMA app TO {app}",
			severity: verify.Weakens, code: verify.CodeSchemaCreate, object: `schema "app"`, undo: "DROP SCHEMA app",
		},
		{
			name: "tables to come", sql: "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {tenant}",
			severity: verify.Weakens, code: verify.CodeDefaultPrivileges, object: `default privileges of {owner}`,
		},
		{
			name: "tables to come in a schema", sql: "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO PUBLIC",
			severity: verify.Weakens, code: verify.CodeDefaultPrivileges, object: `default privileges of {owner} in schema "public"`,
		},
		{
			name: "a tenant's large object", admin: true, sql: "SET ROLE {tenant}; SELECT lo_create(4711); RESET ROLE",
			severity: verify.Breaks, code: verify.CodeLargeObject, object: `large object 4711`, undo: "SELECT lo_unlink(4711)",
		},
		{
			name: "everybody's large object", sql: "SELECT lo_create(4712); GRANT SELECT ON LARGE OBJECT 4712 TO PUBLIC",
			severity: verify.Breaks, code: verify.CodeLargeObject, object: `large object 4712`, undo: "SELECT lo_unlink(4712)",
		},
	})
}

func TestRightsLookalikes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, sql := range map[string]string{
		"a large object of the owner's": "SELECT lo_create(1)",
		"the system may make tables":    "GRANT CREATE ON SCHEMA public TO {system}",
		"a role of somebody else's": `CREATE ROLE {other}; GRANT ALL ON invoices, countries TO {other};
			GRANT TEMP ON DATABASE {database} TO {other}; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {other}`,
		"a global table is read by all": "GRANT SELECT ON countries TO PUBLIC",
		"a sequence is drawn from":      "GRANT USAGE, SELECT ON SEQUENCE customers_id_seq TO {tenant}",
		"functions to come":             "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO {tenant}",
		"an external table is emptied":  "GRANT TRUNCATE ON river_job TO {tenant}",
		"grants in a schema out of reach": `CREATE SCHEMA private; CREATE SEQUENCE private.s;
			GRANT UPDATE ON SEQUENCE private.s TO PUBLIC`,
	} {
		run(t, w.AdminDSN, w.fill(sql))
		require.Empty(t, codes(w.verify(t), verify.Slows), name)
	}
}

// TestMaintain holds for the right that servers have since version 17. Older ones refuse to grant it.
func TestMaintain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const grant = "GRANT MAINTAIN ON invoices TO {tenant}"
	if w.text(t, "SELECT (current_setting('server_version_num')::int >= 170000)::text") == "false" {
		require.Error(t, tryRun(t, w.OwnerDSN, w.fill(grant)))
		return
	}
	w.breaches(t, []breach{{
		name: "MAINTAIN", sql: grant, severity: verify.Weakens, code: verify.CodeMaintain, object: tableInvoices,
	}})
}
