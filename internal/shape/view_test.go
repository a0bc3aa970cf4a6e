package shape_test

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/shape"
)

// viewsSQL is views that are made elsewhere, some of which stand on others, and views that are not.
const viewsSQL = `
CREATE VIEW orders WITH (security_invoker = true, security_barrier = true) AS
	SELECT c.id, c.status, n.name AS land, c.status IN ('new', 'it''s') AS fresh, customers(c.id) AS same
	FROM customers c LEFT JOIN countries n ON n.code = c.country WHERE c.status IN ('new', 'old', 'public.customers');
CREATE VIEW by_land WITH (security_invoker = on) AS
	SELECT o.land, count(*) AS many, (SELECT max(key) FROM lines) AS last FROM orders o GROUP BY o.land;
CREATE VIEW "All ""of"" it" WITH (security_invoker = 1, check_option = local) AS SELECT * FROM notes WHERE text <> '';
CREATE VIEW regions AS SELECT region, count(*) AS many FROM countries GROUP BY region;
CREATE VIEW land_names WITH (security_invoker) AS SELECT l.id, r.many FROM lines l JOIN regions r ON r.region = l.country;
GRANT SELECT ON orders, by_land, regions, land_names TO {tenant}, {subtree}, {system};
GRANT SELECT (id, text), UPDATE (text) ON "All ""of"" it" TO {tenant}, {schema};
GRANT INSERT, SELECT ON "All ""of"" it" TO {system};

CREATE TABLE elsewhere (id bigint);
CREATE VIEW beside WITH (security_invoker) AS SELECT n.* FROM notes n JOIN elsewhere e ON e.id::text = n.text;
CREATE VIEW on_beside WITH (security_invoker) AS SELECT * FROM beside;
CREATE VIEW as_owner AS SELECT * FROM notes;
CREATE VIEW watched WITH (security_invoker) AS SELECT * FROM notes;
CREATE TRIGGER watch INSTEAD OF INSERT ON watched FOR EACH ROW EXECUTE FUNCTION touch();
CREATE VIEW filled WITH (security_invoker) AS SELECT * FROM notes;
ALTER VIEW filled ALTER text SET DEFAULT 'x';
CREATE VIEW constants AS SELECT 1 AS one;
`

// withViews is the rich schema with views.
func (w world) withViews(tb testing.TB) shape.Model {
	tb.Helper()
	specs := w.rich(tb)
	w.exec(tb, replacer(w).Replace(viewsSQL))
	return w.model(tb, specs)
}

func viewNames(s shape.Shape) (names []string) {
	for _, v := range s.Views {
		names = append(names, v.Name)
	}
	return names
}

func TestViewsInSchema(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.withViews(t)
	require.ElementsMatch(t, []string{"orders", "by_land", `All "of" it`, "regions", "land_names"}, viewNames(m.Shape))
	want := w.created(t, m, "t_1a")
	have := w.read(t, "t_1a")
	equal(t, have, want)
	require.ElementsMatch(t, []string{"orders", "by_land", `All "of" it`, "land_names"}, viewNames(have),
		"what leads to global tables alone stays where it is")
	all := have.View("t_1a", `All "of" it`)
	require.Equal(t, []shape.Grant{
		{Role: w.roles.Schema, Column: "id", Privileges: []string{"SELECT"}},
		{Role: w.roles.Schema, Column: "text", Privileges: []string{"SELECT", "UPDATE"}},
		{Role: w.roles.System, Privileges: []string{"INSERT", "SELECT"}},
	}, all.Grants, "the schema's role has what tenants have, and not what it was given in the shared view")
	orders := have.View("t_1a", "orders")
	require.Contains(t, orders.Definition, "FROM (t_1a.customers c")
	require.Contains(t, orders.Definition, "public.countries")
	require.Contains(t, orders.Definition, "public.customers(c.id)", "a function of that name")
	require.Contains(t, orders.Definition, "'public.customers'", "a text")
	require.Contains(t, have.View("t_1a", "by_land").Definition, "FROM t_1a.orders o")
	require.Contains(t, have.View("t_1a", "land_names").Definition, "public.regions")
}

func TestViewsFromNothingAndBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want := w.inSchema(t, w.withViews(t), "t_1a")
	w.exec(t, "CREATE SCHEMA t_1a")
	w.execute(t, w.OwnerDSN, shape.Statements(shape.Diff(w.read(t, "t_1a"), want)))
	equal(t, w.read(t, "t_1a"), want)
	w.execute(t, w.OwnerDSN, shape.Statements(shape.Diff(w.read(t, "t_1a"), shape.Shape{})))
	require.Empty(t, w.read(t, "t_1a"))
}

func TestViewsInDatabase(t *testing.T) {
	t.Parallel()
	w, there := newWorld(t), newWorld(t)
	r := w.residence("")
	r.Owner = there.login
	want, err := w.withViews(t).InDatabase(r)
	require.NoError(t, err)
	there.exec(t, aroundSQL)
	there.execute(t, there.OwnerDSN, shape.Create(want))
	have := there.read(t, "public")
	equal(t, have, want)
	require.Len(t, have.Views, 5)
}

// TestViewsDrift changes views, and tables that views stand on.
func TestViewsDrift(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want := w.created(t, w.withViews(t), "t_1a")
	for _, d := range []drift{
		{sql: `DROP VIEW by_land`, finds: []string{`view "by_land" is missing`}},
		{
			sql:   `DROP VIEW orders CASCADE`,
			finds: []string{`view "orders" is missing`, `view "by_land" is missing`},
		},
		{
			sql:   `CREATE OR REPLACE VIEW by_land AS SELECT land, 0::bigint AS many, 0::bigint AS last FROM orders`,
			finds: []string{`view "by_land": want SELECT o.land`},
		},
		{sql: `ALTER VIEW orders SET (security_invoker = false)`, finds: []string{`view "orders": want`}},
		{sql: `ALTER VIEW orders RESET (security_barrier)`, finds: []string{`view "orders": want`}},
		{sql: `REVOKE SELECT ON orders FROM {schema}`, finds: []string{`view "orders": want`}},
		{sql: `GRANT SELECT ON orders TO PUBLIC`, finds: []string{`view "orders": want`}},
		{sql: `GRANT SELECT (id) ON orders TO {tenant}`, finds: []string{`view "orders": want`}},
		{sql: `CREATE VIEW more AS SELECT 1 AS one`, finds: []string{`view "more" is not in the model`}},
		{
			sql: `DROP VIEW by_land; ALTER TABLE lines ALTER key TYPE int; CREATE VIEW by_land WITH (security_invoker = on) AS
				SELECT o.land, count(*) AS many, (SELECT max(key) FROM lines) AS last FROM orders o GROUP BY o.land;
				GRANT SELECT ON by_land TO {schema}, {system}`,
			finds: []string{`column "lines.key": want bigint, have integer`},
		},
		{
			sql: `DROP VIEW by_land, orders; ALTER TABLE customers ALTER country TYPE varchar(2)`,
			finds: []string{
				`column "customers.country": want text, have character varying(2)`,
				`view "orders" is missing`, `view "by_land" is missing`,
			},
		},
	} {
		text := replacer(w).Replace(d.sql)
		w.exec(t, "SET LOCAL search_path = t_1a; "+text)
		changes := shape.Diff(w.read(t, "t_1a"), want)
		said := texts(changes)
		for _, find := range d.finds {
			require.Contains(t, strings.Join(said, "\n"), find, text)
		}
		for _, c := range changes {
			require.False(t, c.Destructive, "%s: %s", text, c)
			require.True(t, c.Curable(), "%s: %s", text, c)
		}
		w.execute(t, w.OwnerDSN, shape.Statements(changes))
		equal(t, w.read(t, "t_1a"), want)
	}
}

// TestViewsGiveWay to changes of what they read: of a type, and of a column that goes.
func TestViewsGiveWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	specs := w.rich(t)
	w.exec(t, replacer(w).Replace(viewsSQL))
	w.created(t, w.model(t, specs), "t_1a")
	w.exec(t, `DROP VIEW orders, by_land, "All ""of"" it", beside, on_beside, as_owner, watched, filled;
		ALTER TABLE customers ALTER country TYPE varchar(9); ALTER TABLE notes DROP COLUMN text, ADD COLUMN words text;
		CREATE VIEW orders WITH (security_invoker) AS SELECT id, country FROM customers;
		CREATE VIEW "All ""of"" it" WITH (security_invoker) AS SELECT words FROM notes`)
	want := w.inSchema(t, w.model(t, specs), "t_1a")
	var have shape.Shape
	w.within(t, w.owner, func(tx *sql.Tx) {
		var err error
		names := want.Names()
		names.Views = append(names.Views, "by_land") // as the model knew it before
		have, err = shape.Read(t.Context(), tx, "t_1a", names)
		require.NoError(t, err)
	})
	w.execute(t, w.OwnerDSN, shape.Statements(shape.Diff(have, want)))
	equal(t, w.read(t, "t_1a"), want)
}

// TestViewsOfGlobals are those that copies of global tables have.
func TestViewsOfGlobals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.withViews(t)
	kept := shape.ViewsOf(m.Shape.Views, []shape.Table{*m.Shape.Table("public", "countries")})
	require.Equal(t, []string{"regions"}, viewNames(shape.Shape{Views: kept}))
}

func TestViewsNamedAlike(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, `CREATE SCHEMA other; CREATE TABLE public.a (id int, tenant_id uuid);
		CREATE TABLE other.b (id int, tenant_id uuid);
		CREATE VIEW other.a WITH (security_invoker) AS SELECT * FROM other.b`)
	m := w.model(t, []shape.Spec{
		{Schema: "public", Name: "a", Class: shape.Owned, TenantColumn: "tenant_id"},
		{Schema: "other", Name: "b", Class: shape.Owned, TenantColumn: "tenant_id"},
	})
	_, err := m.InSchema(w.residence("t_1a"))
	require.ErrorIs(t, err, shape.ErrName)
}
