package codegen

import (
	"slices"
	"strings"
	"unicode"

	"entgo.io/ent/entc/gen"

	"github.com/stratum-hq/stratum-go/entstratum"
)

// checkTenant wants the tenant's field to be as the mixin makes it, and to be the only way to its column.
func (c *checker) checkTenant(n *gen.Type) {
	column := annotationOf(n.Annotations).Column
	tenant := false
	for _, f := range fieldsWithID(n) {
		switch {
		case f.Name == entstratum.FieldName:
			tenant = true
			c.checkTenantField(n, f, column)
		case f.StorageKey() == column:
			c.refuse(n.Name, f.Name, "it is stored in the tenant column", "store it in a column of its own")
		}
	}
	if !tenant {
		c.refuse(n.Name, "", "it has no field tenant_id", "add entstratum.Mixin{} to its Mixin()")
	}
	for _, key := range n.ForeignKeys {
		if e := key.Edge; e.Rel.Column() == column {
			c.refuse(e.Owner.Name, e.Name, "changing it would move rows of "+n.Name+" to another tenant: its column "+
				"is the tenant's", "store it in a column of its own")
		}
	}
}

func (c *checker) checkTenantField(n *gen.Type, f *gen.Field, column string) {
	const cure = "leave the field to the mixin"
	if !f.IsUUID() {
		c.refuse(n.Name, f.Name, "the tenant is not a uuid", cure)
	}
	if !f.Immutable {
		c.refuse(n.Name, f.Name, "the tenant of a row could be changed", "add Immutable(), or "+cure)
	}
	if f.Unique {
		c.refuse(n.Name, f.Name, "a tenant could have one row only", cure)
	}
	if f.StorageKey() != column {
		c.refuse(n.Name, f.Name, "its column is not the one that the mixin names", cure)
	}
	if !isMixedIn(n, f) {
		c.refuse(n.Name, f.Name, "it is not the mixin's, whose hook stamps rows and whose interceptor and policy "+
			"narrow statements", cure)
	}
}

// isMixedIn reports whether a mixin has brought the field together with a hook, an interceptor and a policy.
func isMixedIn(n *gen.Type, f *gen.Field) bool {
	at := f.Position
	return at != nil && at.MixedIn && slices.Contains(n.MixedInHooks(), at.MixinIndex) &&
		slices.Contains(n.MixedInInterceptors(), at.MixinIndex) && slices.Contains(n.MixedInPolicies(), at.MixinIndex)
}

func (c *checker) checkUniqueField(n *gen.Type, f *gen.Field) {
	reason := annotationOf(f.Annotations).GlobalUnique
	switch {
	case reason != "" && f.IsEdgeField():
		c.refuse(n.Name, f.Name, "the field of an edge is declared as globally unique",
			"remove entstratum.GlobalUnique: what it refers to is the tenant's")
	case f.Unique && f.IsEdgeField():
		c.refuse(n.Name, f.Name, "the unique field of an edge tells one tenant of another's values",
			`remove Unique(): an edge that is unique on both sides is unique per tenant; otherwise use `+
				`index.Fields("tenant_id", "`+f.Name+`").Unique()`)
	case f.Unique && reason == "":
		c.refuse(n.Name, f.Name, "a unique field tells one tenant of another's values",
			`replace Unique() by index.Fields("tenant_id", "`+f.Name+`").Unique(), or annotate the field with `+
				"entstratum.GlobalUnique(reason)")
	case !f.Unique && reason != "":
		c.refuse(n.Name, f.Name, "a field that is not unique is declared as globally unique",
			"add Unique(), or remove entstratum.GlobalUnique")
	case reason != "":
		c.checkReason(n.Name, f.Name, reason)
	}
}

// checkReason wants a text that a reader of the catalog can use.
func (c *checker) checkReason(schema, object, reason string) {
	if strings.TrimSpace(reason) == "" || strings.ContainsFunc(reason, unicode.IsControl) {
		c.refuse(schema, object, "the reason of a globally unique index is not one line of text",
			"write it on one line")
	}
}
