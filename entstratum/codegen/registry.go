package codegen

import (
	"fmt"
	"strings"

	"entgo.io/ent/dialect"
	"entgo.io/ent/entc/gen"

	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// registryOf returns the tables of a graph as the generated registry has them: in ent's order, and views last.
func registryOf(g *gen.Graph) ([]entstratum.Table, error) {
	wanted, err := g.Tables()
	if err != nil {
		return nil, err
	}
	nodes, joins := make(map[string]*gen.Type), make(map[string]entstratum.Table)
	var views []entstratum.Table
	for _, n := range g.Nodes {
		if n.IsView() {
			views = append(views, viewOf(n))
			continue
		}
		nodes[n.Table()] = n
		for _, e := range n.Edges {
			if e.M2M() && !e.IsInverse() && throughOf(e) == nil {
				joins[e.Rel.Table] = joinOf(n, e)
			}
		}
	}
	list := make([]entstratum.Table, 0, len(wanted)+len(views))
	for _, t := range wanted {
		known, ok := joins[t.Name], true
		if n := nodes[t.Name]; n != nil {
			known = tableOf(n)
		} else if known.Name == "" {
			ok = false
		}
		if !ok {
			return nil, fmt.Errorf("entstratum/codegen: table %q belongs to no schema and no edge", t.Name)
		}
		known.Schema = t.Schema
		list = append(list, known)
	}
	return append(list, views...), nil
}

func viewOf(n *gen.Type) entstratum.Table {
	t := entstratum.Table{Name: n.Table(), Entity: n.Name, Class: entstratum.ClassView, Fields: fieldsOf(n)}
	if a := n.EntSQL(); a != nil {
		t.Schema, t.View = a.Schema, a.ViewAs
		if query := a.ViewFor[dialect.Postgres]; query != "" {
			t.View = query
		}
	}
	return t
}

func tableOf(n *gen.Type) entstratum.Table {
	t := entstratum.Table{Name: n.Table(), Entity: n.Name, Class: entstratum.Class(classOf(n.Annotations))}
	t.Column, t.Fields = annotationOf(n.Annotations).Column, fieldsOf(n)
	t.StorageKeys = storageKeysOf(n)
	keep := func(index string, annotations gen.Annotations) {
		if reason := strings.TrimSpace(annotationOf(annotations).GlobalUnique); reason != "" {
			t.GlobalUnique = append(t.GlobalUnique, entstratum.UniqueIndex{Name: index, Reason: reason})
		}
	}
	for _, f := range n.Fields {
		keep(fmt.Sprintf("%s_%s_key", n.Table(), f.StorageKey()), f.Annotations)
	}
	for _, index := range n.Indexes {
		keep(index.Name, index.Annotations)
	}
	return t
}

// joinOf is the table that ent makes for an edge.
func joinOf(n *gen.Type, e *gen.Edge) entstratum.Table {
	t := entstratum.Table{Name: e.Rel.Table, Join: true, Class: entstratum.Class(joinClass(n, e))}
	if t.Class == entstratum.ClassOwned {
		t.Column = tables.DefaultColumn
	}
	return t
}

// storageKeysOf are the columns that are named otherwise than their fields.
func storageKeysOf(n *gen.Type) map[string]string {
	keys := make(map[string]string)
	for _, f := range fieldsWithID(n) {
		if f.Name != f.StorageKey() && f.Name != entstratum.FieldName {
			keys[f.Name] = f.StorageKey()
		}
	}
	return keys
}

func fieldsOf(n *gen.Type) []entstratum.Field {
	var fields []entstratum.Field
	for _, f := range fieldsWithID(n) {
		a := annotationOf(f.Annotations)
		if a.Personal || a.Encrypted {
			fields = append(fields, fieldOf(f))
		}
	}
	return fields
}
