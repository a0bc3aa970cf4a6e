package verify

import (
	"slices"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// checkModels compares the database with what models declare. Without models there is nothing to compare.
func (l *look) checkModels() {
	for _, d := range l.absent {
		name := quote(d.Name)
		if d.Schema != "" {
			name = quote(d.Schema, d.Name)
		}
		l.add(Finding{
			Severity: Weakens, Code: CodeTableMissing, Object: "table " + name,
			Finding: "a model declares it and it does not exist", Cure: migrate,
		})
	}
	for _, r := range l.relations {
		if d := l.declared[r.OID]; d != nil {
			l.checkModel(l.classed[r.OID], d)
		}
	}
}

// migrate cures what is declared and not there.
const migrate = "run gormstratum.Migrate, or ent.StratumMigrate"

// uniqueNames are the unique keys of a model, be they constraints or indexes.
func uniqueNames(d *tables.Table) []string {
	var names []string
	for _, u := range d.Uniques {
		names = append(names, u.Name)
	}
	for _, i := range d.Indexes {
		if len(i.Unique) > 0 {
			names = append(names, i.Name)
		}
	}
	return names
}

// checkModel compares a table with its model.
func (l *look) checkModel(t *table, d *tables.Table) {
	if t.recorded != "" && t.recorded != t.class {
		l.add(Finding{
			Severity: Weakens, Code: CodeClassDiffers, Object: t.label(),
			Finding: "its model says that it is " + t.class + ", and Migrate has recorded " + t.recorded, Cure: migrate,
		})
	}
	if !t.isOwned() || l.isAdopting(t) {
		return
	}
	for _, name := range uniqueNames(d) {
		if !slices.ContainsFunc(l.indexed[t.OID], func(x *index) bool { return x.Unique && x.Name == name }) {
			l.add(Finding{
				Severity: Weakens, Code: CodeUniqueMissing, Cure: migrate,
				Object:  "index " + quote(t.Schema, name) + " on " + t.String(),
				Finding: "its model declares it and it does not exist, so a tenant can have the same value twice",
			})
		}
	}
	for _, k := range d.ForeignKeys {
		if !slices.ContainsFunc(l.refers[t.OID], func(has foreignKey) bool { return has.Name == k.Name }) {
			l.add(Finding{
				Severity: Weakens, Code: CodeForeignMissing, Cure: migrate,
				Object:  "constraint " + quote(k.Name) + " on " + t.String(),
				Finding: "its model declares it and it does not exist, so a row can refer to another tenant's",
			})
		}
	}
}
