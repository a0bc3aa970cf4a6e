package tables_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// constraintsSQL lists a table's keys as the server prints them.
const constraintsSQL = `SELECT coalesce(array_agg(conname || ' ' || pg_get_constraintdef(oid) ORDER BY conname), '{}')
	FROM pg_constraint WHERE conrelid = $1::regclass AND contype IN ('p', 'u', 'f')`

func (w world) constraints(tb testing.TB, table string) []string {
	tb.Helper()
	return value[[]string](tb, w.OwnerDSN, constraintsSQL, table)
}

// unique declares a table with a unique column, as an ORM would have made it.
func unique() job {
	return job{tables: []tables.Table{{
		Name: "notes", Uniques: []tables.Unique{{Name: "uni_notes_code", Columns: []string{"code"}}},
	}}}
}

func TestUniqueBecomesPerTenant(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]string{
		"new":              "CREATE TABLE notes (id bigint PRIMARY KEY, code text)",
		"a constraint":     "CREATE TABLE notes (id bigint PRIMARY KEY, code text CONSTRAINT uni_notes_code UNIQUE)",
		"PostgreSQL names": "CREATE TABLE notes (id bigint PRIMARY KEY, code text UNIQUE)",
		"an index": "CREATE TABLE notes (id bigint PRIMARY KEY, code text);" +
			"CREATE UNIQUE INDEX uni_notes_code ON notes (code)",
		"an index led by the tenant": "CREATE TABLE notes (id bigint PRIMARY KEY, code text, tenant_id uuid);" +
			"CREATE UNIQUE INDEX uni_notes_code ON notes (tenant_id, code)",
		"other columns": "CREATE TABLE notes (id bigint PRIMARY KEY, code text, tenant_id uuid," +
			"CONSTRAINT uni_notes_code UNIQUE (tenant_id, id, code))",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.exec(t, before)
			require.Empty(t, w.migrated(t, unique()).Findings())
			require.Equal(t, []string{
				"notes_pkey PRIMARY KEY (id)", "notes_stratum_key UNIQUE (tenant_id, id)",
				"uni_notes_code UNIQUE (tenant_id, code)",
			}, w.constraints(t, "notes"))
			acme := w.tenant(t, w.acme)
			acme.must(t, "INSERT INTO notes VALUES (1, 'x')")
			require.NoError(t, acme.Commit(t.Context()))
			globex := w.tenant(t, w.globex)
			globex.must(t, "INSERT INTO notes VALUES (2, 'x')")
			globex.fails(t, codeUnique, "INSERT INTO notes VALUES (3, 'x')")
		})
	}
}

func TestDuplicatesWithinATenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE TABLE notes (id bigint PRIMARY KEY, code text); INSERT INTO notes VALUES (1, 'twin'), (2, 'twin')")
	j := unique()
	j.rows = w.acme
	refusal := w.refused(t, tables.ErrDuplicate, j)
	require.Equal(t, "uni_notes_code", refusal.Object)
	require.NotContains(t, refusal.Error(), "twin")
	require.NotContains(t, refusal.Error(), w.acme.String())
}

func TestIndexesAreDroppedForTheORM(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, `CREATE TABLE notes (id bigint PRIMARY KEY, code text, tenant_id uuid);
		CREATE INDEX idx_code ON notes (code);
		CREATE INDEX idx_lower ON notes (lower(code), tenant_id);
		CREATE UNIQUE INDEX idx_unique ON notes (code, tenant_id);
		CREATE INDEX idx_good ON notes (tenant_id, code);
		CREATE INDEX idx_undeclared ON notes (code)`)
	good := value[uint32](t, w.OwnerDSN, "SELECT 'idx_good'::regclass::oid")
	j := job{
		tables: []tables.Table{{
			Name: "notes", Indexes: []tables.Index{
				{Name: "idx_code"}, {Name: "idx_lower"}, {Name: "idx_unique"}, {Name: "idx_good"},
			},
		}},
		orm: `CREATE INDEX idx_code ON notes (tenant_id, code); CREATE INDEX idx_lower ON notes (tenant_id, lower(code));
			CREATE UNIQUE INDEX idx_unique ON notes (tenant_id, code)`,
	}
	w.migrated(t, j)
	require.Equal(t, good, value[uint32](t, w.OwnerDSN, "SELECT 'idx_good'::regclass::oid"), "left as it is")
	require.True(t, value[bool](t, w.OwnerDSN, "SELECT to_regclass('idx_undeclared') IS NOT NULL"))
}

// A unique key that is replaced may have foreign keys on it: declared ones are made again, others are nobody's to drop.
func TestDependentForeignKeys(t *testing.T) {
	t.Parallel()
	const before = `CREATE TABLE notes (id bigint PRIMARY KEY, code text CONSTRAINT uni_notes_code UNIQUE);
		CREATE TABLE lines (id bigint PRIMARY KEY, note text CONSTRAINT fk_lines_note REFERENCES notes (code))`
	for name, test := range map[string]struct {
		keys []tables.ForeignKey
		want error
	}{
		"declared":   {keys: []tables.ForeignKey{reference("fk_lines_note", "note", "notes", "code", true)}},
		"undeclared": {want: tables.ErrDependent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.exec(t, before)
			j := unique()
			j.tables = append(j.tables, tables.Table{Name: "lines", ForeignKeys: test.keys})
			if test.want != nil {
				refusal := w.refused(t, test.want, j)
				require.Equal(t, "fk_lines_note", refusal.Object)
				require.ErrorContains(t, refusal, `ALTER TABLE "public"."lines" DROP CONSTRAINT "fk_lines_note"`)
				return
			}
			w.migrated(t, j)
			require.Contains(t, w.constraints(t, "lines"),
				"fk_lines_note FOREIGN KEY (tenant_id, note) REFERENCES notes(tenant_id, code)")
		})
	}
}

func TestPrimaryKeyWithTheTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, `CREATE TABLE notes (id bigint, tenant_id uuid, PRIMARY KEY (tenant_id, id));
		CREATE TABLE lines (id bigint PRIMARY KEY, note bigint)`)
	w.migrated(t, job{tables: []tables.Table{
		{Name: "notes"},
		{Name: "lines", ForeignKeys: []tables.ForeignKey{reference("fk_note", "note", "notes", "id", true)}},
	}})
	require.Equal(t, []string{"notes_pkey PRIMARY KEY (tenant_id, id)"}, w.constraints(t, "notes"))
}

func TestCompositePrimaryKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, `CREATE TABLE notes (a bigint, b bigint, PRIMARY KEY (a, b));
		CREATE TABLE lines (id bigint PRIMARY KEY, b bigint, a bigint)`)
	key := tables.ForeignKey{
		Name: "fk_note", Columns: []string{"b", "a"}, RefTable: "notes", RefColumns: []string{"b", "a"}, RefOwned: true,
	}
	w.migrated(t, job{tables: []tables.Table{
		{Name: "notes"}, {Name: "lines", ForeignKeys: []tables.ForeignKey{key}},
	}})
	require.Equal(t, []string{"notes_pkey PRIMARY KEY (a, b)", "notes_stratum_key UNIQUE (tenant_id, a, b)"},
		w.constraints(t, "notes"), "one key serves every order of columns")
	require.Contains(t, w.constraints(t, "lines"),
		"fk_note FOREIGN KEY (tenant_id, b, a) REFERENCES notes(tenant_id, b, a)")
}

func TestPrimaryKeyThatChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.migrated(t, shopJob())
	w.exec(t, `ALTER TABLE tags DROP CONSTRAINT tags_pkey, ADD COLUMN part bigint NOT NULL DEFAULT 0,
		ADD PRIMARY KEY (id, part)`)
	declared := shop()
	declared[3].PrimaryKey = []string{"id", "part"}
	declared[4].ForeignKeys[1] = tables.ForeignKey{
		Name: "fk_invoice_tags_tag", Columns: []string{"tag_id", "part"}, RefTable: "tags",
		RefColumns: []string{"id", "part"}, RefOwned: true,
	}
	w.migrated(t, job{tables: declared, orm: "ALTER TABLE invoice_tags ADD COLUMN part bigint NOT NULL DEFAULT 0"})
	require.Contains(t, w.constraints(t, "tags"), "tags_stratum_key UNIQUE (tenant_id, id, part)")
	require.Contains(t, w.constraints(t, "invoice_tags"),
		"fk_invoice_tags_tag FOREIGN KEY (tenant_id, tag_id, part) REFERENCES tags(tenant_id, id, part)")
}

// Two tables and columns whose names run together, and names at and past the limit.
func TestNamesDoNotCollide(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := strings.Repeat("é", 30) // 60 bytes
	j := job{orm: "CREATE TABLE a (id bigint PRIMARY KEY, b_c bigint, email text);" +
		"CREATE TABLE a_b (id bigint PRIMARY KEY, c bigint, mail text);" +
		"CREATE TABLE a_email (id bigint PRIMARY KEY);" +
		`CREATE TABLE "` + long + `1" (id bigint PRIMARY KEY, "` + long + `1" bigint, "` + long + `2" bigint);` +
		`CREATE TABLE "` + long + `2" (id bigint PRIMARY KEY, "` + long + `1" bigint, "` + long + `2" bigint);` +
		`CREATE TABLE "` + long + `éé" (id bigint PRIMARY KEY)`}
	overlong := "fk_" + strings.Repeat("x", 70)
	j.tables = []tables.Table{
		{Name: "a", ForeignKeys: []tables.ForeignKey{reference(overlong, "b_c", "a_b", "id", true)}},
		{Name: "a_b", ForeignKeys: []tables.ForeignKey{
			reference("fk1", "c", "a", "id", true), reference("fk2", "mail", "a", "email", true),
		}},
		{Name: "a_email"},
		{Name: long + "éé"},
		{Name: long + "1", ForeignKeys: []tables.ForeignKey{
			reference("fk1", long+"1", long+"2", "id", true), reference("fk2", long+"2", long+"2", "id", true),
		}},
		{Name: long + "2", ForeignKeys: []tables.ForeignKey{
			reference("fk1", long+"1", long+"1", "id", true), reference("fk2", long+"2", long+"1", "id", true),
		}},
	}
	w.migrated(t, j)
	require.Contains(t, w.constraints(t, "a"), "a_stratum_key UNIQUE (tenant_id, id)")
	require.Contains(t, w.constraints(t, "a_email"), "a_email_stratum_key UNIQUE (tenant_id, id)")
}

func TestFindings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, `CREATE TABLE notes (id bigint PRIMARY KEY, code text UNIQUE, parent bigint REFERENCES notes,
		other bigint); CREATE UNIQUE INDEX notes_other ON notes (other)`)
	m := w.migrated(t, job{tables: []tables.Table{{Name: "notes"}}})
	objects := map[string]string{}
	for _, f := range m.Findings() {
		require.Equal(t, `"public"."notes"`, f.Table)
		objects[f.Object] = f.Cure
	}
	require.Equal(t, map[string]string{
		"notes_code_key":    `ALTER TABLE "public"."notes" DROP CONSTRAINT "notes_code_key", or declare it in the model`,
		"notes_other":       `DROP INDEX "public"."notes_other", or declare it in the model`,
		"notes_parent_fkey": `ALTER TABLE "public"."notes" DROP CONSTRAINT "notes_parent_fkey", or declare it in the model`,
	}, objects)
}
