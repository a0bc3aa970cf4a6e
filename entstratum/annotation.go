package entstratum

import (
	"cmp"
	"reflect"
	"slices"

	"entgo.io/ent/schema"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// AnnotationName is the name under which ent keeps an Annotation.
const AnnotationName = "Stratum"

// Class says whose the rows of a table are.
type Class string

// The classes of tables.
const (
	// ClassOwned is a table whose rows belong to one tenant each: Mixin.
	ClassOwned Class = "owned"
	// ClassMixed is a table whose rows belong to one tenant each, or to everyone: OwnOrGlobal.
	ClassMixed Class = "mixed"
	// ClassGlobal is a table that every tenant reads and the system writes: Global.
	ClassGlobal Class = "global"
	// ClassView is a view that checks policies as whoever asks it: SecurityInvoker.
	ClassView Class = "view"
)

// Annotation is what a schema says of itself, of a field or of an index. It is made by the functions of this file, and
// merges with others of its name.
type Annotation struct {
	// Classes are those that the schema was given; one that has more than one is refused.
	Classes []Class `json:"classes,omitempty"`
	// Column is the tenant column, of a class that has one.
	Column string `json:"column,omitempty"`
	// GlobalUnique is the reason for which a unique field or index stays unique across tenants.
	GlobalUnique string `json:"global_unique,omitempty"`
	// Personal says that the field holds personal data.
	Personal bool `json:"personal,omitempty"`
	// Encrypted says that the field is stored encrypted.
	Encrypted bool `json:"encrypted,omitempty"`
	// Label, Alg and PrimaryKey are EncryptedOptions.
	Label      string         `json:"label,omitempty"`
	Alg        fieldcrypt.Alg `json:"alg,omitempty"`
	PrimaryKey bool           `json:"primary_key,omitempty"`
	// Searchable says that an encrypted field is found by its value, and Indexes how.
	Searchable bool                      `json:"searchable,omitempty"`
	Indexes    []fieldcrypt.IndexOptions `json:"indexes,omitempty"`
}

// Name returns AnnotationName.
func (Annotation) Name() string { return AnnotationName }

// Merge returns what both annotations say. Of two columns or reasons the other's is kept.
func (a Annotation) Merge(other schema.Annotation) schema.Annotation {
	var b Annotation
	switch other := other.(type) {
	case Annotation:
		b = other
	case *Annotation:
		if other == nil {
			return a
		}
		b = *other
	default:
		return a
	}
	a.Classes = slices.Concat(a.Classes, b.Classes)
	slices.Sort(a.Classes)
	a.Classes = slices.Compact(a.Classes)
	if b.Column != "" {
		a.Column = b.Column
	}
	if b.GlobalUnique != "" {
		a.GlobalUnique = b.GlobalUnique
	}
	a.Personal = a.Personal || b.Personal
	a.Encrypted = a.Encrypted || b.Encrypted
	a.Label, a.Alg = cmp.Or(b.Label, a.Label), cmp.Or(b.Alg, a.Alg)
	a.PrimaryKey = a.PrimaryKey || b.PrimaryKey
	a.Searchable = a.Searchable || b.Searchable
	a.Indexes = slices.Clone(a.Indexes)
	for _, index := range b.Indexes {
		same := func(other fieldcrypt.IndexOptions) bool { return reflect.DeepEqual(index, other) }
		if !slices.ContainsFunc(a.Indexes, same) {
			a.Indexes = append(a.Indexes, index)
		}
	}
	return a
}

// Global makes a schema global: every tenant reads its table, and only the system writes it.
//
//	func (Country) Annotations() []schema.Annotation { return []schema.Annotation{entstratum.Global()} }
func Global() Annotation { return Annotation{Classes: []Class{ClassGlobal}} }

// SecurityInvoker says of an ent.View that it is created WITH (security_invoker = true), so that the policies of the
// tables beneath it see the tenant and not the view's owner. Migrate looks whether that is so.
func SecurityInvoker() Annotation { return Annotation{Classes: []Class{ClassView}} }

// GlobalUnique lets a unique field or index of a tenant-owned schema stay unique across tenants, such as the serial
// number of a device that must not be registered by two of them. The reason says why, in one line; Migrate writes it
// into the index's comment. It lets a tenant find out that some other one has a value: a duplicate is
// core.ErrDuplicateKey, without saying whose.
func GlobalUnique(reason string) Annotation { return Annotation{GlobalUnique: reason} }

// Personal marks a field that holds personal data.
func Personal() Annotation { return Annotation{Personal: true} }

// EncryptedOptions say how a field is encrypted.
type EncryptedOptions struct {
	// Label is what the values are bound to: "column" or "table.column". Give it before either is renamed, with the
	// name of before. Defaults to the names of table and column.
	Label string
	// Alg is how values are sealed. fieldcrypt.XAES256GCM is for columns that are written more than 2^31 times with one
	// key. Defaults to fieldcrypt.AES256GCM.
	Alg fieldcrypt.Alg
	// PrimaryKey binds the row's primary key into each value, so that it is worth nothing in another row. It is for ids
	// that the application assigns, such as uuids with a Default. The field is then updated row by row, by UpdateOneID.
	// Defaults to false.
	PrimaryKey bool
}

// Encrypted marks a field of a tenant-owned schema that is stored encrypted, with keys of its tenant: see
// core.Options.KEK. At most one EncryptedOptions may be given.
//
//	field.String("email").Annotations(entstratum.Encrypted(), entstratum.Searchable())
func Encrypted(options ...EncryptedOptions) Annotation {
	a := Annotation{Encrypted: true}
	for _, o := range options {
		a.Label, a.Alg, a.PrimaryKey = o.Label, o.Alg, o.PrimaryKey
	}
	return a
}

// Searchable marks an encrypted field that is found by its value: it gets a blind index, and predicates for equality
// and IN. Several indexes may be given, with names; predicates look in the first, and ByIndex in the others. Defaults
// to one index of 128 bits, without normalizers.
//
//	entstratum.Searchable(fieldcrypt.IndexOptions{
//		Normalize: []fieldcrypt.Normalizer{fieldcrypt.Casefold, fieldcrypt.Trim},
//	})
func Searchable(indexes ...fieldcrypt.IndexOptions) Annotation {
	if len(indexes) == 0 {
		indexes = []fieldcrypt.IndexOptions{{}}
	}
	return Annotation{Searchable: true, Indexes: indexes}
}
