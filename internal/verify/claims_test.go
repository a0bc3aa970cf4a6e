package verify_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/verify"
)

// claim is a finding and what it says could be done, done.
type claim struct {
	name string
	// sql makes the breach, as the administrator.
	sql  string
	code verify.Code
	// attack is run as tenant Acme. It returns true where it has reached what is Globex's.
	attack string
	// undo takes back what the cures and the attack left.
	undo string
}

// tenants are two, each with a customer, an invoice, a tag and a template.
type tenants struct {
	world

	acme, globex uuid.UUID
}

func newTenants(t *testing.T) tenants {
	t.Helper()
	w := tenants{newWorld(t), uuid.New(), uuid.New()}
	run(t, w.OwnerDSN, `INSERT INTO stratum.tenants (id, label, path, slug, name) VALUES
		('`+w.acme.String()+`', 'a', 'a', 'acme', 'Acme'), ('`+w.globex.String()+`', 'b', 'b', 'globex', 'Globex')`)
	for i, id := range []uuid.UUID{w.acme, w.globex} {
		number := []string{"1", "2"}[i]
		run(t, w.OwnerDSN, `BEGIN; SET LOCAL stratum.owner = 'migrate';
			INSERT INTO customers (id, tenant_id, email) VALUES (`+number+`, '`+id.String()+`', 'c`+number+`');
			INSERT INTO invoices (id, tenant_id, number) VALUES (`+number+`, '`+id.String()+`', 'A-`+number+`');
			INSERT INTO tags (id, tenant_id, label) VALUES (`+number+`, '`+id.String()+`', 't`+number+`');
			INSERT INTO templates (id, tenant_id, name) VALUES (`+number+`, '`+id.String()+`', 'm'); COMMIT`)
	}
	return w
}

// reaches runs an attack as Acme, in a transaction that leaves nothing behind. What is refused has reached nothing.
func (w tenants) reaches(t *testing.T, attack string) bool {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), w.DSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(t.Context()) }()
	_, err = tx.Exec(t.Context(), "SELECT stratum.enter($1)", w.acme)
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), w.fill("SET LOCAL ROLE {tenant}"))
	require.NoError(t, err)
	results, err := tx.Conn().PgConn().Exec(t.Context(), w.fill(attack)).ReadAll()
	if err != nil {
		return false
	}
	last := results[len(results)-1]
	return len(last.Rows) == 1 && string(last.Rows[0][0]) == "t"
}

// held holds that an attack works while there is the finding, and no longer when the cures have been run.
func (w tenants) held(t *testing.T, c claim) {
	t.Helper()
	require.False(t, w.reaches(t, c.attack), "%s: before the breach", c.name)
	run(t, w.AdminDSN, w.fill(c.sql))
	require.True(t, w.reaches(t, c.attack), "%s: the finding would be a false alarm", c.name)
	report := w.verify(t)
	for _, f := range report.AtLeast(verify.Weakens) {
		if f.RunAs != "" {
			run(t, w.dsn(f.RunAs), f.Cure)
		}
	}
	require.Contains(t, strings.Join(codes(report, verify.Weakens), "\n"), " "+string(c.code)+" ", c.name)
	require.False(t, w.reaches(t, c.attack), "%s: after the cure", c.name)
	if c.undo != "" {
		run(t, w.AdminDSN, w.fill(c.undo))
	}
	require.Empty(t, w.verify(t).AtLeast(verify.Slows), c.name)
}

// TestClaims holds that what breaks the boundary does: each finding with the statement of a tenant that makes use of it.
func TestClaims(t *testing.T) {
	t.Parallel()
	const all = "SELECT count(*) > 1 FROM "
	const asOwner = "SELECT set_config('stratum.owner', 'migrate', true); "
	w := newTenants(t)
	for _, c := range []claim{
		{
			name: "row-level security is off", sql: "ALTER TABLE invoices DISABLE ROW LEVEL SECURITY",
			code: verify.CodeRLSDisabled, attack: all + "invoices",
		},
		{
			name: "a view of an owner who is not bound",
			sql: "ALTER TABLE invoices NO FORCE ROW LEVEL SECURITY; CREATE VIEW v AS SELECT * FROM invoices; " +
				"ALTER VIEW v OWNER TO {owner}; GRANT SELECT ON v TO {tenant}",
			code: verify.CodeRLSNotForced, attack: all + "v", undo: "DROP VIEW v",
		},
		{
			name: "a view of an owner who is bound",
			sql:  "CREATE VIEW v AS SELECT * FROM invoices; ALTER VIEW v OWNER TO {owner}; GRANT SELECT ON v TO {tenant}",
			code: verify.CodeViewDefiner, attack: asOwner + all + "v", undo: "DROP VIEW v",
		},
		{
			name: "a view of a superuser", sql: "CREATE VIEW v AS SELECT * FROM tags; GRANT SELECT ON v TO PUBLIC",
			code: verify.CodeViewDefiner, attack: all + "v", undo: "DROP VIEW v",
		},
		{
			name: "a view of a view", code: verify.CodeViewDefiner, attack: all + "v", undo: "DROP VIEW v, w",
			sql: `CREATE VIEW w AS SELECT * FROM tags; CREATE VIEW v AS SELECT * FROM w; GRANT SELECT ON v TO {tenant}`,
		},
		{
			name: "a materialized view", sql: "CREATE MATERIALIZED VIEW v AS SELECT * FROM tags; GRANT SELECT ON v TO {tenant}",
			code: verify.CodeMaterialized, attack: all + "v", undo: "DROP MATERIALIZED VIEW v",
		},
		{
			name: "a policy that shows more", sql: "ALTER POLICY stratum_tenant ON invoices USING (number <> '')",
			code: verify.CodePolicyAltered, attack: all + "invoices",
		},
		{
			name: "a policy beside", sql: "CREATE POLICY reports ON invoices FOR SELECT USING (true)",
			code: verify.CodePolicyForeign, attack: all + "invoices",
		},
		{
			name: "the tenant's function", code: verify.CodeTenantFunction, attack: "SELECT count(*) = 1 FROM tags WHERE id = 2",
			sql: `CREATE OR REPLACE FUNCTION stratum.tenant_id() RETURNS uuid LANGUAGE sql STABLE
				RETURN '` + w.globex.String() + `'::uuid`,
		},
		{
			name: "a role that bypasses", sql: "ALTER ROLE {tenant} BYPASSRLS", code: verify.CodeRoleAttribute,
			attack: all + "invoices",
		},
		{
			name: "a role that is another", sql: "ALTER ROLE {tenant} INHERIT; GRANT {system} TO {tenant}",
			code: verify.CodeRoleMember, attack: all + "invoices",
		},
		{
			name: "TRUNCATE", sql: "GRANT TRUNCATE ON templates TO {tenant}", code: verify.CodeTruncate,
			attack: "TRUNCATE templates; SELECT true",
		},
		{
			name: "a partition", sql: "CREATE TABLE part () INHERITS (tags); ALTER TABLE part OWNER TO {owner}; " +
				"INSERT INTO part (id, tenant_id) VALUES (9, '" + w.globex.String() + "'), (10, '" + w.globex.String() +
				"'); GRANT SELECT ON part TO {tenant}",
			code: verify.CodeChildReachable, attack: all + "part", undo: "DROP TABLE part",
		},
		{
			name: "a unique key tells", sql: "CREATE UNIQUE INDEX u ON tags (label)", code: verify.CodeUniqueAcross,
			attack: `INSERT INTO tags (id, label) VALUES (9, 't2') ON CONFLICT DO NOTHING;
				SELECT count(*) = 0 FROM tags WHERE id = 9`,
			undo: "DROP INDEX u",
		},
		{
			name: "a foreign key links", code: verify.CodeForeignKey,
			sql:    "ALTER TABLE invoices ADD tag bigint; ALTER TABLE invoices ADD CONSTRAINT k FOREIGN KEY (tag) REFERENCES tags",
			attack: "UPDATE invoices SET tag = 2; SET CONSTRAINTS ALL IMMEDIATE; SELECT true",
			undo:   "ALTER TABLE invoices DROP COLUMN tag",
		},
		{
			name: "a join table shows", code: verify.CodeJoinTable, attack: "SELECT count(*) = 1 FROM links WHERE tag_id = 2",
			sql: `CREATE TABLE links (customer_id bigint REFERENCES customers, tag_id bigint REFERENCES tags);
				INSERT INTO links VALUES (2, 2); ALTER TABLE links OWNER TO {owner}; GRANT SELECT ON links TO {tenant}`,
			undo: "DROP TABLE links; DELETE FROM stratum.tables WHERE table_name = 'links'",
		},
		{
			name: "a table without a class", sql: "CREATE TABLE secrets AS SELECT 1 UNION SELECT 2; GRANT SELECT ON secrets TO PUBLIC",
			code: verify.CodeTableReachable, attack: all + "secrets",
			undo: "DROP TABLE secrets; DELETE FROM stratum.tables WHERE table_name = 'secrets'",
		},
		{
			name: "a function with its owner's rights", code: verify.CodeDefiner, attack: "SELECT total() > 1", undo: "DROP FUNCTION total",
			sql: `CREATE FUNCTION total() RETURNS bigint LANGUAGE sql SECURITY DEFINER RETURN (SELECT count(*) FROM tags)`,
		},
		{
			name: "a rule", code: verify.CodeRule, attack: asOwner + "INSERT INTO river_job (kind) VALUES ('x'); " + all + "tags",
			sql: `CREATE RULE r AS ON INSERT TO river_job DO ALSO UPDATE tags SET tenant_id = '` + w.acme.String() +
				`' WHERE id = 2`,
		},
		{
			name: "a large object", sql: "SET ROLE {tenant}; SELECT lo_from_bytea(77, 'globex'); RESET ROLE",
			code: verify.CodeLargeObject, attack: "SELECT lo_get(77) = 'globex'::bytea", undo: "SELECT lo_unlink(77)",
		},
		{
			name: "the registry", sql: "GRANT SELECT ON stratum.tenants TO {tenant}", code: verify.CodeRegistry,
			attack: all + "stratum.tenants",
		},
		{
			name: "a sequence", sql: "GRANT UPDATE ON SEQUENCE tags_id_seq TO {tenant}", code: verify.CodeSequenceWritable,
			attack: "SELECT setval('tags_id_seq', 1) = 1",
		},
		{
			name: "a global table", sql: "GRANT INSERT ON countries TO {tenant}", code: verify.CodeGlobalWritable,
			attack: "INSERT INTO countries VALUES ('XX', 'x'); SELECT true",
		},
		{
			name: "TEMP", sql: "GRANT TEMP ON DATABASE {database} TO {tenant}", code: verify.CodeTemp,
			attack: "CREATE TEMP TABLE invoices AS SELECT 1 AS id; SELECT true",
		},
		{
			name: "CREATE", sql: "GRANT CREATE ON SCHEMA public TO {tenant}", code: verify.CodeSchemaCreate,
			attack: "CREATE TABLE copied AS SELECT * FROM invoices; SELECT true",
		},
	} {
		w.held(t, c)
	}
}
