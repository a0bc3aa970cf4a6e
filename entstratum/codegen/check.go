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
func check(g *gen.Graph, external []string) error {
	c := &checker{}
	c.checkConfig(g)
	for _, n := range g.Nodes {
		c.checkAnnotations(n)
		c.checkPlace(n)
		if c.checkClass(n).hasTenant() {
			c.checkTenant(n)
			c.checkUniques(n)
		} else {
			c.checkNoUniques(n)
		}
		c.checkEncrypted(n)
		c.checkEdges(n)
	}
	c.checkTables(g, external)
	return errors.Join(c.errs...)
}

func (c *checker) refuse(schema, object, finding, cure string) {
	c.errs = append(c.errs, &SchemaError{Schema: schema, Object: object, Finding: finding, Cure: cure})
}

// checkClass wants each schema to say whose its rows are. It returns what a schema says that is to be believed.
func (c *checker) checkClass(n *gen.Type) class {
	classes := annotationOf(n.Annotations).Classes
	switch found := classOf(n.Annotations); {
	case len(classes) > 1:
		c.refuse(n.Name, "", fmt.Sprintf("it is declared as %q at once", classes),
			"keep one of entstratum.Mixin{}, entstratum.OwnOrGlobal{} and entstratum.Global()")
	case n.IsView() && !found.is(entstratum.ClassView):
		c.refuse(n.Name, "", "a view shows the rows of all tenants unless it checks policies as whoever asks it",
			"create it WITH (security_invoker = true), and make entstratum.SecurityInvoker() all that its annotations "+
				"and its Mixin() say of tenants")
	case !n.IsView() && found.is(entstratum.ClassView):
		c.refuse(n.Name, "", "it is no view", "remove entstratum.SecurityInvoker()")
	case found == "":
		c.refuse(n.Name, "", "it is neither tenant-owned nor global",
			"add entstratum.Mixin{} to its Mixin(), or entstratum.Global() to its Annotations()")
	default:
		return found
	}
	return ""
}

// checkUniques wants whatever is unique in a schema with a tenant to be so per tenant, or to say why not.
func (c *checker) checkUniques(n *gen.Type) {
	for _, f := range n.Fields {
		if f.Name != entstratum.FieldName {
			c.checkUniqueField(n, f)
		}
	}
	if n.HasOneFieldID() && annotationOf(n.ID.Annotations).GlobalUnique != "" {
		c.refuse(n.Name, n.ID.Name, "ids are unique across tenants as they are", "remove entstratum.GlobalUnique")
	}
	column := annotationOf(n.Annotations).Column
	for _, index := range n.Indexes {
		c.checkIndex(n, index, column)
	}
}

// checkIndex wants a unique index to have the tenant column among its own.
func (c *checker) checkIndex(n *gen.Type, index *gen.Index, column string) {
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

// checkNoUniques wants no reason for what is not unique per tenant in any case.
func (c *checker) checkNoUniques(n *gen.Type) {
	if classOf(n.Annotations) == "" {
		return // it is not known yet whether there will be a tenant
	}
	refuse := func(name string, annotations gen.Annotations) {
		if annotationOf(annotations).GlobalUnique != "" {
			c.refuse(n.Name, name, "its rows belong to no tenant that they could be unique for",
				"remove entstratum.GlobalUnique")
		}
	}
	for _, f := range fieldsWithID(n) {
		refuse(f.Name, f.Annotations)
	}
	for _, index := range n.Indexes {
		refuse(index.Name, index.Annotations)
	}
}

// fieldsWithID returns the fields of a schema, the id first where it is a field.
func fieldsWithID(n *gen.Type) []*gen.Field {
	if !n.HasOneFieldID() {
		return n.Fields
	}
	return append([]*gen.Field{n.ID}, n.Fields...)
}
