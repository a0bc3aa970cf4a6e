package isolation

import (
	"context"
	"fmt"
	"slices"
)

// Adapter is the package that describes a model: the prefix of its errors, and whose Migrate is the cure.
type Adapter string

// Inspection is a path whose only result is what is wrong. "" is nothing.
func (a Adapter) Inspection(name, wrong string) Path {
	return Path{Name: name, Effect: Inspects, Run: func(context.Context, Attempt) ([]string, error) {
		if wrong == "" {
			return nil, nil
		}
		return nil, fmt.Errorf("%s: %s", a, wrong)
	}}
}

// Secured looks at the row-level security of a table.
func (a Adapter) Secured(table string, facts *Facts) Path {
	name, quoted := "row-level security of "+table, Quote(table)
	switch {
	case !facts.Secured:
		return a.Inspection(name, fmt.Sprintf("it is off (ALTER TABLE %s ENABLE ROW LEVEL SECURITY, or %s.Migrate)",
			quoted, a))
	case !facts.Forced:
		return a.Inspection(name, fmt.Sprintf("it does not bind the table's owner (ALTER TABLE %s FORCE ROW LEVEL "+
			"SECURITY, or %s.Migrate)", quoted, a))
	}
	return a.Inspection(name, "")
}

// Joins looks at the keys of a join table, whose rows have no other column to tell tenants apart. owned says which
// references are to tenant-owned tables.
func (a Adapter) Joins(table, column string, facts *Facts, owned func(Reference) bool) []Path {
	var paths []Path
	for _, r := range facts.References {
		if owned(r) {
			paths = append(paths, a.Inspection("foreign key "+r.Name+" of "+table, a.WithoutTenant(r, column)))
		}
	}
	return paths
}

// WithoutTenant is what is wrong with a foreign key that leaves out the tenant column. "" is nothing.
func (a Adapter) WithoutTenant(r Reference, column string) string {
	if slices.Contains(r.Columns, column) {
		return ""
	}
	return fmt.Sprintf("it leaves out the tenant, so that a row may refer to another tenant's (make it start with %s "+
		"on both sides, or %s.Migrate)", column, a)
}

// Disclosing is what is wrong with a unique key that leaves out the tenant column. "" is nothing.
func (Adapter) Disclosing(u Unique, column string) string {
	if len(u.Columns) == 0 || slices.Contains(u.Columns, column) {
		return ""
	}
	return "the key leaves out the tenant, so that a tenant learns which values others have (make it start with " +
		column + ")"
}
