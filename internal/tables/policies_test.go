package tables_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// policiesSQL lists the policies of a table as the server prints them.
const policiesSQL = `SELECT array_agg(concat_ws(' ', policyname, permissive, cmd, roles::text, qual, with_check)
	ORDER BY policyname) FROM pg_policies WHERE tablename = $1`

func (w world) policies(tb testing.TB, table string) []string {
	tb.Helper()
	return value[[]string](tb, w.OwnerDSN, policiesSQL, table)
}

func TestScopes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.migrated(t, shopJob())
	system := w.system(t)
	for _, tenant := range []uuid.UUID{w.acme, w.acmeChild, w.globex} {
		system.must(t, "INSERT INTO tags (tenant_id, label) VALUES ($1, 'x')", tenant)
	}
	require.Equal(t, int64(3), one[int64](t, system, "SELECT count(*) FROM tags"))
	require.Equal(t, int64(3), system.must(t, "UPDATE tags SET label = 'y'"))
	require.NoError(t, system.Commit(t.Context()))

	require.Equal(t, int64(1), one[int64](t, w.tenant(t, w.acme), "SELECT count(*) FROM tags"))
	subtree := w.subtree(t, w.acme)
	require.Equal(t, int64(2), one[int64](t, subtree, "SELECT count(*) FROM tags"))
	require.Equal(t, int64(1), subtree.must(t, "UPDATE tags SET label = 'z'"))
	subtree.fails(t, codePrivilege, "INSERT INTO tags (tenant_id) VALUES ($1)", w.acmeChild)
	subtree.fails(t, codePrivilege, "UPDATE tags SET tenant_id = $1", w.acmeChild)
	require.Equal(t, int64(1), subtree.must(t, "DELETE FROM tags"))
	require.Equal(t, int64(1), one[int64](t, subtree, "SELECT count(*) FROM tags"))
	subtree.must(t, "INSERT INTO tags DEFAULT VALUES")
}

func TestNoTenantIsAnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.migrated(t, shopJob())
	for _, role := range []string{w.roles.Tenant, w.roles.Subtree} {
		s := w.login(t, w.DSN)
		s.must(t, "SET LOCAL ROLE "+quote(role))
		for _, statement := range rowStatements {
			s.fails(t, codeNoTenant, statement)
		}
	}
}

// rowStatements touch rows of a table in every way.
var rowStatements = []string{
	"SELECT count(*) FROM tags", "UPDATE tags SET label = 'x'", "DELETE FROM tags", "INSERT INTO tags (label) VALUES ('x')",
}

// fill gives a tenant a row of each table. A policy is asked for rows that there are: of an empty table the owner is told
// that it is empty, which is true.
func (w world) fill(tb testing.TB) {
	tb.Helper()
	acme := w.tenant(tb, w.acme)
	acme.must(tb, "INSERT INTO customers (id) VALUES (1)")
	acme.must(tb, "INSERT INTO invoices (number, customer_id) VALUES ('A-1', 1)")
	acme.must(tb, "INSERT INTO tags (label) VALUES ('x')")
	require.NoError(tb, acme.Commit(tb.Context()))
}

func TestOwnerIsToldSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.migrated(t, shopJob())
	w.fill(t)
	owner := w.login(t, w.OwnerDSN)
	for _, statement := range append(rowStatements[:3:3],
		"INSERT INTO tags (tenant_id) VALUES ('"+w.acme.String()+"')",
		"ALTER TABLE invoices ADD CONSTRAINT extra FOREIGN KEY (customer_id) REFERENCES customers (id)") {
		owner.fails(t, codeOwner, statement)
	}
}

// The setting opens the owner's policy, and that policy is the owner's alone.
func TestMigratingSettingHelpsNoTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.migrated(t, shopJob())
	w.fill(t)
	for _, role := range []string{w.roles.Tenant, w.roles.Subtree} {
		s := w.as(t, role, w.globex)
		s.must(t, "SET LOCAL stratum.owner = 'migrate'")
		require.Zero(t, one[int64](t, s, "SELECT count(*) FROM tags"))
		require.Zero(t, s.must(t, "DELETE FROM tags"))
		s.fails(t, codePrivilege, "INSERT INTO tags (tenant_id) VALUES ($1)", w.acme)
	}
	login := w.login(t, w.DSN)
	login.must(t, "SET LOCAL stratum.owner = 'migrate'")
	login.fails(t, codePrivilege, "SELECT count(*) FROM tags")
}

func TestOwnerSeesRowsWhileMigrating(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.migrated(t, shopJob())
	w.fill(t)
	tx, err := w.owner.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback()) }()
	require.NoError(t, tables.New(tx, tables.Config{Roles: w.roles}).Prepare(t.Context(), shop()))
	var label, path string
	require.NoError(t, tx.QueryRowContext(t.Context(), "SELECT label FROM tags LIMIT 1").Scan(&label))
	require.NoError(t, tx.QueryRowContext(t.Context(), "SHOW search_path").Scan(&path))
	require.Equal(t, `"$user", public`, path, "the ORM finds it as it was")
}

func TestAlteredPoliciesAreRepaired(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.migrated(t, shopJob())
	want := w.policies(t, "tags")
	require.Len(t, want, 7)
	w.exec(t, "CREATE FUNCTION public.tenant_id() RETURNS uuid LANGUAGE sql STABLE RETURN NULL::uuid")
	for _, tampering := range []string{
		"ALTER POLICY stratum_tenant ON tags USING (true)",
		"ALTER POLICY stratum_tenant ON tags USING (tenant_id = public.tenant_id())",
		"ALTER POLICY stratum_tenant ON tags WITH CHECK (true)",
		"ALTER POLICY stratum_tenant ON tags TO PUBLIC",
		"ALTER POLICY stratum_subtree_read ON tags USING (true)",
		"ALTER POLICY stratum_subtree_read ON tags USING (tenant_id <> ALL ((SELECT stratum.visible_tenants())::uuid[]))",
		"ALTER POLICY stratum_subtree_update ON tags WITH CHECK (true)",
		"ALTER POLICY stratum_owner ON tags USING (true)",
		"DROP POLICY stratum_subtree_delete ON tags",
		"DROP POLICY stratum_tenant ON tags; CREATE POLICY stratum_tenant ON tags FOR SELECT USING (true)",
		"DROP POLICY stratum_system ON tags; CREATE POLICY stratum_system ON tags AS RESTRICTIVE USING (true)",
		"ALTER TABLE tags NO FORCE ROW LEVEL SECURITY",
		"ALTER TABLE tags DISABLE ROW LEVEL SECURITY",
	} {
		w.exec(t, tampering)
		m := w.migrated(t, job{tables: shop()})
		require.NotEmpty(t, m.Statements(), tampering)
		require.Equal(t, want, w.policies(t, "tags"), tampering)
		require.True(t, value[bool](t, w.OwnerDSN,
			"SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE relname = 'tags'"), tampering)
	}
}

func TestForeignPolicies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.migrated(t, shopJob())
	run(t, w.AdminDSN, "CREATE ROLE "+quote(w.Name+"_report")+"; CREATE ROLE "+quote(w.Name+"_group"))
	for name, test := range map[string]struct {
		definition string
		want       error
	}{
		"to everybody":       {"USING (true)", tables.ErrPolicy},
		"to the tenant role": {"FOR SELECT TO " + quote(w.roles.Tenant) + " USING (true)", tables.ErrPolicy},
		"to the owner":       {"TO " + quote(w.Name+"_owner") + " USING (true)", tables.ErrPolicy},
		"to another role":    {"TO " + quote(w.Name+"_report") + " USING (true)", nil},
		"a restrictive one":  {"AS RESTRICTIVE USING (label <> 'secret')", nil},
	} {
		w.exec(t, "CREATE POLICY extra ON tags "+test.definition)
		if test.want == nil {
			w.settled(t, shopJob())
		} else {
			refusal := w.refused(t, test.want, job{tables: shop()})
			require.Equal(t, "extra", refusal.Object, name)
			require.ErrorContains(t, refusal, `DROP POLICY "extra" ON "public"."tags"`, name)
		}
		w.exec(t, "DROP POLICY extra ON tags")
	}
}

// A policy for a group reaches the members that inherit from it.
func TestForeignPolicyOfAGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.migrated(t, shopJob())
	group := quote(w.Name + "_group")
	run(t, w.AdminDSN, "CREATE ROLE "+group+"; ALTER ROLE "+quote(w.roles.Tenant)+" INHERIT; GRANT "+group+" TO "+
		quote(w.roles.Tenant))
	w.exec(t, "CREATE POLICY extra ON tags TO "+group+" USING (true)")
	require.Equal(t, "extra", w.refused(t, tables.ErrPolicy, job{tables: shop()}).Object)
}

// The policies follow the table when it is given to another owner.
func TestOwnerChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.migrated(t, shopJob())
	w.fill(t)
	next := w.Name + "_next"
	run(t, w.AdminDSN, "CREATE ROLE "+quote(next)+"; GRANT "+quote(next)+" TO "+quote(w.Name+"_owner")+
		"; GRANT CREATE ON SCHEMA public TO "+quote(next)+"; ALTER TABLE tags OWNER TO "+quote(next)+
		"; GRANT USAGE ON SCHEMA stratum TO "+quote(next))
	w.migrated(t, job{tables: shop()})
	w.login(t, w.OwnerDSN).fails(t, codeOwner, "SELECT count(*) FROM tags")

	run(t, w.AdminDSN, "ALTER TABLE tags OWNER TO "+quote(w.Name+"_system"))
	require.Equal(t, `"public"."tags"`, w.refused(t, tables.ErrNotOwner, job{tables: shop()}).Table)
}
