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
		for _, x := range t.rel.Indexes {
			if x.Unique && !slices.Contains(x.Columns, t.Column) && !sameSet(x.Columns, t.rel.primaryKey()) {
				all = append(all, Finding{
					Table: t.rel.String(), Object: x.Name,
					Problem: "the index is unique across tenants and tells them of each other's values",
					Cure:    "DROP INDEX " + quote(t.rel.Schema, x.Name) + ", or declare it in the model",
				})
			}
		}
		for _, c := range t.rel.Constraints {
			if ref := v.byOID[c.Ref]; c.Type == foreignKey && ref != nil && ref.Kind == Owned &&
				!slices.Contains(c.Columns, t.Column) {
				all = append(all, Finding{
					Table: t.rel.String(), Object: c.Name,
					Problem: "the foreign key lets rows refer to another tenant's",
					Cure:    "ALTER TABLE " + t.rel.String() + " DROP CONSTRAINT " + quote(c.Name) + ", or declare it in the model",
				})
			}
		}
	}
	return all
}
