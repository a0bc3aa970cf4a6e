package tables_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/citus/standin"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// citusWorld is a database that takes itself for a coordinator.
func citusWorld(tb testing.TB) world {
	tb.Helper()
	w := newWorld(tb)
	require.NoError(tb, standin.Install(tb.Context(), w.AdminDSN))
	return w
}

// citusShop is the shop as Citus can have it.
func citusShop() job {
	j := shopJob()
	j.citus = true
	j.tables[2].ForeignKeys = []tables.ForeignKey{customerOfInvoice("CASCADE")}
	return j
}

// placements are the tables that the stand-in has, with what it was told of them.
func (w world) placements(tb testing.TB) []string {
	tb.Helper()
	return value[[]string](tb, w.AdminDSN, `SELECT array_agg(concat_ws(' ', logicalrelid, partmethod, partkey)
		ORDER BY logicalrelid::text)
		FROM pg_catalog.pg_dist_partition`)
}

var shopPlacements = []string{
	"countries n", "customers h tenant_id", "invoice_tags h tenant_id", "invoices h tenant_id", "tags h tenant_id",
}

// distributing are the statements that Citus acts on, in order.
func distributing(m *tables.Migration) []string {
	return slices.DeleteFunc(m.Statements(), func(s string) bool { return !strings.HasPrefix(s, "SELECT create_") })
}

func TestCitusDistributes(t *testing.T) {
	t.Parallel()
	w := citusWorld(t)
	m := w.migrated(t, citusShop())
	require.Equal(t, []string{
		`SELECT create_reference_table('"public"."countries"')`,
		`SELECT create_distributed_table('"public"."customers"', 'tenant_id', colocate_with => 'default')`,
		`SELECT create_distributed_table('"public"."invoices"', 'tenant_id', colocate_with => '"public"."customers"')`,
		`SELECT create_distributed_table('"public"."tags"', 'tenant_id', colocate_with => '"public"."customers"')`,
		`SELECT create_distributed_table('"public"."invoice_tags"', 'tenant_id', ` +
			`colocate_with => '"public"."customers"')`,
	}, distributing(m))
	require.Equal(t, shopPlacements, w.placements(t))
	for _, p := range w.policies(t, "tags") {
		require.NotContains(t, strings.ToUpper(p), "( SELECT")
	}
	require.Contains(t, strings.Join(w.policies(t, "tags"), "\n"), "(tenant_id = ANY (stratum.carried_tenants()))")
	require.Equal(t, "{tenant_id,id}", value[string](t, w.OwnerDSN, primaryColumns, "tags"))
	require.Equal(t, "{tenant_id,invoice_id,tag_id}", value[string](t, w.OwnerDSN, primaryColumns, "invoice_tags"))
	require.EqualValues(t, 4, value[int64](t, w.OwnerDSN, "SELECT count(*) FROM pg_constraint WHERE contype = 'f' "+
		"AND connamespace = 'public'::regnamespace"))
}

const primaryColumns = `SELECT array_agg(a.attname ORDER BY u.n)::text FROM pg_constraint k,
	unnest(k.conkey) WITH ORDINALITY u(num, n), pg_attribute a
	WHERE k.conrelid = $1::text::regclass AND k.contype = 'p' AND a.attrelid = k.conrelid AND a.attnum = u.num`

// TestCitusTakesOver what PostgreSQL had: policies with sub-selects under FORCE, keys beside primary keys, and foreign
// keys between tables that move one after the other, also one that nobody declares.
func TestCitusTakesOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := citusShop()
	before.citus = false
	before.orm += "CREATE TABLE regions (code text PRIMARY KEY REFERENCES countries);"
	before.tables = append(before.tables, tables.Table{Name: "regions", Kind: tables.Global})
	w.migrated(t, before)
	system := w.system(t)
	system.must(t, "INSERT INTO tags (tenant_id, label) VALUES ($1, 'x'), ($2, 'y')", w.acme, w.globex)
	require.NoError(t, system.Commit(t.Context()))
	require.NoError(t, standin.Install(t.Context(), w.AdminDSN))

	after := before
	after.citus, after.orm = true, ""
	w.migrated(t, after)
	require.Equal(t, slices.Sorted(slices.Values(append(slices.Clone(shopPlacements), "regions n"))), w.placements(t))
	require.Equal(t, "f", value[string](t, w.OwnerDSN,
		"SELECT contype::text FROM pg_constraint WHERE conname = 'regions_code_fkey'"), "it is there again")
	require.Zero(t, value[int64](t, w.OwnerDSN,
		"SELECT count(*) FROM pg_class WHERE relname = 'tags_stratum_key'"), "it would be the primary key's copy")
	require.True(t, value[bool](t, w.OwnerDSN, "SELECT relforcerowsecurity FROM pg_class WHERE relname = 'tags'"))
	require.Equal(t, int64(1), one[int64](t, w.tenant(t, w.acme), "SELECT count(*) FROM tags"))
}

// TestCitusSubtree: the policies compare with what was carried, and say so where nothing was.
func TestCitusSubtree(t *testing.T) {
	t.Parallel()
	w := citusWorld(t)
	w.migrated(t, citusShop())
	system := w.system(t)
	for _, tenant := range []uuid.UUID{w.acme, w.acmeChild, w.globex} {
		system.must(t, "INSERT INTO tags (tenant_id, label) VALUES ($1, 'x')", tenant)
	}
	require.NoError(t, system.Commit(t.Context()))
	s := w.subtree(t, w.acme)
	s.fails(t, codeNoTenant, "SELECT count(*) FROM tags")
	s.must(t, "SELECT stratum.carry_subtree()")
	require.Equal(t, int64(2), one[int64](t, s, "SELECT count(*) FROM tags"))
	require.Equal(t, int64(1), s.must(t, "UPDATE tags SET label = 'z'"))

	tenant := w.tenant(t, w.acme)
	tenant.fails(t, codePrivilege, "SELECT stratum.carry_subtree()")
	tenant.must(t, "SET LOCAL stratum.visible TO '"+w.globex.String()+"'")
	require.Equal(t, int64(1), one[int64](t, tenant, "SELECT count(*) FROM tags"), "it is nothing to this role")
}

func TestCitusRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change  func(j *job)
		table   string
		finding string
	}{
		"mixed table":   {func(j *job) { j.tables[3].Kind = tables.Mixed }, `"tags"`, "everyone's"},
		"global unique": {globallyUniqueLabel, `"tags"`, "globally unique"},
		"set null": {func(j *job) {
			j.tables[2].ForeignKeys = []tables.ForeignKey{customerOfInvoice("SET NULL")}
		}, `"invoices"`, "ON DELETE SET NULL"},
		"on update cascade": {func(j *job) {
			j.tables[2].ForeignKeys[0].OnUpdate = "CASCADE"
		}, `"invoices"`, "ON UPDATE CASCADE"},
		"reference to a table of the coordinator": {func(j *job) {
			j.tables[0].Kind = tables.External
		}, `"customers"`, "is on no worker"},
		"undeclared unique index": {func(j *job) {
			j.orm += "CREATE UNIQUE INDEX tags_label ON tags (label);"
		}, `"tags"`, "unique without the tenant column"},
		"undeclared reference to the primary key": {func(j *job) {
			j.orm += "CREATE TABLE notes (tag bigint REFERENCES tags);"
		}, `"tags"`, "stands on"},
		"another column": {func(j *job) {
			j.orm += "ALTER TABLE tags ADD other uuid; INSERT INTO pg_catalog.pg_dist_partition " +
				"VALUES ('tags', 'h', 'other', 1, 's');"
		}, `"tags"`, `distributed by "other"`},
		"another colocation": {func(j *job) {
			j.orm += "ALTER TABLE tags DROP CONSTRAINT tags_pkey, ADD PRIMARY KEY (tenant_id, id);" +
				"INSERT INTO pg_catalog.pg_dist_partition VALUES " +
				"('customers', 'h', 'tenant_id', 1, 's'), ('tags', 'h', 'tenant_id', 2, 's');"
		}, `"tags"`, "not colocated"},
		"owned and on each worker": {func(j *job) {
			j.orm += "INSERT INTO pg_catalog.pg_dist_partition VALUES ('tags', 'n', NULL, 1, 't');"
		}, `"tags"`, "each worker has all its rows"},
		"global and on shards": {func(j *job) {
			j.orm += "INSERT INTO pg_catalog.pg_dist_partition VALUES ('countries', 'h', 'code', 1, 's');"
		}, `"countries"`, "on shards"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := citusWorld(t)
			run(t, w.AdminDSN, "SET allow_system_table_mods = on; GRANT ALL ON pg_catalog.pg_dist_partition TO PUBLIC")
			j := citusShop()
			c.change(&j)
			_, err := w.migrate(t, j)
			var refusal *tables.TableError
			require.ErrorAs(t, err, &refusal)
			require.Contains(t, refusal.Table, c.table)
			require.Contains(t, refusal.Finding, c.finding)
			require.NotEmpty(t, refusal.Cure)
			if !strings.Contains(c.finding, "stands on") {
				require.ErrorIs(t, err, tables.ErrCitus)
			}
		})
	}
}

func globallyUniqueLabel(j *job) {
	j.tables[3].GlobalUniques = []tables.GlobalUnique{{Name: "tags_label", Reason: "for the test"}}
}

// TestTenantInPrimaryKey is for PostgreSQL, too.
func TestTenantInPrimaryKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plain := shopJob()
	w.migrated(t, plain)
	led := shopJob()
	led.lead, led.orm = true, ""
	w.migrated(t, led)
	require.Equal(t, "{tenant_id,id}", value[string](t, w.OwnerDSN, primaryColumns, "tags"))
	plain.orm = ""
	w.settled(t, plain)
	tenant := w.tenant(t, w.acme)
	tenant.must(t, "INSERT INTO tags (id, label) VALUES (1, 'x')")
	tenant.fails(t, codeUnique, "INSERT INTO tags (id, label) VALUES (1, 'x')")
}
