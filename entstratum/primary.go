package entstratum

import (
	"slices"

	"entgo.io/ent/dialect/sql/schema"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// leadPrimaryKeys puts the tenant column in front of the primary keys of tenant-owned tables, where core.Options
// wants it or the engine does. The key beside the primary key is then none of its own. It is no part of Desire, which
// knows no handle; so ent's own migration, run without Migrate, would take it back.
func leadPrimaryKeys(wanted []*schema.Table, r *Registry) {
	for _, t := range wanted {
		known, ok := r.Table(t.Name)
		primary := columnNames(t.PrimaryKey)
		if !ok || known.Class != ClassOwned || len(primary) == 0 || slices.Contains(primary, known.Column) {
			continue
		}
		beside := tables.ReferredKeyName(t.Name, primary, primary)
		t.Indexes = slices.DeleteFunc(t.Indexes, func(index *schema.Index) bool { return index.Name == beside })
		t.PrimaryKey = slices.Insert(slices.Clone(t.PrimaryKey), 0, tenantColumn(t, known))
	}
}
