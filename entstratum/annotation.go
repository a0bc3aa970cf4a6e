package entstratum

import (
	"slices"

	"entgo.io/ent/schema"
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
	// Searchable says that an encrypted field is found by its value.
	Searchable bool `json:"searchable,omitempty"`
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
	a.Searchable = a.Searchable || b.Searchable
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

// Encrypted marks a field that is stored encrypted. A client without keys refuses to write it with ErrEncrypted, rather
// than store what it is given.
func Encrypted() Annotation { return Annotation{Encrypted: true} }

// Searchable marks an encrypted field that is found by its value.
func Searchable() Annotation { return Annotation{Searchable: true} }
