package entstratum_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	atlas "ariga.io/atlas/sql/migrate"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/dialect/sql/schema"
	"entgo.io/ent/schema/field"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
)

// long makes a name of an index or a key longer than PostgreSQL takes.
var long = strings.Repeat("x", 70)

// shapes are tables as ent generates them, of every form that the desk does not have.
func shapes() []*schema.Table {
	id := func() *schema.Column { return &schema.Column{Name: "id", Type: field.TypeInt, Increment: true} }
	tenant := func(name string) *schema.Column {
		return &schema.Column{Name: name, Type: field.TypeUUID, Nullable: true, Default: "stratum.tenant_id()"}
	}
	text := func(name string) *schema.Column { return &schema.Column{Name: name, Type: field.TypeString, Size: 100} }
	number := func(name string) *schema.Column {
		return &schema.Column{Name: name, Type: field.TypeInt, Nullable: true}
	}
	firm := &schema.Table{Name: "firms", Comment: "who pays", Columns: []*schema.Column{
		id(), tenant("org_id"), text("name"), text("code"),
		{Name: "data", Type: field.TypeJSON, Nullable: true},
		{Name: "made", Type: field.TypeTime, Default: schema.Expr("now()"), Comment: "when it's made"},
		{Name: "slug", Type: field.TypeString, Unique: true},
		{Name: long[:50], Type: field.TypeString, Unique: true},
		number("boss_id"), number("hall_id"), number("country_id"),
		{Name: "kind", Type: field.TypeEnum, Default: "o'x"},
	}, Annotation: &entsql.Annotation{Check: "hall_id > 0", Checks: map[string]string{"named": "code <> 'it''s'"}}}
	hall := &schema.Table{Name: "halls", Columns: []*schema.Column{id(), tenant("tenant_id"), number("firm_id")}}
	country := &schema.Table{Name: "countries", Columns: []*schema.Column{id(), text("name")}}
	plan := &schema.Table{Name: "plans", Columns: []*schema.Column{
		id(), tenant("tenant_id"), text("code"), number("hall_id"), number("number"), number("select"),
	}}
	seat := &schema.Table{Name: "seats", Columns: []*schema.Column{
		tenant("tenant_id"), {Name: "hall_id", Type: field.TypeInt}, {Name: "row", Type: field.TypeInt},
	}}
	all := []*schema.Table{country, firm, hall, plan, seat}
	for _, table := range all {
		table.PrimaryKey = table.Columns[:1]
	}
	seat.PrimaryKey = seat.Columns
	firm.Indexes = []*schema.Index{
		{Name: "firm_" + long, Unique: true, Columns: firm.Columns[2:4]},
		{Name: "firm_desc", Columns: firm.Columns[2:3], Annotation: &entsql.IndexAnnotation{Desc: true}},
		{Name: "firm_descs", Columns: firm.Columns[2:4], Annotation: &entsql.IndexAnnotation{
			DescColumns: map[string]bool{"code": true}, IncludeColumns: []string{"made"},
		}},
		{Name: "firm_ops", Columns: firm.Columns[3:4], Annotation: &entsql.IndexAnnotation{OpClass: "varchar_pattern_ops"}},
		{Name: "firm_some", Unique: true, Columns: firm.Columns[3:4], Annotation: &entsql.IndexAnnotation{
			Where: "boss_id IS NULL",
		}},
		{Name: "firm_data", Columns: firm.Columns[4:5], Annotation: &entsql.IndexAnnotation{
			Types: map[string]string{"postgres": "GIN", "mysql": "BTREE"},
		}},
		{Name: "firm_hash", Columns: firm.Columns[3:4], Annotation: &entsql.IndexAnnotation{Type: "HASH"}},
		{Name: "firm_last", Unique: true, Columns: []*schema.Column{firm.Columns[2], firm.Columns[5], firm.Columns[1]}},
	}
	plan.Indexes = []*schema.Index{
		{Name: "plan_code", Unique: true, Columns: plan.Columns[1:3]},
		{Name: "plan_number", Unique: true, Columns: plan.Columns[4:5]},
	}
	refer := func(from *schema.Table, at int, to *schema.Table, symbol string, action schema.ReferenceOption) {
		from.ForeignKeys = append(from.ForeignKeys, &schema.ForeignKey{
			Symbol: symbol, Columns: from.Columns[at : at+1], RefTable: to, RefColumns: to.Columns[:1], OnDelete: action,
		})
	}
	refer(firm, 8, firm, "firm_boss_"+long, schema.SetNull)
	refer(firm, 9, hall, "firm_hall", schema.SetNull)
	refer(firm, 10, country, "firm_country", schema.SetNull)
	refer(hall, 2, firm, "hall_firm", schema.Cascade)
	refer(plan, 3, hall, "plan_hall", schema.SetNull)
	refer(plan, 5, firm, "plan_select", schema.Restrict)
	refer(seat, 1, hall, "seat_hall", schema.Cascade)
	return all
}

// ofShapes is what the schemas of the shapes would say of them.
func ofShapes() (*entstratum.Registry, []*schema.Table) {
	r, wanted := &entstratum.Registry{Tables: []entstratum.Table{
		{Name: "countries", Class: entstratum.ClassGlobal},
		{Name: "firms", Class: entstratum.ClassOwned, Column: "org_id", GlobalUnique: []entstratum.UniqueIndex{
			{Name: "firms_slug_key", Reason: " it's in the URL "}, {Name: "firms_" + long[:50] + "_key_of_many_bytes"},
		}},
		{Name: "halls", Class: entstratum.ClassOwned, Column: "tenant_id"},
		{Name: "plans", Class: entstratum.ClassMixed, Column: "tenant_id"},
		{Name: "seats", Class: entstratum.ClassOwned, Column: "tenant_id"},
	}}, shapes()
	r.Tables[1].GlobalUnique = r.Tables[1].GlobalUnique[:1]
	entstratum.Desire(wanted, r)
	return r, wanted
}

// TestDesiredShapes holds that every form of table ends in one state: Migrate finds nothing to do after it, nor does
// ent, on the database or on its files, and Verify has no finding.
func TestDesiredShapes(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]schema.MigrateOption{
		"plain": nil, "every change": everyChange(), "without keys": {schema.WithForeignKeys(false)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newApart(t, "")
			r, _ := ofShapes()
			require.NoError(t, entstratum.Migrate(t.Context(), d.st, r, entstratum.MigrateOptions{Ent: options}))
			d.fillShapes(t)
			d.settled(t, func(owner string) error {
				again := d.Options()
				again.OwnerDSN, again.RolePrefix = owner, d.Name+"_r"
				r, _ := ofShapes()
				return entstratum.Migrate(t.Context(), d.openStratum(t, again).st, r, entstratum.MigrateOptions{Ent: options})
			})
			d.settled(t, func(owner string) error {
				_, wanted := ofShapes()
				m, err := schema.NewMigrate(plainDriver(t, owner), append(options, r.Option())...)
				require.NoError(t, err)
				return m.Create(t.Context(), wanted...)
			})
			report, err := entstratum.Verify(t.Context(), d.st, r)
			require.NoError(t, err)
			for _, f := range report.AtLeast(core.SeveritySlows) {
				require.Equal(t, `table "log"."ddl"`, f.Object, "of the test itself: %s", f.Finding)
			}
			d.requireShapes(t)
		})
	}
}

// requireShapes looks at what ent's annotations have become.
func (d desk) requireShapes(t *testing.T) {
	t.Helper()
	firms, plans := d.definitions(t, "firms"), d.definitions(t, "plans")
	for name, definition := range map[string]string{
		"firm_desc":         "CREATE INDEX firm_desc ON firms USING btree (org_id, name DESC)",
		"firm_descs":        "CREATE INDEX firm_descs ON firms USING btree (org_id, name, code DESC) INCLUDE (made)",
		"firm_ops":          "CREATE INDEX firm_ops ON firms USING btree (org_id, code varchar_pattern_ops)",
		"firm_some":         "CREATE UNIQUE INDEX firm_some ON firms USING btree (org_id, code) WHERE (boss_id IS NULL)",
		"firm_data":         "CREATE INDEX firm_data ON firms USING gin (data)",
		"firm_last":         "CREATE UNIQUE INDEX firm_last ON firms USING btree (org_id, name, made)",
		"firm_hash":         "CREATE INDEX firm_hash ON firms USING hash (code)",
		"firms_slug_key":    "CREATE UNIQUE INDEX firms_slug_key ON firms USING btree (slug)",
		"firm_hall":         "FOREIGN KEY (org_id, hall_id) REFERENCES halls(tenant_id, id) ON DELETE SET NULL (hall_id)",
		"firm_country":      "FOREIGN KEY (country_id) REFERENCES countries(id) ON DELETE SET NULL",
		"named":             "CHECK (((code)::text <> 'it''s'::text))",
		"firms_stratum_key": "CREATE UNIQUE INDEX firms_stratum_key ON firms USING btree (org_id, id)",
	} {
		require.Equal(t, definition, firms[name], name)
	}
	require.Contains(t, plans["plan_code"], "(tenant_id, code) NULLS NOT DISTINCT")
	require.Contains(t, plans["plan_number"], "(tenant_id, number) NULLS NOT DISTINCT")
	var checks int
	for name, definition := range plans {
		if strings.HasSuffix(name, "_stratum_check") {
			require.Contains(t, definition, "tenant_id IS NOT NULL")
			checks++
		}
	}
	require.Equal(t, 2, checks, "everyone's rows refer to nobody's")
	require.NotContains(t, d.definitions(t, "seats"), "seats_stratum_key", "the primary key has the tenant")
	require.Equal(t, "stratum: globally unique: it's in the URL", value[string](t, d,
		"SELECT obj_description('firms_slug_key'::regclass)"))
	require.Equal(t, "when it's made", value[string](t, d, "SELECT col_description('firms'::regclass, 6)"))
}

// fillShapes writes a row of each as two tenants, with the same values.
func (d desk) fillShapes(t *testing.T) {
	t.Helper()
	for _, slug := range []string{"acme", "bolt"} {
		ctx := d.tenant(t, slug)
		for _, statement := range []string{
			"INSERT INTO firms (name, code, slug, " + long[:50] + ", kind) VALUES ('n', 'c', '" + slug + "', 'y', 'o')",
			"INSERT INTO halls (firm_id) SELECT id FROM firms", "INSERT INTO plans (code, number) VALUES ('c', 1)",
			"INSERT INTO seats (hall_id, row) SELECT id, 1 FROM halls",
		} {
			_, err := d.st.DB().ExecContext(ctx, statement)
			require.NoError(t, err, statement)
		}
	}
}

// Files of versioned migrations can be tried out, whatever the tables refer to, and are complete with Stratum's.
func TestDesiredFiles(t *testing.T) {
	t.Parallel()
	dir, prod := newDirectory(t, entstratum.Atlas), newBare(t)
	r, wanted := ofShapes()
	require.NoError(t, dir.diff(t, r, wanted))
	require.Positive(t, dir.join(t, r))
	r, wanted = ofShapes()
	require.ErrorIs(t, dir.diff(t, r, wanted), atlas.ErrNoPlan)
	require.Zero(t, dir.join(t, r))

	// What ent has tried out before on the database leaves no trace in the files.
	joined, err := filepath.Glob(filepath.Join(dir.path, "*_stratum.sql"))
	require.NoError(t, err)
	require.Len(t, joined, 1)
	require.NoError(t, os.Remove(joined[0]))
	require.Positive(t, dir.join(t, r))
	dir.apply(t, prod)
	require.NoError(t, entstratum.Migrate(t.Context(), prod.st, r, entstratum.MigrateOptions{}))
	files, err := entstratum.Script(t.Context(), prod.st, r, entstratum.ScriptOptions{}, entstratum.MigrateOptions{})
	require.NoError(t, err)
	requireNoFiles(t, files)
	names, err := os.ReadDir(dir.path)
	require.NoError(t, err)
	require.Len(t, names, 4)
}

// What ent's option for ids of its own needs stands beside the tables, for nobody but the owner.
func TestDesiredWithGlobalUniqueID(t *testing.T) {
	t.Parallel()
	d := newBare(t)
	r, _ := ofShapes()
	options := entstratum.MigrateOptions{Ent: []schema.MigrateOption{schema.WithGlobalUniqueID(true)}}
	require.NoError(t, entstratum.Migrate(t.Context(), d.st, r, options))
	d.fillShapes(t)
	require.Less(t, 1<<32, value[int](t, d, "SELECT min(id) FROM halls"))
	require.Empty(t, d.rights(t, "ent_types"))
	r, _ = ofShapes()
	require.NoError(t, entstratum.Migrate(t.Context(), d.st, r, options))
	files, err := entstratum.Script(t.Context(), d.st, r, entstratum.ScriptOptions{}, options)
	require.NoError(t, err)
	requireNoFiles(t, files)
}

// A registry and tables that do not fit are refused before anything is done.
func TestDesiredRefusals(t *testing.T) {
	t.Parallel()
	d := newBare(t)
	before := d.catalog(t)
	refused := func(r *entstratum.Registry, want error, text string) {
		t.Helper()
		for _, err := range []error{
			entstratum.Migrate(t.Context(), d.st, r, entstratum.MigrateOptions{}),
			func() error {
				_, err := entstratum.Script(t.Context(), d.st, r, entstratum.ScriptOptions{}, entstratum.MigrateOptions{})
				return err
			}(),
			func() error { _, err := entstratum.Verify(t.Context(), d.st, r); return err }(),
		} {
			require.ErrorIs(t, err, want)
			require.ErrorContains(t, err, text)
		}
	}
	r, wanted := ofShapes()
	refused(&entstratum.Registry{Tables: r.Tables}, entstratum.ErrGenerated, "in its registry alone")
	fewer := &entstratum.Registry{Tables: r.Tables[1:]}
	entstratum.Desire(wanted, fewer)
	refused(fewer, entstratum.ErrGenerated, `table "countries" is not in its registry`)
	early := shapes()
	for _, table := range early {
		for _, key := range table.ForeignKeys {
			key.RefTable = nil
		}
	}
	before1 := &entstratum.Registry{Tables: slices.Clone(r.Tables)}
	entstratum.Desire(early, before1)
	refused(before1, entstratum.ErrGenerated, "refers to no table yet")
	require.Equal(t, before, d.catalog(t))

	elsewhere, _ := ofShapes()
	elsewhere.Tables[2].Schema = "archive"
	err := entstratum.Migrate(t.Context(), d.st, elsewhere, entstratum.MigrateOptions{})
	require.ErrorIs(t, err, entstratum.ErrDeclaration)
	require.ErrorContains(t, err, `table "halls" is declared in schema "archive"`)
	elsewhere.Tables[2].Schema = "public"
	require.NoError(t, entstratum.Migrate(context.WithoutCancel(t.Context()), d.st, elsewhere, entstratum.MigrateOptions{}))
}

func requireNoFiles(t *testing.T, files []entstratum.ScriptFile) {
	t.Helper()
	for _, f := range files {
		require.Empty(t, string(f.Content), f.Name)
	}
}
