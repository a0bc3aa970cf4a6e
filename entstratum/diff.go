package entstratum

import (
	atlas "ariga.io/atlas/sql/schema"
	"entgo.io/ent/dialect/sql/schema"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// Option returns what ent's own migration needs to write composite foreign keys as they must be. Migrate and Script add
// it themselves; the generated migrate.StratumOption() returns it for NamedDiff.
func (r *Registry) Option() schema.MigrateOption { return schema.WithDiffHook(r.diff) }

// diff changes what ent is about to do. ent compares keys without what is changed here, so it is done to new ones
// alone, and a second migration finds nothing to do.
func (r *Registry) diff(next schema.Differ) schema.Differ {
	return schema.DiffFunc(func(current, desired *atlas.Schema) ([]atlas.Change, error) {
		changes, err := next.Diff(current, desired)
		if err != nil {
			return nil, err
		}
		var later []atlas.Change
		for _, change := range changes {
			switch change := change.(type) {
			case *atlas.AddTable:
				if keys := r.detach(change.T); len(keys) > 0 {
					later = append(later, &atlas.ModifyTable{T: change.T, Changes: keys})
				}
			case *atlas.ModifyTable:
				r.completeKeys(change.Changes)
			}
		}
		return append(changes, later...), nil
	})
}

// detach takes the composite foreign keys out of a new table, for a statement of their own: the unique indexes that
// they refer to are made after the tables, a table's own included.
func (r *Registry) detach(t *atlas.Table) []atlas.Change {
	var plain []*atlas.ForeignKey
	var later []atlas.Change
	for _, key := range t.ForeignKeys {
		if len(key.Columns) < 2 {
			plain = append(plain, key)
			continue
		}
		r.listColumns(key)
		later = append(later, &atlas.AddForeignKey{F: key})
	}
	t.ForeignKeys = plain
	return later
}

func (r *Registry) completeKeys(changes []atlas.Change) {
	for _, change := range changes {
		switch change := change.(type) {
		case *atlas.AddForeignKey:
			r.listColumns(change.F)
		case *atlas.ModifyForeignKey:
			r.listColumns(change.To)
		}
	}
}

// listColumns says which columns of a composite key ON DELETE SET NULL is to unset: without the list the tenant column
// would be unset as well.
func (r *Registry) listColumns(key *atlas.ForeignKey) {
	t, ok := r.Table(key.Table.Name)
	if !ok || !t.kind().HasTenant() || (key.OnDelete != atlas.SetNull && key.OnDelete != atlas.SetDefault) {
		return
	}
	var names []string
	for _, c := range key.Columns {
		if c.Name != t.Column {
			names = append(names, c.Name)
		}
	}
	if len(names) < len(key.Columns) {
		key.OnDelete += atlas.ReferenceOption(" (" + tables.QuoteEach(names) + ")")
	}
}
