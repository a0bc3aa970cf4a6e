package tables_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

func TestNamesThatNeedQuoting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j := job{orm: `
		CREATE TABLE "Order ""Items""" ("Id" bigserial PRIMARY KEY, "select" bigint, "a b" text);
		CREATE TABLE "user" ("Id" bigserial PRIMARY KEY)`}
	j.tables = []tables.Table{
		{
			Name: `Order "Items"`, Column: `Tenant "Id"`,
			Uniques: []tables.Unique{{Name: "Uni 'a' b", Columns: []string{"a b"}}},
			ForeignKeys: []tables.ForeignKey{{
				Name: "FK; DROP", Columns: []string{"select"}, RefTable: "user", RefColumns: []string{"Id"},
				OnDelete: "SET NULL", RefOwned: true,
			}},
		},
		{Name: "user", Column: "order"},
	}
	w.migrated(t, j)
	acme := w.tenant(t, w.acme)
	acme.must(t, `INSERT INTO "user" DEFAULT VALUES`)
	acme.must(t, `INSERT INTO "Order ""Items""" ("select", "a b") VALUES (1, 'x')`)
	require.NoError(t, acme.Commit(t.Context()))
	globex := w.tenant(t, w.globex)
	require.Zero(t, one[int64](t, globex, `SELECT count(*) FROM "Order ""Items"""`))
	globex.fails(t, codeForeignKey, `INSERT INTO "Order ""Items""" ("select") VALUES (1)`)
	globex.must(t, `INSERT INTO "Order ""Items""" ("a b") VALUES ('x')`)
}

func TestContradictions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	notes := func(change func(*tables.Table)) []tables.Table {
		table := tables.Table{Name: "notes"}
		change(&table)
		return []tables.Table{table, {Name: "countries", Kind: tables.Global}, {Name: "tags"}}
	}
	withKey := func(change func(*tables.ForeignKey)) []tables.Table {
		key := reference("fk", "tag_id", "tags", "id", true)
		change(&key)
		return notes(func(t *tables.Table) { t.ForeignKeys = []tables.ForeignKey{key} })
	}
	w.exec(t, "CREATE TABLE notes (id bigint PRIMARY KEY); "+shopDDL)
	for name, declared := range map[string][]tables.Table{
		"no name":            notes(func(t *tables.Table) { t.Name = "" }),
		"unknown kind":       notes(func(t *tables.Table) { t.Kind = tables.Mixed + 1 }),
		"global with a join": notes(func(t *tables.Table) { t.Kind, t.Join = tables.Global, true }),
		"mixed with a join":  notes(func(t *tables.Table) { t.Kind, t.Join = tables.Mixed, true }),
		"global with a global unique": notes(func(t *tables.Table) {
			t.Kind, t.GlobalUniques = tables.Global, []tables.GlobalUnique{{"u", "r"}}
		}),
		"rights on mixed":    notes(func(t *tables.Table) { t.Kind, t.Rights = tables.Mixed, []string{"SELECT"} }),
		"rights on owned":    notes(func(t *tables.Table) { t.Rights = []string{"SELECT"} }),
		"a right of its own": notes(func(t *tables.Table) { t.Kind, t.Rights = tables.External, []string{"TRUNCATE"} }),
		"unique of nothing":  notes(func(t *tables.Table) { t.Uniques = []tables.Unique{{Name: "u"}} }),
		"unique tenant": notes(func(t *tables.Table) {
			t.Uniques = []tables.Unique{{Name: "u", Columns: []string{"tenant_id", "id"}}}
		}),
		"twice":                 {{Name: "notes"}, {Schema: "public", Name: "notes"}},
		"nameless key":          withKey(func(k *tables.ForeignKey) { k.Name = "" }),
		"columns do not pair":   withKey(func(k *tables.ForeignKey) { k.RefColumns = nil }),
		"tenant among them":     withKey(func(k *tables.ForeignKey) { k.Columns = []string{"tenant_id"} }),
		"unknown action":        withKey(func(k *tables.ForeignKey) { k.OnDelete = "CASCADE; DROP TABLE notes" }),
		"tenant unset":          withKey(func(k *tables.ForeignKey) { k.OnUpdate = "set  null" }),
		"owned is not":          withKey(func(k *tables.ForeignKey) { k.RefTable = "countries" }),
		"owned is undeclared":   withKey(func(k *tables.ForeignKey) { k.RefTable = "customers" }),
		"owned without tenant":  withKey(func(k *tables.ForeignKey) { k.RefOwned = false }),
		"owned in other spells": withKey(func(k *tables.ForeignKey) { k.RefOwned, k.RefSchema = false, "public" }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Empty(t, w.refused(t, tables.ErrDeclaration, job{tables: declared}).Object)
		})
	}
}

func TestViewIsNoTable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE VIEW notes AS SELECT 1 AS id")
	require.ErrorContains(t, w.refused(t, tables.ErrNoTable, notes(w.acme)), "declare it as external")
}

func TestPartitionedTable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, `CREATE TABLE notes (id bigint PRIMARY KEY, parent bigint) PARTITION BY RANGE (id);
		CREATE TABLE notes_1 PARTITION OF notes FOR VALUES FROM (0) TO (100); INSERT INTO notes VALUES (1)`)
	j := notes(w.acme)
	j.tables[0].ForeignKeys = []tables.ForeignKey{reference("fk_parent", "parent", "notes", "id", true)}
	w.migrated(t, j)
	require.Equal(t, int64(1), one[int64](t, w.tenant(t, w.acme), "SELECT count(*) FROM notes"))
	globex := w.tenant(t, w.globex)
	globex.fails(t, codeForeignKey, "INSERT INTO notes VALUES (2, 1)")
	globex.fails(t, codePrivilege, "SELECT FROM notes_1")
}
