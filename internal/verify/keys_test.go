package verify_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/verify"
)

func TestIndexes(t *testing.T) {
	t.Parallel()
	const note = "note conflict_target "
	w := newWorld(t)
	w.breaches(t, []breach{
		{
			name: "a unique constraint", sql: "ALTER TABLE invoices ADD CONSTRAINT uni_number UNIQUE (number) DEFERRABLE",
			severity: verify.Breaks, code: verify.CodeUniqueAcross, object: `index "public"."uni_number" on "public"."invoices"`,
			undo: "ALTER TABLE invoices DROP CONSTRAINT uni_number",
		},
		{
			name:     "a unique index",
			sql:      `CREATE UNIQUE INDEX "u ""x" ON invoices USING btree (number COLLATE "C" DESC NULLS LAST, id) INCLUDE (customer_id)`,
			severity: verify.Breaks, code: verify.CodeUniqueAcross, object: `index "public"."u ""x" on "public"."invoices"`,
			undo: `DROP INDEX "u ""x"`,
		},
		{
			name:     "a unique index on an expression, of some rows",
			sql:      "CREATE UNIQUE INDEX u ON invoices (lower(number), (customer_id IS NULL)) WHERE customer_id > 0",
			severity: verify.Breaks, code: verify.CodeUniqueAcross, object: `index "public"."u" on "public"."invoices"`,
			undo: "DROP INDEX u",
		},
		{
			name:     "a unique index of some rows on the primary key's column",
			sql:      "CREATE UNIQUE INDEX u ON customers (id) WHERE country = 'CH'",
			severity: verify.Breaks, code: verify.CodeUniqueAcross, object: `index "public"."u" on "public"."customers"`,
			undo: "DROP INDEX u",
		},
		{
			name: "a unique constraint on a mixed table", sql: "ALTER TABLE templates ADD CONSTRAINT uni_name UNIQUE (name)",
			severity: verify.Breaks, code: verify.CodeUniqueAcross, object: `index "public"."uni_name" on "public"."templates"`,
			undo: "ALTER TABLE templates DROP CONSTRAINT uni_name",
		},
		{
			name: "a unique index on a mixed table", sql: "CREATE UNIQUE INDEX uni_name ON templates (name)", sentence: true,
			severity: verify.Breaks, code: verify.CodeUniqueAcross, object: `index "public"."uni_name" on "public"."templates"`,
			undo: "DROP INDEX uni_name",
		},
		{
			name: "an exclusion constraint", sql: "ALTER TABLE invoices ADD CONSTRAINT x EXCLUDE (number WITH =)", sentence: true,
			severity: verify.Breaks, code: verify.CodeUniqueAcross, object: `index "public"."x" on "public"."invoices"`,
			undo: "ALTER TABLE invoices DROP CONSTRAINT x",
		},
		{
			name: "a unique index on a partitioned table", sql: `CREATE TABLE events (id bigint, tenant_id uuid NOT NULL, n int)
				PARTITION BY RANGE (n); CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (9);
				CREATE UNIQUE INDEX u ON events (id, n); ALTER TABLE events ALTER tenant_id SET DEFAULT stratum.tenant_id();
				INSERT INTO stratum.tables VALUES ('public', 'events', 'owned', 'tenant_id')`,
			severity: verify.Breaks, code: verify.CodeUniqueAcross, object: `index "public"."u" on "public"."events"`,
			undo: "DROP TABLE events; DELETE FROM stratum.tables WHERE table_name = 'events'",
		},
		{
			name: "an index", sql: "CREATE INDEX i ON invoices (number)",
			severity: verify.Slows, code: verify.CodeIndexNotLed, object: `index "public"."i" on "public"."invoices"`,
			undo: "DROP INDEX i",
		},
		{
			name: "an index on an expression, of some rows", sql: "CREATE INDEX i ON invoices (lower(number)) WHERE number <> ''",
			severity: verify.Slows, code: verify.CodeIndexNotLed, object: `index "public"."i" on "public"."invoices"`,
			undo: "DROP INDEX i",
		},
		{
			name: "the tenant comes second", sql: "CREATE INDEX i ON invoices (number, tenant_id DESC NULLS LAST, id)",
			severity: verify.Slows, code: verify.CodeIndexNotLed, object: `index "public"."i" on "public"."invoices"`,
			undo: "DROP INDEX i",
		},
		{
			name: "the tenant comes last in a constraint", sql: "ALTER TABLE invoices ADD CONSTRAINT i UNIQUE (number, tenant_id)",
			severity: verify.Slows, code: verify.CodeIndexNotLed, object: `index "public"."i" on "public"."invoices"`,
			undo: "ALTER TABLE invoices DROP CONSTRAINT i",
		},
		{
			name: "an index that failed", admin: true,
			sql: `CREATE INDEX i ON invoices (tenant_id, number);
				UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass`,
			severity: verify.Slows, code: verify.CodeIndexInvalid, object: `index "public"."i" on "public"."invoices"`,
		},
	})
	run(t, w.OwnerDSN, `CREATE UNIQUE INDEX token ON invoices (number); CREATE INDEX g ON invoices USING hash (number);
		COMMENT ON INDEX token IS 'stratum: globally unique: it is the path of a public link'`)
	report := w.verify(t)
	require.Equal(t, []string{
		note + `index "public"."uni_customers_email" on "public"."customers"`,
		`note unique_globally_by_choice index "public"."token" on "public"."invoices"`,
	}, codes(report, verify.Note))
	require.Contains(t, report.String(), "by choice: it is the path of a public link")
}

// TestIndexCures holds that what a cure makes anew is what was there, with the tenant in front.
func TestIndexCures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for before, after := range map[string]string{
		`CREATE UNIQUE INDEX i ON public.invoices USING btree (lower(number) DESC) INCLUDE (id) NULLS NOT DISTINCT WHERE (id > 0)`: `CREATE UNIQUE INDEX i ON public.invoices USING btree (tenant_id, lower(number) DESC) INCLUDE (id) NULLS NOT DISTINCT WHERE (id > 0)`,
		`CREATE INDEX i ON public.invoices USING btree (number COLLATE "C", tenant_id DESC, id) WITH (fillfactor='70')`:            `CREATE INDEX i ON public.invoices USING btree (tenant_id, number COLLATE "C", id) WITH (fillfactor='70')`,
		`CREATE INDEX i ON public.invoices USING btree (number text_pattern_ops, tenant_id)`:                                       `CREATE INDEX i ON public.invoices USING btree (tenant_id, number text_pattern_ops)`,
	} {
		run(t, w.OwnerDSN, before)
		for _, f := range w.verify(t).AtLeast(verify.Slows) {
			run(t, w.OwnerDSN, f.Cure)
		}
		require.Equal(t, after, w.text(t, "SELECT pg_get_indexdef('i'::regclass)"))
		run(t, w.OwnerDSN, "DROP INDEX i")
	}
}

func TestForeignKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const object = `constraint "k" on "public"."invoices"`
	w.breaches(t, []breach{
		{
			name: "without the tenant", sql: "ALTER TABLE invoices ADD COLUMN tag bigint, ADD CONSTRAINT k FOREIGN KEY (tag) REFERENCES tags",
			severity: verify.Breaks, code: verify.CodeForeignKey, object: object, undo: "ALTER TABLE invoices DROP COLUMN tag",
		},
		{
			name: "with an action", sql: `ALTER TABLE invoices ADD COLUMN tag bigint, ADD CONSTRAINT k FOREIGN KEY (tag)
				REFERENCES tags ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED`,
			severity: verify.Breaks, code: verify.CodeForeignKey, object: object, undo: "ALTER TABLE invoices DROP COLUMN tag",
		},
		{
			name: "to itself", sql: "ALTER TABLE tags ADD COLUMN parent bigint, ADD CONSTRAINT k FOREIGN KEY (parent) REFERENCES tags ON DELETE CASCADE",
			severity: verify.Breaks, code: verify.CodeForeignKey, object: `constraint "k" on "public"."tags"`,
			undo: "ALTER TABLE tags DROP COLUMN parent",
		},
		{
			name: "with the tenant in the wrong place", sql: `ALTER TABLE invoices ADD COLUMN other uuid,
				ADD COLUMN tag bigint; ALTER TABLE invoices ADD CONSTRAINT k FOREIGN KEY (other, tag) REFERENCES tags (tenant_id, id)`,
			severity: verify.Breaks, code: verify.CodeForeignKey, object: object,
			undo: "ALTER TABLE invoices DROP COLUMN tag, DROP COLUMN other",
		},
		{
			name: "with the tenant compared to something else", sql: `ALTER TABLE tags ADD COLUMN other uuid, ADD UNIQUE (other, id);
				ALTER TABLE invoices ADD COLUMN tag bigint, ADD CONSTRAINT k FOREIGN KEY (tenant_id, tag) REFERENCES tags (other, id)`,
			severity: verify.Breaks, code: verify.CodeForeignKey, object: object,
			undo: "ALTER TABLE invoices DROP COLUMN tag; ALTER TABLE tags DROP COLUMN other",
		},
		{
			name: "that sets NULL on update", sql: `ALTER TABLE invoices ADD COLUMN tag bigint, ADD CONSTRAINT k FOREIGN KEY (tag)
				REFERENCES tags ON UPDATE SET NULL`,
			severity: verify.Breaks, code: verify.CodeForeignKey, object: object, sentence: true,
			undo: "ALTER TABLE invoices DROP COLUMN tag",
		},
		{
			name: "to a mixed table", sql: "ALTER TABLE invoices ADD COLUMN tpl bigint, ADD CONSTRAINT k FOREIGN KEY (tpl) REFERENCES templates",
			severity: verify.Breaks, code: verify.CodeForeignKey, object: object, undo: "ALTER TABLE invoices DROP COLUMN tpl",
		},
		{
			name: "to a unique key across tenants", sql: `ALTER TABLE tags ADD CONSTRAINT uni_label UNIQUE (label);
				ALTER TABLE invoices ADD COLUMN tag text, ADD CONSTRAINT k FOREIGN KEY (tag) REFERENCES tags (label)`,
			severity: verify.Breaks, code: verify.CodeForeignKey, object: object,
			undo: `ALTER TABLE invoices DROP COLUMN tag; ALTER TABLE tags DROP CONSTRAINT uni_label;
				DO $$ DECLARE k text; BEGIN SELECT conname INTO STRICT k FROM pg_constraint WHERE conrelid = 'tags'::regclass
				AND contype = 'u' AND conname <> 'tags_stratum_key'; EXECUTE format('ALTER TABLE tags DROP CONSTRAINT %I', k); END $$`,
		},
		{
			name: "not validated", sql: `ALTER TABLE invoices ADD COLUMN tag bigint, ADD CONSTRAINT k FOREIGN KEY (tenant_id, tag)
				REFERENCES tags (tenant_id, id) NOT VALID; CREATE INDEX i ON invoices (tag, tenant_id)`,
			severity: verify.Weakens, code: verify.CodeForeignKeyNot, object: object, undo: "ALTER TABLE invoices DROP COLUMN tag",
		},
		{
			name: "without an index", sql: `ALTER TABLE invoices ADD COLUMN tag bigint, ADD CONSTRAINT k FOREIGN KEY (tenant_id, tag)
				REFERENCES tags (tenant_id, id); CREATE INDEX i ON invoices (tenant_id, tag) WHERE tag > 0`,
			severity: verify.Slows, code: verify.CodeForeignKeyIndex, object: object, undo: "ALTER TABLE invoices DROP COLUMN tag",
		},
		{
			name: "from a global table", sql: "ALTER TABLE countries ADD COLUMN tag bigint, ADD CONSTRAINT k FOREIGN KEY (tag) REFERENCES tags",
			severity: verify.Breaks, code: verify.CodeForeignKeyInto, object: `constraint "k" on "public"."countries"`,
			undo: "ALTER TABLE countries DROP COLUMN tag",
		},
		{
			name:     "from an external table that tenants write",
			sql:      "ALTER TABLE river_job ADD COLUMN tag bigint, ADD CONSTRAINT k FOREIGN KEY (tag) REFERENCES tags",
			severity: verify.Weakens, code: verify.CodeForeignKeyInto, object: `constraint "k" on "public"."river_job"`,
			undo: "ALTER TABLE river_job DROP COLUMN tag",
		},
	})
}

// TestForeignKeyDependents holds that a unique key that others refer to is cured after them.
func TestForeignKeyDependents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	clean := codes(w.verify(t), verify.Slows)
	run(t, w.OwnerDSN, `ALTER TABLE tags ADD CONSTRAINT uni_label UNIQUE (label);
		ALTER TABLE invoices ADD COLUMN tag text, ADD CONSTRAINT k FOREIGN KEY (tag) REFERENCES tags (label) ON DELETE SET NULL`)
	f := find(w.verify(t), verify.CodeUniqueAcross, `index "public"."uni_label" on "public"."tags"`)
	require.Equal(t, `cure first the foreign keys that stand on it: k on public.invoices`, f.Cure)
	for range 2 {
		for _, f := range w.verify(t).AtLeast(verify.Breaks) {
			if f.RunAs != "" {
				run(t, w.OwnerDSN, f.Cure)
			}
		}
	}
	require.Equal(t, clean, codes(w.verify(t), verify.Slows))
	require.Equal(t, "FOREIGN KEY (tenant_id, tag) REFERENCES tags(tenant_id, label) ON DELETE SET NULL (tag)",
		w.text(t, "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'k'"))
}

// TestForeignKeyViolated holds that a cure does not pass over rows that refer to another tenant's.
func TestForeignKeyViolated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run(t, w.OwnerDSN, `ALTER TABLE invoices ADD COLUMN tag bigint, ADD CONSTRAINT k FOREIGN KEY (tag) REFERENCES tags;
		BEGIN; SET LOCAL stratum.owner = 'migrate';
		INSERT INTO tags (id, tenant_id) VALUES (1, gen_random_uuid());
		INSERT INTO invoices (tenant_id, number, tag) VALUES (gen_random_uuid(), 'A-1', 1); COMMIT`)
	f := find(w.verify(t), verify.CodeForeignKey, `constraint "k" on "public"."invoices"`)
	require.ErrorContains(t, tryRun(t, w.OwnerDSN, f.Cure), "23503")
	require.NotNil(t, find(w.verify(t), verify.CodeForeignKey, `constraint "k" on "public"."invoices"`), "nothing has changed")
}

func TestKeysLookalikes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, sql := range map[string]string{
		"another index on the primary key's column":   "CREATE UNIQUE INDEX again ON invoices (id)",
		"methods that the tenant cannot lead":         "CREATE INDEX h ON invoices USING hash (number); CREATE INDEX b ON invoices USING brin (id)",
		"an index for a key to a global table":        "CREATE INDEX c ON customers (country)",
		"the tenant alone":                            "CREATE INDEX t ON invoices (tenant_id)",
		"unique on the tenant alone":                  "CREATE UNIQUE INDEX one ON tags (tenant_id)",
		"an exclusion constraint with the tenant":     "CREATE EXTENSION btree_gist; ALTER TABLE tags ADD EXCLUDE USING gist (tenant_id WITH =, label WITH =)",
		"a unique index on a global table":            "CREATE UNIQUE INDEX n ON countries (name)",
		"a unique index on an external table":         "CREATE UNIQUE INDEX k ON river_job (kind)",
		"an external table that tenants do not write": "ALTER TABLE countries ADD COLUMN job bigint REFERENCES river_job",
	} {
		run(t, w.AdminDSN, sql)
		require.Empty(t, codes(w.verify(t), verify.Slows), name)
	}
}
