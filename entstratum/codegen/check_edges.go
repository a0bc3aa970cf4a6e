package codegen

import (
	"slices"

	"entgo.io/ent/entc/gen"

	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// checkEdges looks at the foreign keys that the edges of a schema make. Inverse edges make none.
func (c *checker) checkEdges(n *gen.Type) {
	for _, e := range n.Edges {
		if e.IsInverse() {
			continue
		}
		switch through := throughOf(e); {
		case e.M2M() && through != nil:
			c.checkThrough(n, e, through)
		case e.M2M():
			c.checkJoin(n, e)
		case e.M2O():
			c.checkReference(n, e, n, e.Type)
		default:
			c.checkReference(n, e, e.Type, n)
		}
	}
}

// throughOf returns the edge schema of an edge, whichever of its two ends names it, or nil.
func throughOf(e *gen.Edge) *gen.Type {
	if e.Through == nil && e.Ref != nil {
		return e.Ref.Through
	}
	return e.Through
}

// checkReference looks at a foreign key from one schema's table to another's.
func (c *checker) checkReference(n *gen.Type, e *gen.Edge, from, to *gen.Type) {
	referring, referred := classOf(from.Annotations), classOf(to.Annotations)
	switch {
	case referred.is(entstratum.ClassMixed):
		c.refuseMixed(n, e, to)
	case referring.is(entstratum.ClassGlobal) && referred.is(entstratum.ClassOwned):
		c.refuse(n.Name, e.Name, "rows of the global schema "+from.Name+" would refer to a tenant's rows of "+to.Name,
			"turn the edge round, or make "+from.Name+" tenant-owned")
	}
}

// checkJoin looks at the table that ent makes for the edge. It is tenant-owned where one of the two is.
func (c *checker) checkJoin(n *gen.Type, e *gen.Edge) {
	c.checkSides(n, e)
	if joinClass(n, e).is(entstratum.ClassOwned) && slices.Contains(e.Rel.Columns, tables.DefaultColumn) {
		c.refuse(n.Name, e.Name, "a column of its join table is called "+tables.DefaultColumn+", as the tenant column "+
			"is",
			"give it another name with edge.Columns")
	}
}

// checkSides wants both sides of a join to be known as a tenant's or everyone's.
func (c *checker) checkSides(n *gen.Type, e *gen.Edge) {
	for _, side := range []*gen.Type{n, e.Type} {
		if classOf(side.Annotations).is(entstratum.ClassMixed) {
			c.refuseMixed(n, e, side)
			return
		}
	}
}

// checkThrough wants the rows that join a tenant's rows to be the tenant's, and a tenant's rows that join everyone's to
// be unique for the tenant.
func (c *checker) checkThrough(n *gen.Type, e *gen.Edge, through *gen.Type) {
	owned := classOf(through.Annotations).is(entstratum.ClassOwned)
	switch ends := joinClass(n, e); {
	case ends.is(entstratum.ClassOwned) && !owned:
		c.refuse(n.Name, e.Name, "its edge schema "+through.Name+" is not tenant-owned, and joins a tenant's rows",
			"add entstratum.Mixin{} to the Mixin() of "+through.Name)
	case ends.is(entstratum.ClassGlobal) && through.HasCompositeID() && classOf(through.Annotations).hasTenant():
		c.refuse(through.Name, "", "its key of two global rows tells one tenant of another's",
			"give it an id of its own, and leave field.ID out")
	}
	c.checkSides(n, e)
}

func (c *checker) refuseMixed(n *gen.Type, e *gen.Edge, to *gen.Type) {
	c.refuse(n.Name, e.Name, "its foreign key would refer to "+to.Name+", whose rows are a tenant's or everyone's, "+
		"and a foreign key cannot tell which", "replace the edge by a field that holds the id: the policies hide "+
		"other tenants' rows all the same")
}

// joinClass is the class of the table that joins the two sides of an edge.
func joinClass(n *gen.Type, e *gen.Edge) class {
	for _, side := range []*gen.Type{n, e.Type} {
		if found := classOf(side.Annotations); found.is(entstratum.ClassOwned) {
			return found
		}
	}
	return class(entstratum.ClassGlobal)
}
