package copies_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/copies"
)

// fillShop has a value for each kind of column.
const fillShop = `
	INSERT INTO regions VALUES (1, 'World', NULL), (2, 'Europe', 1);
	INSERT INTO countries VALUES ('CH', 'Schweiz', 1, 2, 'glad', '{sad,glad}', '{a,"b c",NULL}', '{"a": [1, 2]}',
		'{"b" : 1}', '\x00ff', 1.50, 0.1, '2024-02-29 12:00:00.123456+01', '1 mon 2 days', '(1,2)'),
		('AT', E'\\N\t\n', 2, 2, NULL, NULL, NULL, NULL, NULL, NULL, 'NaN', '-0', '-infinity', NULL, NULL);
	INSERT INTO units (label) VALUES ('kg'), ('m');
	INSERT INTO loose VALUES ('x', 1), ('x', 1), (NULL, NULL);
	INSERT INTO templates VALUES (1, NULL, 'everyone'), (2, '00000000-0000-0000-0000-000000000001', 'a tenant');`

func TestRefreshMakesCopiesEqual(t *testing.T) {
	t.Parallel()
	source, target := newShop(t)
	source.exec(t, fillShop)
	target.exec(t, `INSERT INTO templates VALUES (3, '00000000-0000-0000-0000-000000000002', 'its own'),
		(4, NULL, 'old')`)
	report := refreshed(t, source, target, shop())
	require.True(t, report.Changed())
	require.Equal(t, source.content(t), target.content(t))
	require.Equal(t, "SCHWEIZ", value[string](t, target, "SELECT upper_name FROM countries WHERE code = 'CH'"))
	require.Equal(t, "its own", value[string](t, target,
		"SELECT string_agg(body, ',') FROM templates WHERE tenant_id IS NOT NULL"),
		"rows of tenants neither come nor go")
	countries := done(t, report, "countries")
	require.Equal(t, [4]int64{2, 2, 0, 0},
		[4]int64{countries.Rows, countries.Inserted, countries.Updated, countries.Deleted})
	require.Equal(t, int64(1), done(t, report, "templates").Deleted)
}

func TestRefreshWritesOnlyWhatDiffers(t *testing.T) {
	t.Parallel()
	source, target := newShop(t)
	source.exec(t, fillShop)
	refreshed(t, source, target, shop())
	before := value[string](t, target,
		"SELECT string_agg(code || xmin::text, ',' ORDER BY code) FROM countries WHERE code = 'CH'")
	source.exec(t, `UPDATE countries SET price = 1.5 WHERE code = 'AT';
		INSERT INTO countries (code, name, region) VALUES ('DE', 'd', 2)`)
	report := refreshed(t, source, target, shop())
	countries := done(t, report, "countries")
	require.Equal(t, [3]int64{1, 1, 0}, [3]int64{countries.Inserted, countries.Updated, countries.Deleted})
	require.True(t, done(t, report, "regions").Skipped, "it has not changed")
	require.Equal(t, before, value[string](t, target,
		"SELECT string_agg(code || xmin::text, ',' ORDER BY code) FROM countries WHERE code = 'CH'"))
	require.Equal(t, source.content(t), target.content(t))

	report = refreshed(t, source, target, shop())
	require.False(t, report.Changed(), "nothing has changed since")
}

// TestRefreshSeesWhatIsMerelyEqual: 1.5 and 1.50 are equal and not the same.
func TestRefreshSeesWhatIsMerelyEqual(t *testing.T) {
	t.Parallel()
	source, target := newShop(t)
	source.exec(t, fillShop)
	refreshed(t, source, target, shop())
	source.exec(t, `UPDATE countries SET price = 1.500 WHERE code = 'CH'`)
	refreshed(t, source, target, shop())
	require.Equal(t, source.content(t), target.content(t))
}

// TestRefreshPassesUniqueValuesOn covers every way in which rows of the source stand in each other's way in a copy.
func TestRefreshPassesUniqueValuesOn(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"in a circle": `UPDATE countries SET rank = NULL WHERE code = 'CH';
			UPDATE countries SET rank = 1 WHERE code = 'AT';
			UPDATE countries SET rank = 2 WHERE code = 'CH'`,
		"to a new row": `DELETE FROM countries WHERE code = 'CH';
			INSERT INTO countries (code, name, rank, region) VALUES ('DE', 'd', 1, 2)`,
		"to a new parent": `INSERT INTO regions VALUES (3, 'temporary', 1); UPDATE countries SET region = 3;
			DELETE FROM regions WHERE id = 2; UPDATE regions SET name = 'Europe' WHERE id = 3`,
		"between parents": `UPDATE regions SET name = 'x' WHERE id = 1; UPDATE regions SET name = 'World' WHERE id = 2;
			UPDATE regions SET name = 'Europe' WHERE id = 1`,
		"truncated": `TRUNCATE countries, units, loose`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, target := newShop(t)
			source.exec(t, fillShop)
			refreshed(t, source, target, shop())
			source.exec(t, change)
			refreshed(t, source, target, shop())
			require.Equal(t, source.content(t), target.content(t))
		})
	}
}

// TestRefreshFollowsCircles: tables that refer to each other can be written in no order.
func TestRefreshFollowsCircles(t *testing.T) {
	t.Parallel()
	const ddl = `CREATE TABLE a (id int PRIMARY KEY, b int); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);
		ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b;`
	tables := []copies.Table{{Schema: "public", Name: "a"}, {Schema: "public", Name: "b"}}
	source, target := newPlace(t, ddl), newPlace(t, ddl)
	source.install(t, tables)
	source.exec(t, "INSERT INTO a VALUES (1, NULL); INSERT INTO b VALUES (1, 1); UPDATE a SET b = 1")
	refreshed(t, source, target, tables)
	require.Equal(t, int64(1), value[int64](t, target, "SELECT count(*) FROM a JOIN b ON a.b = b.id AND b.a = a.id"))
	source.exec(t, "UPDATE a SET b = NULL; DELETE FROM b; DELETE FROM a")
	refreshed(t, source, target, tables)
	require.Equal(t, int64(0), value[int64](t, target, "SELECT count(*) FROM a"))
}

func TestRefreshRefusesAReferenceToWhatHasGone(t *testing.T) {
	t.Parallel()
	source, target := newShop(t)
	source.exec(t, fillShop)
	refreshed(t, source, target, shop())
	target.exec(t, `CREATE TABLE invoices (
			id int PRIMARY KEY, country varchar(2) CONSTRAINT invoice_country REFERENCES countries);
		INSERT INTO invoices VALUES (1, 'CH')`)
	before := target.content(t)
	source.exec(t, "DELETE FROM countries WHERE code = 'CH'; UPDATE regions SET name = 'Earth' WHERE id = 1")
	_, err := refresh(t, source, target, shop())
	var refused *copies.TableError
	require.ErrorAs(t, err, &refused)
	require.ErrorIs(t, err, copies.ErrReference)
	require.Equal(t, "invoice_country", refused.Object)
	require.Equal(t, `"public"."invoices"`, refused.Table)
	require.NotContains(t, err.Error(), "CH", "no values of rows")
	require.Equal(t, before, target.content(t), "nothing is changed, in other tables neither")

	target.exec(t, "DELETE FROM invoices")
	refreshed(t, source, target, shop())
	require.Equal(t, source.content(t), target.content(t))
}

// TestRefreshRefusesADeferredReference: the refusal must not come with the commit.
func TestRefreshRefusesADeferredReference(t *testing.T) {
	t.Parallel()
	source, target := newShop(t)
	source.exec(t, fillShop)
	refreshed(t, source, target, shop())
	target.exec(t, `CREATE TABLE invoices (
			country varchar(2) CONSTRAINT late REFERENCES countries DEFERRABLE INITIALLY DEFERRED);
		INSERT INTO invoices VALUES ('CH')`)
	source.exec(t, "DELETE FROM countries WHERE code = 'CH'")
	_, err := refresh(t, source, target, shop())
	require.ErrorIs(t, err, copies.ErrReference)
}

func TestRefreshRefusesOtherColumns(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ddl, object string
		kind        error
	}{
		"missing in the copy":   {"ALTER TABLE countries DROP COLUMN doc", "doc", copies.ErrColumn},
		"missing in the source": {"ALTER TABLE countries ADD COLUMN extra int", "extra", copies.ErrColumn},
		"another type":          {"ALTER TABLE countries ALTER COLUMN rank TYPE bigint", "rank", copies.ErrColumn},
		"another label":         {"ALTER TYPE mood ADD VALUE 'mad'", "feel", copies.ErrColumn},
		"another key":           {"ALTER TABLE templates DROP CONSTRAINT templates_pkey", "", copies.ErrColumn},
		"an identity": {
			"ALTER TABLE regions ALTER parent SET NOT NULL, ALTER parent ADD GENERATED ALWAYS AS IDENTITY", "parent",
			copies.ErrColumn,
		},
		"no table": {"DROP TABLE loose", "", copies.ErrMissing},
		"a stricter copy": {
			"ALTER TABLE countries ADD CONSTRAINT dear CHECK (price > 100)", "dear", copies.ErrConflict,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, target := newShop(t)
			source.exec(t, fillShop)
			target.exec(t, test.ddl)
			_, err := refresh(t, source, target, shop())
			require.ErrorIs(t, err, test.kind)
			var refused *copies.TableError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, test.object, refused.Object)
			require.NotEmpty(t, refused.Cure)
			require.Zero(t, value[int](t, target, "SELECT count(*) FROM regions"), "nothing is changed")
		})
	}
}

func TestRefreshComparesAfterAChangeOfColumns(t *testing.T) {
	t.Parallel()
	source, target := newShop(t)
	source.exec(t, fillShop)
	refreshed(t, source, target, shop())
	const ddl = "ALTER TABLE countries ADD COLUMN zone text NOT NULL DEFAULT "
	source.exec(t, ddl+"'UTC'")
	target.exec(t, ddl+"'other'")
	refreshed(t, source, target, shop())
	require.Equal(t, source.content(t), target.content(t))
}

// TestRefreshIntoAnotherSchema copies within a database, into a tenant's schema.
func TestRefreshIntoAnotherSchema(t *testing.T) {
	t.Parallel()
	source := newPlace(t, shopDDL)
	tables := shop()[4:]
	source.install(t, tables)
	source.exec(t, fillShop+"CREATE SCHEMA t_1; CREATE TABLE t_1.templates (LIKE public.templates INCLUDING ALL)")
	target := copies.Target{Conn: source.connect(t), Schemas: map[string]string{"public": "t_1"}}
	_, err := copies.Refresh(t.Context(), source.connect(t), target, tables)
	require.NoError(t, err)
	require.Equal(t, "everyone", value[string](t, source, "SELECT string_agg(body, ',') FROM t_1.templates"))
	require.Equal(t, int64(2), value[int64](t, source, "SELECT count(*) FROM templates"))
}

func TestRefreshOfAnUnwatchedTableComparesAlways(t *testing.T) {
	t.Parallel()
	source, target := newPlace(t, shopDDL), newPlace(t, shopDDL)
	source.exec(t, fillShop)
	refreshed(t, source, target, shop())
	source.exec(t, "UPDATE regions SET name = 'Earth' WHERE id = 1")
	refreshed(t, source, target, shop())
	require.Equal(t, source.content(t), target.content(t))
}

func TestRefreshOfNothing(t *testing.T) {
	t.Parallel()
	report, err := copies.Refresh(t.Context(), nil, copies.Target{}, nil)
	require.NoError(t, err)
	require.False(t, report.Changed())
}
