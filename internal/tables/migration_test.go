package tables_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

func TestFreshTables(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.migrated(t, shopJob())
	require.Empty(t, m.Findings())

	acme := w.tenant(t, w.acme)
	customer := one[int64](t, acme, "INSERT INTO customers (email) VALUES ('ann@example.org') RETURNING id")
	invoice := one[int64](t, acme, "INSERT INTO invoices (number, customer_id) VALUES ('A-1', $1) RETURNING id", customer)
	tag := one[int64](t, acme, "INSERT INTO tags (label) VALUES ('paid') RETURNING id")
	spare := one[int64](t, acme, "INSERT INTO tags (label) VALUES ('late') RETURNING id")
	acme.must(t, "INSERT INTO invoice_tags (invoice_id, tag_id) VALUES ($1, $2)", invoice, tag)
	require.NoError(t, acme.Commit(t.Context()))

	globex := w.tenant(t, w.globex)
	for _, name := range []string{"customers", "invoices", "tags", "invoice_tags"} {
		require.Zero(t, one[int64](t, globex, "SELECT count(*) FROM "+name), name)
		require.Zero(t, globex.must(t, "DELETE FROM "+name), name)
	}
	globex.must(t, "INSERT INTO customers (email) VALUES ('ann@example.org')")
	globex.fails(t, codeForeignKey, "INSERT INTO invoices (number, customer_id) VALUES ('B-1', $1)", customer)
	globex.fails(t, codeForeignKey, "INSERT INTO invoice_tags (invoice_id, tag_id) VALUES ($1, $2)", invoice, spare)
	globex.fails(t, codePrivilege, "INSERT INTO tags (label, tenant_id) VALUES ('x', $1)", w.acme)
	globex.fails(t, codePrivilege, "UPDATE customers SET tenant_id = $1", w.acme)
}

func TestSecondRunIsCheap(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var j job
	for i := range 10 {
		name := fmt.Sprintf("t%d", i)
		j.orm += "CREATE TABLE " + name + " (id bigserial PRIMARY KEY, ref bigint, code text);"
		key := reference("fk_"+name, "ref", "t0", "id", true)
		j.tables = append(j.tables, tables.Table{
			Name: name, Uniques: []tables.Unique{{Name: "uni_" + name, Columns: []string{"code"}}},
			ForeignKeys: []tables.ForeignKey{key},
		})
	}
	w.migrated(t, j)
	before := w.queries.Load()
	j.orm = ""
	_, err := w.migrate(t, j)
	require.NoError(t, err)
	require.LessOrEqual(t, w.queries.Load()-before, int64(10), "round trips, BEGIN and COMMIT included")
}

func TestMigrationsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, shopDDL)
	var group errgroup.Group
	for range 4 {
		group.Go(func() error {
			_, err := w.migrate(t, job{tables: shop()})
			return err
		})
	}
	require.NoError(t, group.Wait())
	w.settled(t, shopJob())
}

func TestFailureRollsBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE TABLE notes (id bigint PRIMARY KEY); INSERT INTO notes VALUES (1);"+shopDDL)
	before := value[string](t, w.AdminDSN, catalogSQL)
	j := job{tables: append(shop(), tables.Table{Name: "notes"})}
	require.Equal(t, `"public"."notes"`, w.refused(t, tables.ErrExistingRows, j).Table)
	require.Equal(t, before, value[string](t, w.AdminDSN, catalogSQL))
}

// catalogSQL is a digest of what a migration may change.
const catalogSQL = `SELECT concat(
	(SELECT string_agg(oid || relname || coalesce(relacl::text, '') || relforcerowsecurity, ' ' ORDER BY oid) FROM pg_class
		WHERE relnamespace = 'public'::regnamespace),
	(SELECT string_agg(attrelid || attname || attnotnull, ' ' ORDER BY attrelid, attnum) FROM pg_attribute),
	(SELECT string_agg(oid || conname, ' ' ORDER BY oid) FROM pg_constraint),
	(SELECT count(*) FROM pg_policy))`

func TestMissingTable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	refusal := w.refused(t, tables.ErrMissing, job{tables: []tables.Table{{Name: "nowhere"}}})
	require.Equal(t, `"nowhere"`, refusal.Table)
}

func TestNotInstalled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE TABLE notes (id bigint PRIMARY KEY)")
	run(t, w.AdminDSN, "DROP SCHEMA stratum CASCADE")
	_, err := w.migrate(t, job{tables: []tables.Table{{Name: "notes"}}})
	require.ErrorContains(t, err, "st.Migrate")
}

// The server prints names relative to the search_path, and looks functions and operators up in it.
func TestSearchPathOfTheCaller(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, `CREATE SCHEMA app;
		CREATE FUNCTION app.tenant_id() RETURNS uuid LANGUAGE sql STABLE RETURN NULL::uuid;
		CREATE FUNCTION app.always(uuid, uuid) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN true;
		CREATE OPERATOR app.= (FUNCTION = app.always, LEFTARG = uuid, RIGHTARG = uuid)`)
	for i, path := range []string{"stratum, public", "app, stratum, pg_catalog, public"} {
		w.owner.SetMaxIdleConns(0) // so that the next connection has the path
		w.exec(t, "ALTER ROLE "+quote(w.Name+"_owner")+" SET search_path = "+path)
		name := fmt.Sprintf("notes_%d", i)
		w.exec(t, "CREATE TABLE public."+name+" (id bigint PRIMARY KEY)")
		w.migrated(t, job{tables: []tables.Table{{Name: name}}})
		system := w.system(t)
		system.must(t, "INSERT INTO "+name+" (id, tenant_id) VALUES (1, $1)", w.acme)
		require.NoError(t, system.Commit(t.Context()))
		require.Zero(t, one[int64](t, w.tenant(t, w.globex), "SELECT count(*) FROM "+name), path)
		require.Equal(t, int64(1), one[int64](t, w.tenant(t, w.acme), "SELECT count(*) FROM "+name), path)
	}
}

func TestStatementsHaveNoValues(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE TABLE notes (id bigint PRIMARY KEY); INSERT INTO notes VALUES (1)")
	m := w.migrated(t, job{tables: []tables.Table{{Name: "notes"}}, rows: w.acme})
	require.Contains(t, m.Statements(), `UPDATE "public"."notes" SET "tenant_id" = $1 WHERE "tenant_id" IS NULL`)
}
