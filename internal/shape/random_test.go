package shape_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/stratum-hq/stratum-go/internal/shape"
)

// TestConvergeBetweenRandomShapes holds that whatever tables a schema has, converging makes them what they are to be,
// and that there is nothing to do then.
func TestConvergeBetweenRandomShapes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rapid.Check(t, func(rt *rapid.T) {
		w.within(t, w.owner, func(tx *sql.Tx) {
			execute := func(statements ...string) {
				text := strings.Join(statements, ";\n")
				_, err := tx.ExecContext(t.Context(), text)
				require.NoError(rt, err, text)
			}
			execute("SET LOCAL search_path = "+shape.SearchPath, "SET LOCAL stratum.owner = 'migrate'")
			wanted := func(schema string) shape.Shape {
				execute("CREATE SCHEMA " + schema)
				drawn := random{rt, schema}.shape()
				execute(shape.Create(drawn)...)
				read, err := shape.Read(t.Context(), tx, schema, nil)
				require.NoError(rt, err)
				var specs []shape.Spec
				for _, table := range read.Tables {
					specs = append(specs, shape.Spec{
						Schema: schema, Name: table.Name, Class: shape.Owned, TenantColumn: "tenant_id",
					})
				}
				want, err := shape.Model{Shape: read, Specs: specs}.InSchema(w.residence("t_1a"))
				require.NoError(rt, err)
				return want
			}
			before, after := wanted("one"), wanted("two")
			execute("CREATE SCHEMA t_1a")
			execute(shape.Create(before)...)
			have, err := shape.Read(t.Context(), tx, "t_1a", nil)
			require.NoError(rt, err)
			equal(rt, have, before)
			for _, want := range []shape.Shape{after, before} {
				changes := shape.Diff(have, want)
				require.Equal(rt, want.Hash() == have.Hash(), len(changes) == 0, "%q", texts(changes))
				execute(append(shape.Statements(changes), "SELECT 1")...)
				have, err = shape.Read(t.Context(), tx, "t_1a", nil)
				require.NoError(rt, err)
				equal(rt, have, want)
			}
		})
	})
}

// random draws shapes of a schema.
type random struct {
	*rapid.T
	schema string
}

func (r random) yes(label string) bool { return rapid.Bool().Draw(r.T, label) }

func (r random) oneOf(label string, values ...string) string {
	return rapid.SampledFrom(values).Draw(r.T, label)
}

func (r random) shape() shape.Shape {
	var s shape.Shape
	for _, name := range []string{"a", "b", "C c"} {
		if r.yes("table") {
			s.Tables = append(s.Tables, r.table(name))
		}
	}
	for i := range s.Tables {
		for j := range s.Tables {
			r.reference(&s.Tables[i], &s.Tables[j])
		}
	}
	return s
}

func (r random) table(name string) shape.Table {
	t := shape.Table{
		Schema: r.schema, Name: name, Replica: r.oneOf("replica", "DEFAULT", "FULL", "NOTHING"),
		Columns: []shape.Column{{Name: "tenant_id", Quoted: "tenant_id", Type: "uuid", NotNull: true}},
	}
	key := shape.Column{Name: "id", Quoted: "id", Type: r.oneOf("key", "bigint", "integer", "text"), NotNull: true}
	if key.Type != "text" {
		r.number(&t, &key)
	}
	t.Columns = append(t.Columns, key)
	t.Constraints = []shape.Constraint{{Name: name + "_pkey", Type: "p", Definition: "PRIMARY KEY (id)", Validated: true}}
	if r.yes("led by tenant") {
		t.Constraints[0].Definition = "PRIMARY KEY (tenant_id, id)"
		t.Constraints = append(t.Constraints, shape.Constraint{
			Name: name + "_id", Type: "u", Definition: "UNIQUE (id)", Validated: true,
		})
	}
	for _, column := range []string{"v", "w", "X y"} {
		if r.yes("column") {
			r.column(&t, column)
		}
	}
	return t
}

// number gives a column an identity, a sequence of its own, or neither.
func (r random) number(t *shape.Table, c *shape.Column) {
	s := shape.Sequence{
		Name: t.Name + r.oneOf("sequence", "_id_seq", "_seq"), Column: c.Name, Type: c.Type, Start: 1, Increment: 1, Min: 1,
		Max: 1000, Cache: rapid.Int64Range(1, 2).Draw(r.T, "cache"), Cycle: r.yes("cycle"),
	}
	switch r.oneOf("numbers", "identity", "serial", "none") {
	case "identity":
		s.Identity, c.Identity = true, r.oneOf("generated", "ALWAYS", "BY DEFAULT")
	case "serial":
		c.Default = "nextval('" + quote(t.Schema, s.Name) + "'::regclass)"
	case "none":
		return
	}
	t.Sequences = append(t.Sequences, s)
}

// column adds a column, and what stands on it.
func (r random) column(t *shape.Table, name string) {
	c := shape.Column{
		Name: name, NotNull: r.yes("not null"),
		Type: r.oneOf("type", "integer", "bigint", "text", "character varying(10)", "character varying", "numeric(10,2)"),
	}
	isText := c.Type == "text" || strings.HasPrefix(c.Type, "char")
	column := quote(name)
	switch {
	case r.yes("default"):
		c.Default = r.oneOf("value", "1", "'-2'::integer", "length('abc'::text)")
	case name == "w" && t.Columns[len(t.Columns)-1].Name == "v":
		c.Default, c.Generated = `(((v)::text || 'x'::text))::`+c.Type, "STORED"
		if !isText {
			c.Default = "(length((v)::text))::" + c.Type
		}
	}
	if isText && r.yes("collation") {
		c.Collation = `pg_catalog."C"`
	}
	if isText && r.yes("in") {
		t.Constraints = append(t.Constraints, shape.Constraint{
			Name: t.Name + "_" + name + "_check", Type: "c", Validated: true,
			Definition: "CHECK (" + column + " IN ('a', 'it''s, [(', '1'))",
		})
	}
	if r.yes("index") {
		t.Indexes = append(t.Indexes, shape.Index{Name: t.Name + "_" + name, Definition: fmt.Sprintf(
			"CREATE %s INDEX %s ON %s USING btree (tenant_id, %s)%s", r.oneOf("unique", "", "UNIQUE"),
			quote(t.Name+"_"+name), quote(t.Schema, t.Name), column, r.oneOf("partial", "", " WHERE ("+column+" IS NOT NULL)"))})
	}
	t.Columns = append(t.Columns, c)
}

// reference adds a foreign key, with a column for it. Among three tables there are cycles.
func (r random) reference(t, other *shape.Table) {
	if !r.yes("reference") {
		return
	}
	column := "of " + other.Name
	t.Columns = append(t.Columns, shape.Column{Name: column, Type: other.Columns[1].Type})
	t.Constraints = append(t.Constraints, shape.Constraint{
		Name: t.Name + " of " + other.Name, Type: "f", RefSchema: other.Schema, RefTable: other.Name, Validated: true,
		Definition: "FOREIGN KEY (" + quote(column) + ") REFERENCES " + quote(other.Schema, other.Name) + "(id)" +
			r.oneOf("action", "", " ON DELETE CASCADE", " DEFERRABLE"),
	})
}
