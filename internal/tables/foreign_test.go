package tables_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// acrossTenants is an invoice of one tenant that refers to a customer of another.
func (w world) acrossTenants(tb testing.TB) {
	tb.Helper()
	w.exec(tb, "INSERT INTO customers (id, tenant_id) VALUES (4711, '"+w.acme.String()+"');"+
		"INSERT INTO invoices (tenant_id, number, customer_id) VALUES ('"+w.globex.String()+"', 'B-1', 4711)")
}

func (w world) requireReferenceRefused(tb testing.TB) {
	tb.Helper()
	refusal := w.refused(tb, tables.ErrReference, job{tables: shop()})
	require.Equal(tb, `"public"."invoices"`, refusal.Table)
	require.Equal(tb, "fk_invoices_customer", refusal.Object)
	require.NotContains(tb, refusal.Error(), "4711")
	require.NotContains(tb, refusal.Error(), w.globex.String())
}

func TestExistingReferenceAcrossTenants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, shopDDL)
	w.acrossTenants(t)
	w.requireReferenceRefused(t)
}

// Under FORCE, PostgreSQL validates a foreign key by what the owner sees.
func TestReferenceAcrossTenantsUnderForce(t *testing.T) {
	t.Parallel()
	for name, tampering := range map[string]string{
		"as Finish left it":   "",
		"no owner's policy":   "DROP POLICY stratum_owner ON invoices; DROP POLICY stratum_owner ON customers",
		"a weakened policy":   "ALTER POLICY stratum_owner ON invoices USING (false)",
		"a restrictive one":   "CREATE POLICY narrow ON invoices AS RESTRICTIVE USING (false)",
		"on the other side":   "CREATE POLICY narrow ON customers AS RESTRICTIVE USING (false)",
		"not validated":       "ALTER TABLE invoices ADD CONSTRAINT fk_invoices_customer FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id) ON DELETE SET NULL (customer_id) NOT VALID",
		"without the tenant":  "ALTER TABLE invoices ADD CONSTRAINT fk_invoices_customer FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE SET NULL NOT VALID",
		"another constraint":  "ALTER TABLE invoices ADD CONSTRAINT fk_invoices_customer FOREIGN KEY (customer_id) REFERENCES customers (id) NOT VALID",
		"only the name taken": "ALTER TABLE invoices ADD CONSTRAINT fk_invoices_customer FOREIGN KEY (id) REFERENCES customers (id) NOT VALID",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.migrated(t, shopJob())
			w.exec(t, "ALTER TABLE invoices DROP CONSTRAINT fk_invoices_customer")
			system := w.system(t)
			system.must(t, "INSERT INTO customers (id, tenant_id) VALUES (4711, $1)", w.acme)
			system.must(t, "INSERT INTO invoices (tenant_id, number, customer_id) VALUES ($1, 'B-1', 4711)", w.globex)
			require.NoError(t, system.Commit(t.Context()))
			w.exec(t, tampering)
			w.requireReferenceRefused(t)
		})
	}
}

// What tampers with visibility is put right on the way.
func TestForceIsRestored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.migrated(t, shopJob())
	w.fill(t)
	w.exec(t, `ALTER TABLE invoices DROP CONSTRAINT fk_invoices_customer;
		CREATE POLICY narrow ON invoices AS RESTRICTIVE TO `+quote(w.Name+"_owner")+` USING (false);
		CREATE POLICY narrow ON customers AS RESTRICTIVE TO `+quote(w.Name+"_owner")+` USING (false)`)
	w.migrated(t, job{tables: shop()})
	require.True(t, value[bool](t, w.OwnerDSN, "SELECT bool_and(relforcerowsecurity) FROM pg_class "+
		"WHERE relname IN ('invoices', 'customers')"))
}

func TestDeleteActions(t *testing.T) {
	t.Parallel()
	for onDelete, want := range map[string]string{
		"SET NULL":    "ON DELETE SET NULL (customer_id)",
		"set default": "ON DELETE SET DEFAULT (customer_id)",
		"CASCADE":     "ON DELETE CASCADE",
		"RESTRICT":    "ON DELETE RESTRICT",
		"":            "customers(tenant_id, id)",
	} {
		t.Run(onDelete, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			j := shopJob()
			j.tables[2].ForeignKeys[0] = customerOfInvoice(onDelete)
			j.tables[2].ForeignKeys[0].OnUpdate = "cascade"
			w.migrated(t, j)
			require.Contains(t, w.constraints(t, "invoices")[0], "FOREIGN KEY (tenant_id, customer_id) REFERENCES "+
				"customers(tenant_id, id) ON UPDATE CASCADE")
			require.Contains(t, w.constraints(t, "invoices")[0], want)
		})
	}
}

func TestSetNullKeepsTheTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.migrated(t, shopJob())
	acme := w.tenant(t, w.acme)
	customer := one[int64](t, acme, "INSERT INTO customers DEFAULT VALUES RETURNING id")
	acme.must(t, "INSERT INTO invoices (number, customer_id) VALUES ('A-1', $1)", customer)
	acme.must(t, "DELETE FROM customers")
	require.Equal(t, w.acme, one[uuid.UUID](t, acme, "SELECT tenant_id FROM invoices WHERE customer_id IS NULL"))
}

func TestForeignKeyThatDiffersIsMadeAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.migrated(t, shopJob())
	j := job{tables: shop()}
	j.tables[2].ForeignKeys[0] = customerOfInvoice("CASCADE")
	m := w.migrated(t, j)
	require.Equal(t, []string{
		`ALTER TABLE "public"."invoices" DROP CONSTRAINT "fk_invoices_customer"`,
		`ALTER TABLE "public"."invoices" ADD CONSTRAINT "fk_invoices_customer" FOREIGN KEY ("tenant_id", "customer_id") ` +
			`REFERENCES "public"."customers" ("tenant_id", "id") ON DELETE CASCADE`,
	}, m.Statements())
}

func TestForeignKeyThatDiffersInOnePoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.migrated(t, shopJob())
	w.exec(t, "ALTER TABLE invoices ADD COLUMN other bigint; ALTER TABLE customers ADD COLUMN other bigint, "+
		"ADD CONSTRAINT other_key UNIQUE (tenant_id, other)")
	want := w.constraints(t, "invoices")
	for _, definition := range []string{
		"(tenant_id, other) REFERENCES customers (tenant_id, id) ON DELETE SET NULL (other)",
		"(tenant_id, customer_id) REFERENCES customers (tenant_id, other) ON DELETE SET NULL (customer_id)",
		"(tenant_id, customer_id) REFERENCES tags (tenant_id, id) ON DELETE SET NULL (customer_id)",
		"(tenant_id, customer_id) REFERENCES customers (tenant_id, id) ON DELETE SET NULL",
		"(tenant_id, customer_id) REFERENCES customers (tenant_id, id) ON DELETE SET DEFAULT (customer_id)",
		"(tenant_id, customer_id) REFERENCES customers (tenant_id, id) ON DELETE SET NULL (customer_id) ON UPDATE CASCADE",
		"(tenant_id, customer_id) REFERENCES customers (tenant_id, id) MATCH FULL ON DELETE SET NULL (customer_id)",
		"(tenant_id, customer_id) REFERENCES customers (tenant_id, id) ON DELETE SET NULL (customer_id) NOT VALID",
	} {
		w.exec(t, "ALTER TABLE invoices DROP CONSTRAINT fk_invoices_customer, ADD CONSTRAINT fk_invoices_customer FOREIGN KEY "+
			definition)
		w.migrated(t, job{tables: shop()})
		require.Equal(t, want, w.constraints(t, "invoices"), definition)
	}
	want = w.constraints(t, "invoice_tags")
	w.exec(t, `ALTER TABLE invoice_tags DROP CONSTRAINT fk_invoice_tags_tag, ADD CONSTRAINT fk_invoice_tags_tag
		FOREIGN KEY (tenant_id, invoice_id) REFERENCES tags (tenant_id, id)`)
	w.migrated(t, job{tables: shop()})
	require.Equal(t, want, w.constraints(t, "invoice_tags"))
}

// The ORM's own form of the key, made before Stratum was there.
func TestSingleColumnKeysBecomeComposite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, shopDDL)
	w.exec(t, `ALTER TABLE invoices ADD CONSTRAINT fk_invoices_customer FOREIGN KEY (customer_id) REFERENCES customers;
		ALTER TABLE customers ADD CONSTRAINT fk_customers_country FOREIGN KEY (country) REFERENCES countries`)
	m := w.migrated(t, job{tables: shop()})
	require.Contains(t, w.constraints(t, "invoices"), "fk_invoices_customer FOREIGN KEY (tenant_id, customer_id) "+
		"REFERENCES customers(tenant_id, id) ON DELETE SET NULL (customer_id)")
	require.Contains(t, w.constraints(t, "customers"), "fk_customers_country FOREIGN KEY (country) REFERENCES countries(code)")
	for _, statement := range m.Statements() {
		require.NotContains(t, statement, "fk_customers_country", "it was as declared")
	}
}

func TestReferencesAreIndexed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE TABLE notes (id bigint PRIMARY KEY, parent bigint, tenant_id uuid, other bigint);"+
		"CREATE INDEX idx_other ON notes (other, tenant_id, id); CREATE INDEX idx_part ON notes (tenant_id, parent) WHERE id > 0")
	w.migrated(t, job{tables: []tables.Table{{Name: "notes", ForeignKeys: []tables.ForeignKey{
		reference("fk_parent", "parent", "notes", "id", true), reference("fk_other", "other", "notes", "id", true),
	}}}})
	require.Equal(t, []string{"(other, tenant_id, id)", "(tenant_id, parent)", "(tenant_id, parent) WHERE (id > 0)"},
		value[[]string](t, w.OwnerDSN, `SELECT array_agg(d ORDER BY d) FROM (
			SELECT substr(indexdef, strpos(indexdef, 'btree') + 6) AS d FROM pg_indexes
			WHERE tablename = 'notes' AND indexdef NOT LIKE '%UNIQUE%') x`),
		"a partial index does not serve, one that begins with the columns in another order does")
}

func TestReferenceToAMissingTable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j := job{
		tables: []tables.Table{{
			Name: "notes", ForeignKeys: []tables.ForeignKey{reference("fk", "id", "nowhere", "id", false)},
		}},
		orm: "CREATE TABLE notes (id bigint PRIMARY KEY)",
	}
	require.Equal(t, "fk", w.refused(t, tables.ErrMissing, j).Object)
}
