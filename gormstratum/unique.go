package gormstratum

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// uniqueClass is GORM's word for a unique index.
const uniqueClass = "UNIQUE"

// globalUniques returns the declarations for one model. A name that the model has no unique index of is refused: a
// misspelled one would leave the index unique per tenant.
func globalUniques(
	db *gorm.DB, s *schema.Schema, column string, declared []GlobalUnique,
) (found []tables.GlobalUnique, err error) {
	names := uniqueNames(s, column)
	for _, u := range declared {
		other, err := parse(db, u.Model)
		if err != nil {
			return nil, err
		}
		if other.Table != s.Table {
			continue
		}
		reason := strings.TrimSpace(u.Reason)
		switch {
		case !slices.Contains(names, u.Index):
			return nil, fmt.Errorf("%w %s: Options.GlobalUnique names index %q, and those that are unique are %q",
				ErrModel, s.Name, u.Index, names)
		case reason == "" || strings.ContainsFunc(reason, unicode.IsControl):
			return nil, fmt.Errorf("%w %s: Options.GlobalUnique of index %q needs a reason, of one line",
				ErrModel, s.Name, u.Index)
		case slices.ContainsFunc(found, func(g tables.GlobalUnique) bool { return g.Name == u.Index }):
			return nil, fmt.Errorf("%w %s: Options.GlobalUnique names index %q twice", ErrModel, s.Name, u.Index)
		}
		found = append(found, tables.GlobalUnique{Name: u.Index, Reason: reason})
	}
	return found, nil
}

// uniqueNames are the names of the model's unique indexes and constraints that could be unique across tenants: not of
// those that have the tenant column among theirs.
func uniqueNames(s *schema.Schema, column string) []string {
	var names []string
	for name, u := range s.ParseUniqueConstraints() {
		if u.Field.DBName != column {
			names = append(names, name)
		}
	}
	for _, index := range s.ParseIndexes() {
		if index.Class == uniqueClass && !hasColumn(index, column) {
			names = append(names, index.Name)
		}
	}
	slices.Sort(names)
	return names
}

// checkGlobalUnique refuses declarations for what is no tenant-owned model of the options.
func (r *registry) checkGlobalUnique(db *gorm.DB, declared []GlobalUnique) error {
	var errs []error
	for _, u := range declared {
		s, err := parse(db, u.Model)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		switch t := r.tables[s.Table]; {
		case t == nil:
			errs = append(errs, fmt.Errorf("%w %s is in Options.GlobalUnique and not in Options.Models",
				ErrModel, s.Name))
		case !t.kind.HasTenant():
			errs = append(errs, fmt.Errorf("%w %s is global, and so are its unique indexes (take it out of "+
				"Options.GlobalUnique)", ErrModel, s.Name))
		}
	}
	return errors.Join(errs...)
}

// globallyUnique reports whether an index or constraint is declared to be unique across tenants.
func (t *table) globallyUnique(name string) bool {
	return slices.ContainsFunc(t.globals, func(u tables.GlobalUnique) bool { return u.Name == name })
}

// canLead reports whether the tenant column is to lead the index: it can lead a btree, and need not where it is part of
// the index by the model's own word, or where the index is to be unique across tenants.
func (t *table) canLead(index *schema.Index) bool {
	if index.Type != "" && !strings.EqualFold(index.Type, "btree") {
		return false
	}
	return !hasColumn(index, t.column) && !t.globallyUnique(index.Name)
}

func hasColumn(index *schema.Index, column string) bool {
	return slices.ContainsFunc(index.Fields, func(f schema.IndexOption) bool { return f.DBName == column })
}
