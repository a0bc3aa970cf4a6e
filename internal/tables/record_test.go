package tables_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// recordsSQL are the rows of stratum.tables with the transactions that have written them.
const recordsSQL = `SELECT coalesce(array_agg(concat_ws(' ', table_schema, table_name, class, tenant_column, xmin, xmax, declared_at)
	ORDER BY table_schema, table_name), '{}') FROM stratum.tables`

func (w world) records(tb testing.TB) []string {
	tb.Helper()
	return value[[]string](tb, w.OwnerDSN, `SELECT coalesce(array_agg(concat_ws(' ', table_schema, table_name, class,
		tenant_column) ORDER BY table_schema, table_name), '{}') FROM stratum.tables`)
}

func TestTablesAreRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, `CREATE SCHEMA "it's"; CREATE TABLE "it's".notes (id bigint PRIMARY KEY, "Or\der" uuid);
		CREATE TABLE jobs (id bigint); CREATE TABLE shared (id bigint PRIMARY KEY)`)
	j := job{tables: []tables.Table{
		{Schema: "it's", Name: "notes", Column: `Or\der`},
		{Name: "jobs", Kind: tables.External},
		{Name: "shared", Kind: tables.Mixed, Column: "org_id"},
		{Name: "countries", Kind: tables.Global},
	}, orm: "CREATE TABLE countries (code text PRIMARY KEY)"}
	w.migrated(t, j)
	require.Equal(t, []string{
		`it's notes owned Or\der`, "public countries global", "public jobs external", "public shared mixed org_id",
	}, w.records(t))
}

// A second run writes nothing at all, not even what is there already.
func TestRecordsAreWrittenOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.migrated(t, shopJob())
	before := value[[]string](t, w.OwnerDSN, recordsSQL)
	require.Len(t, before, 5)
	w.migrated(t, job{tables: shop()})
	require.Equal(t, before, value[[]string](t, w.OwnerDSN, recordsSQL))
}

// Several programs share a database: one does not know of the other's tables, nor does it forget them.
func TestRecordsOfOthersStay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.migrated(t, shopJob())
	w.exec(t, "CREATE TABLE notes (id bigint PRIMARY KEY)")
	w.migrated(t, notes(uuid.Nil))
	require.Len(t, w.records(t), 6)
}

// What a table is declared as now replaces what it was.
func TestRecordsFollowDeclarations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE TABLE notes (id bigint PRIMARY KEY)")
	for _, test := range []struct {
		want     string
		declared tables.Table
	}{
		{"public notes global", tables.Table{Name: "notes", Kind: tables.Global}},
		{"public notes owned tenant_id", tables.Table{Name: "notes"}},
		{"public notes owned org_id", tables.Table{Name: "notes", Column: "org_id"}},
		{"public notes mixed org_id", tables.Table{Name: "notes", Kind: tables.Mixed, Column: "org_id"}},
	} {
		w.migrated(t, job{tables: []tables.Table{test.declared}})
		require.Equal(t, []string{test.want}, w.records(t))
	}
}

// A failure records nothing.
func TestRecordsAreRolledBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j := shopJob()
	j.tables = append(j.tables, tables.Table{Name: "nowhere"})
	require.Error(t, w.refused(t, tables.ErrMissing, j))
	require.Empty(t, w.records(t))
}

// Without the table the schema is one of an earlier release.
func TestRecordsNeedTheSchema(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE TABLE notes (id bigint PRIMARY KEY); DROP TABLE stratum.tables")
	_, err := w.migrate(t, notes(uuid.Nil))
	require.ErrorContains(t, err, "st.Migrate")
}
