package entstratum

import (
	"slices"
	"strings"

	"ariga.io/atlas/sql/postgres"
	atlas "ariga.io/atlas/sql/schema"
	"entgo.io/ent/dialect/sql/schema"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// Option returns what ent's own migration needs to leave in place what it has no words for. The generated client's
// Schema.Create and NamedDiff add it themselves, as Migrate and Script do; the generated migrate.StratumOption()
// returns it for those who call ent's package schema.
func (r *Registry) Option() schema.MigrateOption { return schema.WithDiffHook(r.diff) }

// Versioned returns the tables for ent to write files of versioned migrations from: without the foreign keys that
// compare tenants, which Script writes. ent would try them out on tables whose keys are not there yet. It is called by
// the generated package migrate.
func (r *Registry) Versioned(wanted []*schema.Table) ([]*schema.Table, error) {
	copied, err := copyTables(wanted)
	if err != nil {
		return nil, err
	}
	for _, t := range copied {
		known, ok := r.Table(t.Name)
		if !ok || !known.kind().HasTenant() {
			continue
		}
		t.ForeignKeys = slices.DeleteFunc(t.ForeignKeys, func(k *schema.ForeignKey) bool {
			return len(k.Columns) > 1 && k.Columns[0].Name == known.Column
		})
	}
	return copied, nil
}

// diff says what ent cannot, and leaves to Migrate what ent would get wrong.
func (r *Registry) diff(next schema.Differ) schema.Differ {
	return schema.DiffFunc(func(current, desired *atlas.Schema) ([]atlas.Change, error) {
		for _, t := range desired.Tables {
			if known, ok := r.Table(t.Name); ok && known.kind().HasTenant() {
				found, _ := current.Table(t.Name)
				complete(known, t, found)
				checkSealed(known, t, found)
			}
		}
		keepDefaults(current, desired)
		changes, err := next.Diff(current, desired)
		if err != nil {
			return nil, err
		}
		return r.leave(changes), nil
	})
}

// complete says of a wanted table what ent's schema cannot: the comments of globally unique indexes, that everyone's
// rows are unique among themselves, and checks that Migrate has made.
func complete(known Table, wanted, found *atlas.Table) {
	for _, index := range wanted.Indexes {
		if u, ok := known.globalUnique(index.Name); ok {
			index.SetComment(tables.GloballyUniqueComment(u.Reason))
			continue
		}
		if known.Class == ClassMixed && index.Unique && hasPart(index, known.Column) {
			index.Attrs = atlas.RemoveAttr[*postgres.IndexNullsDistinct](index.Attrs)
			index.AddAttrs(&postgres.IndexNullsDistinct{V: false})
		}
	}
	if found == nil {
		return
	}
	for _, attr := range found.Attrs {
		if check, ok := attr.(*atlas.Check); ok && strings.HasSuffix(check.Name, tables.CheckSuffix) {
			wanted.AddChecks(check)
		}
	}
}

func hasPart(index *atlas.Index, column string) bool {
	return slices.ContainsFunc(index.Parts, func(p *atlas.IndexPart) bool { return p.C != nil && p.C.Name == column })
}

// leave takes out of the changes what Migrate does, or its script.
func (r *Registry) leave(changes []atlas.Change) []atlas.Change {
	kept := make([]atlas.Change, 0, len(changes))
	for _, change := range changes {
		switch change := change.(type) {
		case *atlas.AddTable:
			change.T.ForeignKeys = slices.DeleteFunc(change.T.ForeignKeys, r.comparesTenants)
		case *atlas.ModifyTable:
			if change.Changes = r.leaveOfTable(change); len(change.Changes) == 0 {
				continue
			}
		}
		kept = append(kept, change)
	}
	return kept
}

// leaveOfTable leaves out foreign keys that compare the tenant. Atlas would make them before the indexes that they
// refer to, has no word for ON DELETE SET NULL (column), and takes a row that they do not hold for as an error of the
// server, which quotes the row. A tenant column is added without its default, which raises where no tenant is set.
func (r *Registry) leaveOfTable(modify *atlas.ModifyTable) []atlas.Change {
	known, _ := r.Table(modify.T.Name)
	kept := make([]atlas.Change, 0, len(modify.Changes))
	for _, change := range modify.Changes {
		switch c := change.(type) {
		case *atlas.AddForeignKey:
			if r.comparesTenants(c.F) {
				continue
			}
		case *atlas.ModifyForeignKey:
			if r.comparesTenants(c.To) {
				continue
			}
		case *atlas.DropForeignKey:
			if r.wants(modify.T.Name, c.F.Symbol) {
				continue
			}
		case *atlas.AddColumn:
			if known.kind().HasTenant() && c.C.Name == known.Column {
				change = &atlas.AddColumn{C: atlas.NewNullColumn(c.C.Name).SetType(c.C.Type.Type)}
			}
		}
		kept = append(kept, change)
	}
	return kept
}

// wants reports whether a table is to have a foreign key of the name. Versioned has taken it out.
func (r *Registry) wants(table, symbol string) bool {
	return slices.ContainsFunc(r.wanted, func(t *schema.Table) bool {
		return t.Name == table && slices.ContainsFunc(t.ForeignKeys, func(k *schema.ForeignKey) bool {
			return k.Symbol == symbol
		})
	})
}

// comparesTenants reports whether a foreign key is one that Desire has put the tenant in.
func (r *Registry) comparesTenants(key *atlas.ForeignKey) bool {
	t, ok := r.Table(key.Table.Name)
	return ok && t.kind().HasTenant() && len(key.Columns) > 1 && key.Columns[0].Name == t.Column
}
