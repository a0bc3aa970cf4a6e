package tables_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// notes declares a table of nothing but a key.
func notes(rows uuid.UUID) job {
	return job{tables: []tables.Table{{Name: "notes"}}, rows: rows}
}

func TestRowsAreAdopted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE TABLE notes (id bigint PRIMARY KEY); INSERT INTO notes VALUES (1), (2)")
	w.migrated(t, notes(w.acme))
	require.Equal(t, int64(2), one[int64](t, w.tenant(t, w.acme), "SELECT count(*) FROM notes"))
	require.Zero(t, one[int64](t, w.tenant(t, w.globex), "SELECT count(*) FROM notes"))
}

func TestRowsWithoutATenantAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE TABLE notes (id bigint PRIMARY KEY); INSERT INTO notes VALUES (1), (2)")
	refusal := w.refused(t, tables.ErrExistingRows, notes(uuid.Nil))
	require.Equal(t, `"public"."notes"`, refusal.Table)
	require.Equal(t, int64(2), refusal.Rows)
	require.ErrorContains(t, refusal, "2 rows belong to no tenant")
	require.ErrorContains(t, refusal, "MigrateOptions.ExistingRows")
}

func TestEmptyTableNeedsNoExistingRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE TABLE notes (id bigint PRIMARY KEY)")
	w.migrated(t, notes(uuid.Nil))
	w.tenant(t, w.acme).must(t, "INSERT INTO notes VALUES (1)")
}

func TestTenantForExistingRowsMustExist(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE TABLE notes (id bigint PRIMARY KEY); INSERT INTO notes VALUES (1)")
	unknown := uuid.New()
	refusal := w.refused(t, tables.ErrTenantUnknown, notes(unknown))
	require.NotContains(t, refusal.Error(), unknown.String())
}

func TestColumnsThatAreThere(t *testing.T) {
	t.Parallel()
	for name, column := range map[string]string{
		"nullable":           "tenant_id uuid",
		"without a default":  "tenant_id uuid NOT NULL",
		"another default":    "tenant_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'",
		"a look-alike":       "tenant_id uuid NOT NULL DEFAULT public.tenant_id()",
		"nullable, defaults": "tenant_id uuid DEFAULT stratum.tenant_id()",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.exec(t, "CREATE FUNCTION public.tenant_id() RETURNS uuid LANGUAGE sql STABLE RETURN gen_random_uuid();"+
				"CREATE TABLE notes (id bigint PRIMARY KEY, "+column+")")
			w.exec(t, "INSERT INTO notes VALUES (1, '"+w.acme.String()+"')")
			w.migrated(t, notes(uuid.Nil))
			globex := w.tenant(t, w.globex)
			globex.must(t, "INSERT INTO notes VALUES (2)")
			require.Equal(t, w.globex, one[uuid.UUID](t, globex, "SELECT tenant_id FROM notes"))
			w.system(t).fails(t, "23502", "UPDATE notes SET tenant_id = NULL")
		})
	}
}

func TestOnlyRowsWithoutATenantAreGivenToOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE TABLE notes (id bigint PRIMARY KEY, tenant_id uuid);"+
		"INSERT INTO notes VALUES (1, '"+w.acme.String()+"'), (2, NULL)")
	w.migrated(t, notes(w.globex))
	require.Equal(t, int64(1), one[int64](t, w.tenant(t, w.acme), "SELECT id FROM notes"))
	require.Equal(t, int64(2), one[int64](t, w.tenant(t, w.globex), "SELECT id FROM notes"))
}

func TestTenantColumnOfAnotherType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE TABLE notes (id bigint PRIMARY KEY, tenant_id text)")
	refusal := w.refused(t, tables.ErrColumn, notes(w.acme))
	require.Equal(t, "tenant_id", refusal.Object)
	require.ErrorContains(t, refusal, "type text")
}

func TestJoinTableFollowsWhatItJoins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, shopDDL)
	w.exec(t, "INSERT INTO invoices (id, tenant_id, number) VALUES (1, '"+w.acme.String()+"', 'A'), "+
		"(2, '"+w.globex.String()+"', 'B'); INSERT INTO tags (id, tenant_id) VALUES (1, '"+w.acme.String()+"'), "+
		"(2, '"+w.globex.String()+"'); INSERT INTO invoice_tags VALUES (1, 1), (2, 2)")
	w.migrated(t, job{tables: shop()})
	require.Equal(t, int64(1), one[int64](t, w.tenant(t, w.acme), "SELECT tag_id FROM invoice_tags"))
	require.Equal(t, int64(2), one[int64](t, w.tenant(t, w.globex), "SELECT tag_id FROM invoice_tags"))
}

// Also where the join table is declared before the tables that it joins.
func TestJoinTableIsAdoptedLast(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, `CREATE TABLE a (id bigint PRIMARY KEY); INSERT INTO a VALUES (1);
		CREATE TABLE b (id bigint PRIMARY KEY); INSERT INTO b VALUES (1);
		CREATE TABLE a_b (a_id bigint, b_id bigint, PRIMARY KEY (a_id, b_id)); INSERT INTO a_b VALUES (1, 1)`)
	w.migrated(t, job{rows: w.acme, tables: []tables.Table{
		{Name: "a_b", Join: true, ForeignKeys: []tables.ForeignKey{
			reference("fk_a", "a_id", "a", "id", true), reference("fk_b", "b_id", "b", "id", true),
		}},
		{Name: "a"},
		{Name: "b"},
	}})
	require.Equal(t, int64(1), one[int64](t, w.tenant(t, w.acme), "SELECT count(*) FROM a_b"))
}

// The table was under row-level security of its own: the owner saw no rows, and would have given none to a tenant.
func TestRowsHiddenFromTheOwnerAreAdopted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, `CREATE TABLE notes (id bigint PRIMARY KEY); INSERT INTO notes VALUES (1);
		ALTER TABLE notes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`)
	require.Equal(t, int64(1), w.refused(t, tables.ErrExistingRows, notes(uuid.Nil)).Rows)
	w.migrated(t, notes(w.acme))
	require.Equal(t, int64(1), one[int64](t, w.tenant(t, w.acme), "SELECT count(*) FROM notes"))
}
