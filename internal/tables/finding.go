package tables

import (
	"slices"
)

// Finding is something on an owned table that is not Stratum's, is left alone, and has a way past the boundary.
type Finding struct {
	// Table is the table, quoted and with its schema.
	Table string
	// Object is the index or constraint.
	Object string
	// Problem says what it allows.
	Problem string
	// Cure is the SQL to be rid of it.
	Cure string
}

// findings looks for keys that reach across tenants: a unique index tells one tenant of another's values, a foreign key
// of another's rows, and may delete or change one's rows with the other's.
func findings(v *view, owned []*target) []Finding {
	var all []Finding
	for _, t := range owned {
		all = append(all, t.uniqueFindings()...)
		all = append(all, t.referenceFindings(v)...)
	}
	return all
}

// uniqueFindings leaves out the primary key: it stays as the ORM declares it, and its violation is an opaque error. So
// is that of an index that is declared to be globally unique.
func (t *target) uniqueFindings() []Finding {
	var all []Finding
	for _, x := range t.rel.Indexes {
		if !x.Unique || slices.Contains(x.Columns, t.Column) || sameSet(x.Columns, t.rel.primaryKey()) ||
			t.globallyUnique(x.Name) {
			continue
		}
		cure := "DROP INDEX " + quote(t.rel.Schema, x.Name)
		if t.rel.constraint(x.Name) != nil {
			cure = "ALTER TABLE " + t.rel.String() + " DROP CONSTRAINT " + quote(x.Name)
		}
		all = append(all, Finding{
			Table: t.rel.String(), Object: x.Name, Cure: cure + ", or declare it in the model",
			Problem: "the index is unique across tenants and tells them of each other's values",
		})
	}
	return all
}

// referenceFindings looks at references between owned tables alone: those to others have no tenant to compare.
func (t *target) referenceFindings(v *view) []Finding {
	var all []Finding
	for _, c := range t.rel.Constraints {
		ref := v.byOID[c.Ref]
		if c.Type != foreignKey || ref == nil || !ref.Kind.HasTenant() || slices.Contains(c.Columns, t.Column) {
			continue
		}
		cure := "ALTER TABLE " + t.rel.String() + " DROP CONSTRAINT " + quote(c.Name)
		all = append(all, Finding{
			Table: t.rel.String(), Object: c.Name, Cure: cure + ", or declare it in the model",
			Problem: "the foreign key lets rows refer to another tenant's",
		})
	}
	return all
}
