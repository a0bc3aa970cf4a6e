package codegen

import (
	"errors"
	"fmt"
	"slices"

	"entgo.io/ent/entc/gen"

	"github.com/stratum-hq/stratum-go/entstratum"
)

// checker collects what is wrong with the schemas.
type checker struct {
	errs []error
}

// check returns all that is wrong with the schemas of a graph, joined, or nil.
func check(g *gen.Graph) error {
	c := &checker{}
	if on, _ := g.FeatureEnabled(gen.FeatureSchemaConfig.Name); on {
		c.refuse("*", "", "ent's feature sql/schemaconfig names the schema of a table in some statements and not in "+
			"others", "leave it out of the features: Stratum sets the search_path of each statement")
	}
	for _, n := range g.Nodes {
		if c.checkClass(n) {
			c.checkFields(n)
			c.checkIndexes(n)
		}
		c.checkEdges(n)
	}
	return errors.Join(c.errs...)
}

func (c *checker) refuse(schema, object, finding, cure string) {
	c.errs = append(c.errs, &SchemaError{Schema: schema, Object: object, Finding: finding, Cure: cure})
}

// checkClass wants each schema to say whose its rows are. It reports whether they are a tenant's.
func (c *checker) checkClass(n *gen.Type) bool {
	classes := annotationOf(n.Annotations).Classes
	switch found := classOf(n.Annotations); {
	case len(classes) > 1:
		c.refuse(n.Name, "", fmt.Sprintf("it is declared as %q at once", classes),
			"keep one of entstratum.Mixin{}, entstratum.OwnOrGlobal{} and entstratum.Global()")
	case n.IsView() && !found.is(entstratum.ClassView):
		c.refuse(n.Name, "", "a view shows the rows of all tenants unless it checks policies as whoever asks it",
			"create it WITH (security_invoker = true) and add entstratum.SecurityInvoker() to its annotations")
	case !n.IsView() && found.is(entstratum.ClassView):
		c.refuse(n.Name, "", "it is no view", "remove entstratum.SecurityInvoker()")
	case found == "":
		c.refuse(n.Name, "", "it is neither tenant-owned nor global",
			"add entstratum.Mixin{} to its Mixin(), or entstratum.Global() to its Annotations()")
	default:
		return found.hasTenant()
	}
	return false
}

// checkIndexes wants unique indexes to have the tenant column among theirs.
func (c *checker) checkIndexes(n *gen.Type) {
	column := annotationOf(n.Annotations).Column
	for _, index := range n.Indexes {
		reason := annotationOf(index.Annotations).GlobalUnique
		switch led := slices.Contains(index.Columns, column); {
		case !index.Unique && reason != "":
			c.refuse(n.Name, index.Name, "an index that is not unique is declared as globally unique",
				"add Unique(), or remove entstratum.GlobalUnique")
		case led && reason != "":
			c.refuse(n.Name, index.Name, "an index of the tenant is declared as globally unique",
				"take tenant_id out of its fields, or remove entstratum.GlobalUnique")
		case index.Unique && !led && reason == "" && !isEdgeKey(n, index):
			c.refuse(n.Name, index.Name, "a unique index without the tenant tells one tenant of another's values",
				`begin its fields with "tenant_id", or annotate it with entstratum.GlobalUnique(reason)`)
		case reason != "":
			c.checkReason(n.Name, index.Name, reason)
		}
	}
}

// isEdgeKey reports whether an index is one that ent adds to an edge schema by itself. Stratum leads it.
func isEdgeKey(n *gen.Type, index *gen.Index) bool {
	for _, edge := range []*gen.Edge{n.EdgeSchema.To, n.EdgeSchema.From} {
		if edge != nil && slices.Equal(slices.Sorted(slices.Values(edge.Rel.Columns)),
			slices.Sorted(slices.Values(index.Columns))) {
			return true
		}
	}
	return false
}
