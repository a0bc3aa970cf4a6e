package verify_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/tables"
	"github.com/stratum-hq/stratum-go/internal/verify"
)

const (
	tableInvoices = `table "public"."invoices"`
	columnTenant  = `column "tenant_id" of table "public"."invoices"`
)

func TestTables(t *testing.T) {
	t.Parallel()
	newWorld(t).breaches(t, []breach{
		{
			name: "no row-level security", sql: "ALTER TABLE invoices DISABLE ROW LEVEL SECURITY",
			severity: verify.Breaks, code: verify.CodeRLSDisabled, object: tableInvoices,
		},
		{
			name: "not forced", sql: "ALTER TABLE invoices NO FORCE ROW LEVEL SECURITY",
			severity: verify.Breaks, code: verify.CodeRLSNotForced, object: tableInvoices,
		},
		{
			name: "neither, on a mixed table", sql: "ALTER TABLE templates DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
			severity: verify.Breaks, code: verify.CodeRLSDisabled, object: `table "public"."templates"`,
		},
		{
			name: "a policy is gone", sql: "DROP POLICY stratum_tenant ON invoices; DROP POLICY stratum_owner ON invoices",
			severity: verify.Breaks, code: verify.CodePolicyMissing, object: tableInvoices,
		},
		{
			name: "the mixed table's own policy is gone", sql: "DROP POLICY stratum_everyone ON templates",
			severity: verify.Breaks, code: verify.CodePolicyMissing, object: `table "public"."templates"`,
		},
		{
			name: "a policy shows more", sql: "ALTER POLICY stratum_tenant ON invoices USING (true)",
			severity: verify.Breaks, code: verify.CodePolicyAltered, object: `policy "stratum_tenant" on "public"."invoices"`,
		},
		{
			name: "a policy checks less", sql: "ALTER POLICY stratum_subtree_insert ON invoices WITH CHECK (number <> '')",
			severity: verify.Breaks, code: verify.CodePolicyAltered,
			object: `policy "stratum_subtree_insert" on "public"."invoices"`,
		},
		{
			name: "a policy is for others too", sql: "ALTER POLICY stratum_system ON invoices TO {system}, {tenant}",
			severity: verify.Breaks, code: verify.CodePolicyAltered, object: `policy "stratum_system" on "public"."invoices"`,
		},
		{
			name: "a policy is restrictive",
			sql: `DROP POLICY stratum_tenant ON invoices; CREATE POLICY stratum_tenant ON invoices AS RESTRICTIVE TO {tenant}
				USING (tenant_id = stratum.tenant_id()) WITH CHECK (tenant_id = stratum.tenant_id())`,
			severity: verify.Breaks, code: verify.CodePolicyAltered, object: `policy "stratum_tenant" on "public"."invoices"`,
		},
		{
			name: "a policy for PUBLIC beside", sql: "CREATE POLICY reports ON invoices FOR SELECT USING (true)",
			severity: verify.Breaks, code: verify.CodePolicyForeign, object: `policy "reports" on "public"."invoices"`,
		},
		{
			name: "a policy for the data login beside", sql: "CREATE POLICY app ON invoices TO {app} USING (true)",
			severity: verify.Breaks, code: verify.CodePolicyForeign, object: `policy "app" on "public"."invoices"`,
		},
		{
			name: "the tenant may be NULL", sql: "ALTER TABLE invoices ALTER COLUMN tenant_id DROP NOT NULL",
			severity: verify.Weakens, code: verify.CodeColumnNullable, object: columnTenant,
		},
		{
			name: "the default is gone", sql: "ALTER TABLE invoices ALTER COLUMN tenant_id DROP DEFAULT",
			severity: verify.Weakens, code: verify.CodeColumnDefault, object: columnTenant,
		},
		{
			name:     "the default is another",
			sql:      "ALTER TABLE invoices ALTER COLUMN tenant_id SET DEFAULT '00000000-0000-0000-0000-000000000001'",
			severity: verify.Weakens, code: verify.CodeColumnDefault, object: columnTenant,
		},
		{
			name: "no tenant column", sql: "ALTER TABLE templates RENAME COLUMN tenant_id TO owner_id", sentence: true,
			severity: verify.Breaks, code: verify.CodeColumnMissing, object: `table "public"."templates"`,
			undo: "ALTER TABLE templates RENAME COLUMN owner_id TO tenant_id",
		},
		{
			name:     "a recorded table is gone",
			sql:      "INSERT INTO stratum.tables (table_schema, table_name, class) VALUES ('public', 'it''s', 'global')",
			severity: verify.Note, code: verify.CodeTableMissing, object: `table "public"."it's"`,
		},
		{
			name: "an owned table is not recorded", sql: "DELETE FROM stratum.tables WHERE table_name = 'templates'",
			severity: verify.Note, code: verify.CodeTableUnknown, object: `table "public"."templates"`,
			// What has policies and no record is taken for owned, and a mixed table is not.
			undo: `UPDATE stratum.tables SET class = 'mixed' WHERE table_name = 'templates';
				ALTER TABLE templates ALTER COLUMN tenant_id DROP NOT NULL`,
		},
		{
			name: "an owned foreign table",
			sql: `CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
				CREATE FOREIGN TABLE remote (tenant_id uuid NOT NULL DEFAULT stratum.tenant_id()) SERVER files
				OPTIONS (filename '/dev/null');
				INSERT INTO stratum.tables VALUES ('public', 'remote', 'owned', 'tenant_id')`,
			admin: true, sentence: true,
			severity: verify.Breaks, code: verify.CodeRLSDisabled, object: `foreign table "public"."remote"`,
			undo: "DROP EXTENSION file_fdw CASCADE; DELETE FROM stratum.tables WHERE table_name = 'remote'",
		},
	})
}

func TestUnclassed(t *testing.T) {
	t.Parallel()
	newWorld(t).breaches(t, []breach{
		{
			name: "out of reach", sql: "CREATE TABLE goose_db_version (id int)",
			severity: verify.Weakens, code: verify.CodeTableUnclassed, object: `table "public"."goose_db_version"`,
			undo: "DROP TABLE goose_db_version; DELETE FROM stratum.tables WHERE table_name = 'goose_db_version'",
		},
		{
			name: "granted to PUBLIC", sql: "CREATE TABLE settings (id int); GRANT SELECT ON settings TO PUBLIC",
			severity: verify.Breaks, code: verify.CodeTableReachable, object: `table "public"."settings"`,
			undo: "DROP TABLE settings",
		},
		{
			name: "granted to a role", sql: "CREATE TABLE settings (id int); GRANT SELECT (id) ON settings TO {subtree}",
			severity: verify.Breaks, code: verify.CodeTableReachable, object: `table "public"."settings"`,
			undo: "DROP TABLE settings",
		},
		{
			name: "granted to the data login", sql: "CREATE TABLE settings (id int); GRANT SELECT ON settings TO {app}",
			severity: verify.Weakens, code: verify.CodeTableReachable, object: `table "public"."settings"`,
			undo: "DROP TABLE settings",
		},
		{
			name: "a foreign table, granted by another", admin: true,
			sql: `CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
				CREATE FOREIGN TABLE remote (id int) SERVER files OPTIONS (filename '/dev/null');
				GRANT SELECT ON remote TO {systemlogin} WITH GRANT OPTION;
				SET ROLE {systemlogin}; GRANT SELECT ON remote TO {tenant}; RESET ROLE`,
			severity: verify.Breaks, code: verify.CodeTableReachable, object: `foreign table "public"."remote"`,
			undo: "DROP EXTENSION file_fdw CASCADE",
		},
		{
			name: "a join table", admin: false,
			sql: `CREATE TABLE customer_tags (customer_id bigint REFERENCES customers ON DELETE CASCADE,
					tag_id bigint NOT NULL REFERENCES tags ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED,
					PRIMARY KEY (customer_id, tag_id));
				GRANT SELECT, INSERT ON customer_tags TO {tenant}`,
			severity: verify.Breaks, code: verify.CodeJoinTable, object: `table "public"."customer_tags"`,
			undo: "DROP TABLE customer_tags; DELETE FROM stratum.tables WHERE table_name = 'customer_tags'",
		},
	})
}

func TestPartitions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.migrate(t, `CREATE TABLE events (id bigint NOT NULL, tenant_id uuid NOT NULL DEFAULT stratum.tenant_id())
		PARTITION BY RANGE (id); CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10);
		CREATE TABLE old_tags () INHERITS (tags); CREATE TABLE documents (id bigint);
		CREATE TABLE letters (PRIMARY KEY (id), tenant_id uuid NOT NULL DEFAULT stratum.tenant_id()) INHERITS (documents)`,
		append(shop(), ownedTable("events"), ownedTable("letters"), tables.Table{Name: "documents", Kind: tables.External}))
	w.breaches(t, []breach{
		{
			name: "a partition", sql: "GRANT SELECT ON events_1 TO {tenant}",
			severity: verify.Breaks, code: verify.CodeChildReachable, object: `table "public"."events_1"`,
		},
		{
			name: "a partition, by PUBLIC", sql: "GRANT SELECT ON events_1 TO PUBLIC",
			severity: verify.Breaks, code: verify.CodeChildReachable, object: `table "public"."events_1"`,
		},
		{
			name: "a partition, by the login", sql: "GRANT SELECT ON events_1 TO {app}",
			severity: verify.Weakens, code: verify.CodeChildReachable, object: `table "public"."events_1"`,
		},
		{
			name: "an inheriting table", sql: "GRANT INSERT ON old_tags TO {tenant}",
			severity: verify.Breaks, code: verify.CodeChildReachable, object: `table "public"."old_tags"`,
		},
		{
			name:     "a parent",
			sql:      "GRANT SELECT ON documents TO {tenant}",
			severity: verify.Breaks, code: verify.CodeParent, object: `table "public"."documents"`,
		},
	})
}

// TestTablesLookalikes are as they may be: none of them is a finding.
func TestTablesLookalikes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	clean := codes(w.verify(t), verify.Note)
	for name, sql := range map[string]string{
		"a restrictive policy only narrows": "CREATE POLICY open ON invoices AS RESTRICTIVE USING (number <> '')",
		"a policy for somebody else":        "CREATE ROLE {other}; CREATE POLICY audit ON invoices TO {other} USING (true)",
		"a table in a schema of others":     "CREATE SCHEMA ops; CREATE TABLE ops.jobs (id int); GRANT SELECT ON ops.jobs TO PUBLIC",
		"an external table with policies": `ALTER TABLE river_job ENABLE ROW LEVEL SECURITY;
			CREATE POLICY mine ON river_job USING (true)`,
		"a table of an extension": "CREATE TABLE part_of (id int); GRANT SELECT ON part_of TO PUBLIC; ALTER EXTENSION ltree ADD TABLE part_of",
		"a temporary table":       "CREATE TEMP TABLE scratch (id int)",
		"a partition of a global table": `CREATE TABLE rates (id int) PARTITION BY LIST (id);
			CREATE TABLE rates_1 PARTITION OF rates DEFAULT; GRANT SELECT ON rates TO PUBLIC;
			INSERT INTO stratum.tables VALUES ('public', 'rates', 'global'), ('public', 'rates_1', 'global')`,
		"a mixed table's tenant may be NULL": "ALTER TABLE templates ALTER COLUMN tenant_id DROP NOT NULL",
		"a partition with policies of its own": `CREATE TABLE more_tags () INHERITS (tags); GRANT SELECT ON more_tags TO {tenant};
			ALTER TABLE more_tags ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`,
		"columns and names that need quotes": `CREATE TABLE "odd ""name" (id int);
			INSERT INTO stratum.tables VALUES ('public', 'odd "name', 'external')`,
	} {
		run(t, w.AdminDSN, w.fill(sql))
		require.Equal(t, clean, codes(w.verify(t), verify.Note), name)
	}
}

// TestAdopting holds that a table on its way is one finding, that it is no excuse for what tenants reach, nor for a table
// that was sealed, and that a sealed one is none.
func TestAdopting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	clean := codes(w.verify(t), verify.Note)
	run(t, w.AdminDSN, w.fill(`
		CREATE FUNCTION invoices_stratum_fill() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
		CREATE TRIGGER zz_stratum_fill BEFORE INSERT ON invoices FOR EACH ROW EXECUTE FUNCTION invoices_stratum_fill();
		ALTER TABLE invoices NO FORCE ROW LEVEL SECURITY, ALTER COLUMN tenant_id DROP DEFAULT;
		CREATE POLICY stratum_plain ON invoices TO {app} USING (true);
		CREATE UNIQUE INDEX invoices_number ON invoices (number);
		DELETE FROM stratum.tables WHERE table_name = 'invoices'`))
	const adopting = "weakens adoption_not_sealed " + tableInvoices
	report := w.verify(t)
	require.Equal(t, []string{adopting}, codes(report, verify.Slows), "%s", report)

	run(t, w.AdminDSN, "ALTER TABLE invoices DISABLE ROW LEVEL SECURITY")
	require.Equal(t, []string{"breaks rls_disabled " + tableInvoices, adopting}, codes(w.verify(t), verify.Slows))
	run(t, w.AdminDSN, w.fill("REVOKE ALL ON invoices FROM {tenant}, {subtree}, {system}; "+
		"DROP POLICY stratum_tenant ON invoices; DROP POLICY stratum_subtree_read ON invoices; "+
		"DROP POLICY stratum_subtree_insert ON invoices; DROP POLICY stratum_subtree_update ON invoices; "+
		"DROP POLICY stratum_subtree_delete ON invoices; DROP POLICY stratum_system ON invoices; "+
		"DROP POLICY stratum_owner ON invoices"))
	require.Equal(t, []string{adopting}, codes(w.verify(t), verify.Slows), "before there are policies and rights")

	run(t, w.AdminDSN, `DROP POLICY stratum_plain ON invoices; DROP INDEX invoices_number;
		ALTER TABLE invoices ALTER COLUMN tenant_id SET DEFAULT stratum.tenant_id();
		ALTER TABLE invoices FORCE ROW LEVEL SECURITY`) // the last step of the adoption
	w.migrate(t, "", shop())
	require.Equal(t, clean, codes(w.verify(t), verify.Note), "the trigger stays on a sealed table")
	run(t, w.OwnerDSN, "ALTER TABLE invoices NO FORCE ROW LEVEL SECURITY")
	require.Equal(t, []string{"breaks rls_not_forced " + tableInvoices}, codes(w.verify(t), verify.Slows))
}
