package codegen

import (
	"fmt"
	"slices"

	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/entc/gen"
	"entgo.io/ent/schema/field"

	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// checkEncrypted looks at what fields say of their storage.
func (c *checker) checkEncrypted(n *gen.Type) {
	labels := make(map[string]string)
	for _, f := range fieldsWithID(n) {
		a := annotationOf(f.Annotations)
		switch {
		case a.Searchable && !a.Encrypted:
			c.refuse(n.Name, f.Name, "a field that is not encrypted is declared as searchable",
				"add entstratum.Encrypted(), or remove entstratum.Searchable()")
		case !a.Encrypted:
		case !c.mayEncrypt(n, f):
		default:
			c.checkStored(n, f)
			c.checkColumn(n, f)
			c.checkEncryptedIndexes(n, f)
			label := labelOf(f)
			if other, taken := labels[label]; taken {
				c.refuse(n.Name, f.Name, "its values are bound to the same label as those of "+other,
					"give it another EncryptedOptions.Label")
			}
			labels[label] = f.Name
		}
	}
}

func labelOf(f *gen.Field) string {
	if label := annotationOf(f.Annotations).Label; label != "" {
		return label
	}
	return f.StorageKey()
}

// mayEncrypt refuses fields for which there are no keys, or which the database must know.
func (c *checker) mayEncrypt(n *gen.Type, f *gen.Field) bool {
	switch {
	case f == n.ID || f.Name == entstratum.FieldName || f.IsEdgeField():
		c.refuse(n.Name, f.Name, "it is compared by the database, and cannot be encrypted",
			"remove entstratum.Encrypted()")
	case n.IsView():
		c.refuse(n.Name, f.Name, "a view cannot tell from which column its values are",
			"remove entstratum.Encrypted(), and leave the column out of the view")
	case classOf(n.Annotations) != "" && !classOf(n.Annotations).is(entstratum.ClassOwned):
		c.refuse(n.Name, f.Name, "it is encrypted with keys of its row's tenant, and not all rows have one",
			"remove entstratum.Encrypted(), or make the schema tenant-owned")
	case f.Unique:
		c.refuse(n.Name, f.Name, "an encrypted field is declared as unique, and equal values are stored differently",
			`replace Unique() by index.Fields("tenant_id", "`+f.Name+`").Unique(), which is on the blind index of a `+
				`searchable field`)
	default:
		return true
	}
	return false
}

// checkStored refuses what the database would store in the clear, or compute with.
func (c *checker) checkStored(n *gen.Type, f *gen.Field) {
	a := f.EntSQL()
	if a == nil {
		a = &entsql.Annotation{}
	}
	switch {
	case a.Default != "" || a.DefaultExpr != "" || len(a.DefaultExprs) > 0:
		c.refuse(n.Name, f.Name, "its default would be stored in the clear", "use ent's Default(), which Go evaluates")
	case a.Check != "" || len(a.Checks) > 0:
		c.refuse(n.Name, f.Name, "its check would be done on the sealed value", "use ent's Validate()")
	}
}

// checkColumn has the declaration looked at by package fieldcrypt, and the names of its columns by itself.
func (c *checker) checkColumn(n *gen.Type, f *gen.Field) {
	declared := fieldOf(f)
	_, err := fieldcrypt.NewColumn(fieldcrypt.ColumnOptions{
		Table: n.Table(), Column: f.StorageKey(), Alg: declared.Alg, Indexes: declared.Indexes,
	})
	if err != nil {
		c.refuse(n.Name, f.Name, err.Error(), "change what is given to entstratum.Encrypted() or Searchable()")
	}
	switch {
	case declared.PrimaryKey && n.ID != nil && n.HasOneFieldID() && !n.ID.UserDefined:
		c.refuse(n.Name, f.Name, "it is bound to the primary key, which the database assigns",
			`declare the id, such as field.UUID("id", uuid.UUID{}).Default(uuid.New), or leave PrimaryKey out`)
	case declared.Searchable && (declared.Kind == entstratum.KindBool || declared.Kind == entstratum.KindJSON ||
		declared.Kind == entstratum.KindOther):
		c.refuse(n.Name, f.Name, "a blind index of a "+string(declared.Kind)+" field finds nothing, or "+
			"tells everything", "remove entstratum.Searchable()")
	}
	for _, index := range declared.Indexes {
		if len(index.Normalize) > 0 && declared.Kind != entstratum.KindText {
			c.refuse(n.Name, f.Name, "normalizers are for texts", "remove them")
		}
		for _, other := range n.Fields {
			if name := declared.IndexColumn(index.Name); other.StorageKey() == name {
				c.refuse(n.Name, f.Name, fmt.Sprintf("the column %q of its blind index is another field's", name),
					"rename one of them")
			}
		}
	}
}

// checkEncryptedIndexes refuses indexes that would be on sealed values, where no two are the same, or not unique in
// truth.
func (c *checker) checkEncryptedIndexes(n *gen.Type, f *gen.Field) {
	declared := fieldOf(f)
	for _, index := range n.Indexes {
		if !slices.Contains(index.Columns, f.StorageKey()) {
			continue
		}
		object := f.Name
		switch {
		case !declared.Searchable:
			c.refuse(n.Name, object, "an encrypted field has an index, which finds nothing in sealed values",
				"add entstratum.Searchable(), and the index is on the blind index")
		case index.Unique && !slices.Contains(index.Columns, annotationOf(n.Annotations).Column):
			c.refuse(n.Name, object, "an encrypted field cannot be unique across tenants, whose keys differ",
				`begin the index's fields with "tenant_id"`)
		case index.Unique && declared.Indexes[0].Bits > 0 && declared.Indexes[0].Bits < fieldcrypt.DefaultBits:
			c.refuse(n.Name, object, "an encrypted field is unique, and so few bits of a blind index are not",
				"leave out Bits of its first index")
		case len(index.Annotations) > 0 && hasIndexOptions(index):
			c.refuse(n.Name, object, "an index of a blind index has no types, operators, conditions or orders",
				"remove them from the index")
		}
	}
}

// hasIndexOptions reports whether an index says more than its columns.
func hasIndexOptions(index *gen.Index) bool {
	_, ok := index.Annotations[entsql.IndexAnnotation{}.Name()]
	return ok
}

// kindOf is what the values of a field are.
func kindOf(f *gen.Field) entstratum.Kind {
	switch t := f.Type.Type; {
	case f.HasValueScanner():
		return entstratum.KindOther
	case t == field.TypeString || t == field.TypeEnum:
		return entstratum.KindText
	case t == field.TypeBytes:
		return entstratum.KindBytes
	case t == field.TypeTime:
		return entstratum.KindTime
	case t == field.TypeBool:
		return entstratum.KindBool
	case t.Integer():
		return entstratum.KindInteger
	case t.Float():
		return entstratum.KindFloat
	case t == field.TypeUUID:
		return entstratum.KindUUID
	case t == field.TypeJSON:
		return entstratum.KindJSON
	}
	return entstratum.KindOther
}

// fieldOf is a field as the registry has it.
func fieldOf(f *gen.Field) entstratum.Field {
	a := annotationOf(f.Annotations)
	declared := entstratum.Field{
		Name: f.Name, Column: f.StorageKey(), Personal: a.Personal, Encrypted: a.Encrypted, Searchable: a.Searchable,
	}
	if a.Encrypted {
		declared.Kind, declared.Label, declared.Alg, declared.PrimaryKey = kindOf(f), a.Label, a.Alg, a.PrimaryKey
		declared.Indexes = a.Indexes
	}
	return declared
}

// isEncrypted reports whether a field is stored encrypted.
func isEncrypted(f *gen.Field) bool { return annotationOf(f.Annotations).Encrypted }

// isFound reports whether a field is found by its value.
func isFound(f *gen.Field) bool { return !isEncrypted(f) || annotationOf(f.Annotations).Searchable }

// opsOf are the predicates of a field: of one that is encrypted those that its blind index answers, and whether it is
// NULL.
func opsOf(f *gen.Field) []gen.Op {
	if !isEncrypted(f) {
		return f.Ops()
	}
	return slices.DeleteFunc(slices.Clone(f.Ops()), func(op gen.Op) bool {
		switch op { //nolint:exhaustive // no others are answered
		case gen.EQ, gen.NEQ, gen.In, gen.NotIn:
			return !isFound(f)
		case gen.IsNil, gen.NotNil:
			return false
		}
		return true
	})
}

// hasEncrypted reports whether some schema has an encrypted field.
func hasEncrypted(g *gen.Graph) bool {
	return slices.ContainsFunc(g.Nodes, func(n *gen.Type) bool { return slices.ContainsFunc(n.Fields, isEncrypted) })
}
