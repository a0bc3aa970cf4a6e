package tables_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// templates declares a table of own and everyone's rows, which refer to an owned one.
func templates() job {
	return job{
		tables: []tables.Table{
			{
				Name: "templates", Kind: tables.Mixed,
				Uniques:     []tables.Unique{{Name: "uni_templates_code", Columns: []string{"code"}}},
				Indexes:     []tables.Index{{Name: "idx_templates_name"}},
				ForeignKeys: []tables.ForeignKey{reference("fk_templates_folder", "folder_id", "folders", "id", true)},
			},
			{Name: "folders"},
		},
		orm: `CREATE TABLE folders (id bigint PRIMARY KEY, tenant_id uuid NOT NULL DEFAULT stratum.tenant_id());
			CREATE TABLE templates (id bigint PRIMARY KEY, tenant_id uuid DEFAULT stratum.tenant_id(), code text,
				name text DEFAULT gen_random_uuid(), folder_id bigint);
			CREATE UNIQUE INDEX idx_templates_name ON templates (tenant_id, name) NULLS NOT DISTINCT`,
	}
}

// newTemplates has a row of everyone's (1), one of acme (2), its child (3) and globex (4).
func newTemplates(t *testing.T) world {
	t.Helper()
	w := newWorld(t)
	w.migrated(t, templates())
	system := w.system(t)
	system.must(t, "INSERT INTO templates (id, tenant_id, code) VALUES (1, NULL, 'a'), (2, $1, 'a'), (3, $2, 'a'), (4, $3, 'a')",
		w.acme, w.acmeChild, w.globex)
	require.NoError(t, system.Commit(t.Context()))
	return w
}

const visibleTemplates = "SELECT array_agg(id ORDER BY id) FROM templates"

func TestMixedReads(t *testing.T) {
	t.Parallel()
	w := newTemplates(t)
	require.Equal(t, []int64{1, 2}, one[[]int64](t, w.tenant(t, w.acme), visibleTemplates))
	require.Equal(t, []int64{1, 4}, one[[]int64](t, w.tenant(t, w.globex), visibleTemplates))
	require.Equal(t, []int64{1, 2, 3}, one[[]int64](t, w.subtree(t, w.acme), visibleTemplates))
	require.Equal(t, []int64{1, 3}, one[[]int64](t, w.subtree(t, w.acmeChild), visibleTemplates))
	require.Equal(t, []int64{1, 2, 3, 4}, one[[]int64](t, w.system(t), visibleTemplates))
	owner := w.login(t, w.OwnerDSN)
	owner.fails(t, codeOwner, visibleTemplates)
}

// A tenant makes, changes and deletes its own rows, and can neither touch everyone's nor give one to everyone.
func TestMixedWrites(t *testing.T) {
	t.Parallel()
	w := newTemplates(t)
	for _, role := range []string{w.roles.Tenant, w.roles.Subtree} {
		s := w.as(t, role, w.acme)
		s.must(t, "INSERT INTO templates (id, code) VALUES (5, 'b')")
		require.Equal(t, w.acme, one[uuid.UUID](t, s, "SELECT tenant_id FROM templates WHERE id = 5"))
		s.fails(t, codePrivilege, "INSERT INTO templates (id, tenant_id) VALUES (6, NULL)")
		s.fails(t, codePrivilege, "INSERT INTO templates (id, tenant_id) VALUES (6, $1)", w.globex)
		require.Zero(t, s.must(t, "UPDATE templates SET name = 'x' WHERE id = 1"))
		require.Zero(t, s.must(t, "UPDATE templates SET tenant_id = $1 WHERE id = 1", w.acme), "not taken either")
		require.Zero(t, s.must(t, "DELETE FROM templates WHERE id IN (1, 3, 4)"))
		s.fails(t, codePrivilege, "UPDATE templates SET tenant_id = NULL WHERE id = 2")
		s.fails(t, codePrivilege, "INSERT INTO templates (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET name = 'x'")
		s.fails(t, codePrivilege, "MERGE INTO templates t USING (SELECT 1) s ON t.id = 1 WHEN MATCHED THEN UPDATE SET name = 'x'")
		s.fails(t, codePrivilege, "TRUNCATE templates")
		require.Zero(t, one[int64](t, s, "WITH r AS (SELECT id FROM templates WHERE id = 1 FOR UPDATE) SELECT count(*) FROM r"),
			"a lock is a right to write")
		require.Equal(t, int64(2), s.must(t, "DELETE FROM templates"))
		s.end(t)
	}
	system := w.system(t)
	system.must(t, "UPDATE templates SET name = 'everyone''s' WHERE tenant_id IS NULL")
	system.must(t, "DELETE FROM templates WHERE id = 1")
}

// Everyone's rows are unique among themselves, and each tenant's too.
func TestMixedUniques(t *testing.T) {
	t.Parallel()
	w := newTemplates(t)
	require.Contains(t, w.constraints(t, "templates"), "uni_templates_code UNIQUE NULLS NOT DISTINCT (tenant_id, code)")
	system := w.system(t)
	system.fails(t, codeUnique, "INSERT INTO templates (id, tenant_id, code) VALUES (5, NULL, 'a')")
	system.must(t, "INSERT INTO templates (id, tenant_id, code, name) VALUES (5, NULL, 'b', 'n')")
	system.fails(t, codeUnique, "INSERT INTO templates (id, tenant_id, code, name) VALUES (6, NULL, 'c', 'n')")
	system.must(t, `INSERT INTO templates (id, tenant_id, code, name) VALUES (7, NULL, 'b', 'm')
		ON CONFLICT (tenant_id, code) DO UPDATE SET name = excluded.name`)
	require.Equal(t, "m", one[string](t, system, "SELECT name FROM templates WHERE id = 5"))
	require.NoError(t, system.Commit(t.Context()))
	acme := w.tenant(t, w.acme)
	acme.must(t, "INSERT INTO templates (id, code, name) VALUES (8, 'b', 'm')")
	acme.fails(t, codeUnique, "INSERT INTO templates (id, code) VALUES (9, 'b')")
}

// An index that the ORM made before everyone's rows were a thing is made anew.
func TestMixedIndexIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j := templates()
	w.exec(t, strings.ReplaceAll(j.orm, " NULLS NOT DISTINCT", ""))
	w.exec(t, "ALTER TABLE templates ADD CONSTRAINT uni_templates_code UNIQUE (tenant_id, code)")
	j.orm = "CREATE UNIQUE INDEX idx_templates_name ON templates (tenant_id, name) NULLS NOT DISTINCT"
	w.migrated(t, j)
	require.Contains(t, w.constraints(t, "templates"), "uni_templates_code UNIQUE NULLS NOT DISTINCT (tenant_id, code)")
}

// A tenant's row refers to its own; a foreign key would not look at what everyone's row refers to, so a check does.
func TestMixedRefersToOwned(t *testing.T) {
	t.Parallel()
	w := newTemplates(t)
	acme := w.tenant(t, w.acme)
	acme.must(t, "INSERT INTO folders (id) VALUES (1)")
	acme.must(t, "UPDATE templates SET folder_id = 1 WHERE id = 2")
	require.NoError(t, acme.Commit(t.Context()))
	globex := w.tenant(t, w.globex)
	globex.fails(t, codeForeignKey, "UPDATE templates SET folder_id = 1 WHERE id = 4")
	globex.end(t)
	system := w.system(t)
	system.fails(t, "23514", "UPDATE templates SET folder_id = 1 WHERE id = 1")
	system.fails(t, "23514", "UPDATE templates SET tenant_id = NULL WHERE id = 2")
	system.fails(t, codeForeignKey, "UPDATE templates SET folder_id = 1 WHERE id = 4")
	system.end(t)

	w.exec(t, `DO $$ BEGIN EXECUTE (SELECT 'ALTER TABLE templates DROP CONSTRAINT ' || conname FROM pg_constraint
		WHERE conname LIKE 'templates_%_stratum_check'); END $$`)
	system = w.system(t)
	system.must(t, "UPDATE templates SET folder_id = 1 WHERE id = 1")
	require.NoError(t, system.Commit(t.Context()))
	refusal := w.refused(t, tables.ErrReference, job{tables: templates().tables})
	require.Equal(t, "fk_templates_folder", refusal.Object)
	require.ErrorContains(t, refusal, "refer to one tenant's")
}

// A check of the name with other contents, or one that was never validated, is made anew.
func TestMixedCheckIsRepaired(t *testing.T) {
	t.Parallel()
	w := newTemplates(t)
	const checks = "SELECT string_agg(conname || pg_get_constraintdef(oid), ',') FROM pg_constraint WHERE contype = 'c' AND conrelid = 'templates'::regclass"
	want := value[string](t, w.OwnerDSN, checks)
	name, _, _ := strings.Cut(want, "CHECK")
	for _, definition := range []string{
		"CHECK (tenant_id IS NOT NULL OR name IS NOT NULL)", "CHECK (tenant_id IS NOT NULL OR folder_id IS NULL) NOT VALID",
	} {
		w.exec(t, "ALTER TABLE templates DROP CONSTRAINT "+name+", ADD CONSTRAINT "+name+" "+definition)
		require.NotEmpty(t, w.migrated(t, job{tables: templates().tables}).Statements())
		require.Equal(t, want, value[string](t, w.OwnerDSN, checks))
	}
}

// No foreign key can compare with this tenant or none.
func TestReferenceToMixedIsRefused(t *testing.T) {
	t.Parallel()
	w := newTemplates(t)
	w.exec(t, "CREATE TABLE letters (id bigint PRIMARY KEY, template_id bigint)")
	for _, owned := range []bool{true, false} {
		for _, kind := range []tables.Kind{tables.Owned, tables.Mixed} {
			j := job{tables: templates().tables}
			j.tables = append(j.tables, tables.Table{
				Name: "letters", Kind: kind,
				ForeignKeys: []tables.ForeignKey{reference("fk_letters_template", "template_id", "templates", "id", owned)},
			})
			refusal := w.refused(t, tables.ErrDeclaration, j)
			require.ErrorContains(t, refusal, "constraint:-")
		}
	}
	// One that somebody made by hand lets rows refer to another tenant's.
	w.exec(t, "ALTER TABLE letters ADD CONSTRAINT by_hand FOREIGN KEY (template_id) REFERENCES templates (id)")
	m := w.migrated(t, job{tables: append(templates().tables, tables.Table{Name: "letters"})})
	require.Len(t, m.Findings(), 1)
	require.Equal(t, "by_hand", m.Findings()[0].Object)
}

// What a table was declared as decides whose rows without a tenant are.
func TestBecomesMixed(t *testing.T) {
	t.Parallel()
	notes := func(kind tables.Kind, rows uuid.UUID) job {
		return job{tables: []tables.Table{{Name: "notes", Kind: kind}}, rows: rows}
	}
	before := func(t *testing.T, ddl string) world {
		t.Helper()
		w := newWorld(t)
		w.exec(t, ddl+"; INSERT INTO notes (id) VALUES (1)")
		return w
	}
	count := func(t *testing.T, s session) int64 {
		t.Helper()
		defer s.end(t)
		return one[int64](t, s, "SELECT count(*) FROM notes")
	}

	t.Run("from nothing", func(t *testing.T) {
		t.Parallel()
		w := before(t, "CREATE TABLE notes (id bigint PRIMARY KEY)")
		refusal := w.refused(t, tables.ErrExistingRows, notes(tables.Mixed, uuid.Nil))
		require.ErrorContains(t, refusal, `ALTER TABLE "public"."notes" ADD COLUMN "tenant_id" uuid`)
		w.migrated(t, notes(tables.Mixed, w.acme))
		require.Equal(t, int64(1), count(t, w.tenant(t, w.acme)))
		require.Zero(t, count(t, w.tenant(t, w.globex)), "given to a tenant, not to everyone")
	})
	t.Run("with the column", func(t *testing.T) {
		t.Parallel()
		w := before(t, "CREATE TABLE notes (id bigint PRIMARY KEY, tenant_id uuid)")
		w.migrated(t, notes(tables.Mixed, uuid.Nil))
		require.Equal(t, int64(1), count(t, w.tenant(t, w.globex)))
	})
	t.Run("from global", func(t *testing.T) {
		t.Parallel()
		w := before(t, "CREATE TABLE notes (id bigint PRIMARY KEY)")
		w.migrated(t, notes(tables.Global, uuid.Nil))
		w.migrated(t, notes(tables.Mixed, w.acme))
		require.Equal(t, int64(1), count(t, w.tenant(t, w.globex)))
		require.Error(t, w.refused(t, tables.ErrKind, notes(tables.Global, uuid.Nil)))
	})
	t.Run("from owned and back", func(t *testing.T) {
		t.Parallel()
		w := before(t, "CREATE TABLE notes (id bigint PRIMARY KEY)")
		w.migrated(t, notes(tables.Owned, w.acme))
		w.migrated(t, notes(tables.Mixed, uuid.Nil))
		system := w.system(t)
		system.must(t, "INSERT INTO notes VALUES (2, NULL)")
		require.NoError(t, system.Commit(t.Context()))
		require.Equal(t, int64(1), count(t, w.tenant(t, w.globex)))

		refusal := w.refused(t, tables.ErrExistingRows, notes(tables.Owned, w.acme))
		require.Equal(t, int64(1), refusal.Rows)
		require.ErrorContains(t, refusal, "everyone's")
		system = w.system(t)
		system.must(t, "DELETE FROM notes WHERE tenant_id IS NULL")
		require.NoError(t, system.Commit(t.Context()))
		w.migrated(t, notes(tables.Owned, uuid.Nil))
		require.Len(t, w.policies(t, "notes"), 7, "the one for everyone's rows is gone")
		w.system(t).fails(t, "23502", "INSERT INTO notes VALUES (2, NULL)")
	})
}

// A mixed table of many rows is read by its index: both the policy alone, as for raw SQL, and with the ORM's predicate.
func TestMixedUsesTheIndex(t *testing.T) {
	t.Parallel()
	w := newTemplates(t)
	system := w.system(t)
	system.must(t, `INSERT INTO templates (id, tenant_id, code) SELECT n, CASE WHEN n % 5000 = 0 THEN NULL
		ELSE md5((n % 2000)::text)::uuid END, n::text FROM generate_series(10, 100000) n`)
	system.must(t, "INSERT INTO templates (id, tenant_id, code) SELECT n, $1, n::text FROM generate_series(200000, 200040) n", w.acme)
	require.NoError(t, system.Commit(t.Context()))
	w.exec(t, "ANALYZE templates")
	for _, role := range []string{w.roles.Tenant, w.roles.Subtree} {
		s := w.as(t, role, w.acme)
		for _, query := range []string{
			"SELECT * FROM templates",
			fmt.Sprintf("SELECT * FROM templates WHERE tenant_id = '%s' OR tenant_id IS NULL", w.acme),
			"SELECT count(*) FROM templates",
			"SELECT * FROM templates WHERE code = '4711'",
		} {
			plan := s.plan(t, query)
			require.NotContains(t, plan, "Seq Scan on templates", "%s %s:\n%s", role, query, plan)
			require.Contains(t, plan, "tenant_id IS NULL", "%s %s:\n%s", role, query, plan)
			require.Regexp(t, `Index Cond: \(+tenant_id = `, plan, "%s %s", role, query)
		}
		plan := s.plan(t, fmt.Sprintf("UPDATE templates SET folder_id = NULL WHERE tenant_id = '%s'", w.acme))
		require.NotContains(t, plan, "Seq Scan", plan)
		s.end(t)
	}
}

// end rolls the session back before the test does, for what follows may wait for its locks.
func (s session) end(tb testing.TB) {
	tb.Helper()
	require.NoError(tb, s.Rollback(tb.Context()))
}

// plan is what EXPLAIN says.
func (s session) plan(tb testing.TB, query string) string {
	tb.Helper()
	rows, err := s.Query(tb.Context(), "EXPLAIN (ANALYZE, COSTS OFF) "+query)
	require.NoError(tb, err, query)
	var lines []string
	for rows.Next() {
		var line string
		require.NoError(tb, rows.Scan(&line))
		lines = append(lines, line)
	}
	require.NoError(tb, rows.Err())
	return strings.Join(lines, "\n")
}
