package codegen

import (
	"strings"
	"unicode"

	"entgo.io/ent/entc/gen"

	"github.com/stratum-hq/stratum-go/entstratum"
)

// checkFields looks at the fields of a schema with a tenant.
func (c *checker) checkFields(n *gen.Type) {
	tenant := false
	for _, f := range n.Fields {
		if f.Name == entstratum.FieldName {
			tenant = true
			c.checkTenant(n, f)
			continue
		}
		c.checkField(n, f)
	}
	if !tenant {
		c.refuse(n.Name, "", "it has no field tenant_id", "add entstratum.Mixin{} to its Mixin()")
	}
	if n.ID != nil && n.ID.Name == entstratum.FieldName {
		c.refuse(n.Name, n.ID.Name, "the tenant is its id", "give it an id of its own")
	}
}

// checkTenant wants the field to be as the mixin makes it, also where a schema declares it once more.
func (c *checker) checkTenant(n *gen.Type, f *gen.Field) {
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
	if f.StorageKey() != annotationOf(n.Annotations).Column {
		c.refuse(n.Name, f.Name, "its column is not the one that the mixin names", cure)
	}
}

func (c *checker) checkField(n *gen.Type, f *gen.Field) {
	a := annotationOf(f.Annotations)
	switch {
	case f.Unique && a.GlobalUnique == "":
		c.refuse(n.Name, f.Name, "a unique field tells one tenant of another's values",
			`replace Unique() by index.Fields("tenant_id", "`+f.Name+`").Unique(), or annotate the field with `+
				"entstratum.GlobalUnique(reason)")
	case !f.Unique && a.GlobalUnique != "":
		c.refuse(n.Name, f.Name, "a field that is not unique is declared as globally unique",
			"add Unique(), or remove entstratum.GlobalUnique")
	case a.GlobalUnique != "":
		c.checkReason(n.Name, f.Name, a.GlobalUnique)
	}
	switch {
	case a.Searchable && !a.Encrypted:
		c.refuse(n.Name, f.Name, "a field that is not encrypted is declared as searchable",
			"add entstratum.Encrypted(), or remove entstratum.Searchable()")
	case a.Encrypted && f.Unique:
		c.refuse(n.Name, f.Name, "an encrypted field cannot be unique: equal values are stored differently",
			"remove Unique()")
	}
}

// checkReason wants a text that a reader of the catalog can use.
func (c *checker) checkReason(schema, object, reason string) {
	if strings.TrimSpace(reason) == "" || strings.ContainsFunc(reason, unicode.IsControl) {
		c.refuse(schema, object, "the reason of a globally unique index is not one line of text", "write it on one line")
	}
}
