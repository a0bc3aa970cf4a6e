package fields

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
)

// Opener opens sealed values of one tenant.
type Opener interface {
	Open(ctx context.Context, dst, sealed, primaryKey []byte) ([]byte, error)
}

// Column is an encrypted column.
type Column struct {
	// Table is where it is, and Name what it is called there.
	Table *Table
	Name  string
	// Searchable says that = and IN find it.
	Searchable bool
	// PrimaryKey says that values are bound to their row.
	PrimaryKey bool
	// Text says that its values are texts, which are opened without looking at what they are.
	Text bool
	// Opener finds the keys of a tenant.
	Opener func(ctx context.Context, tenant uuid.UUID) (Opener, error)
}

// String names the column, for errors.
func (c *Column) String() string { return fmt.Sprintf("%q.%q", c.Table.Name, c.Name) }

// Table is a table that an adapter knows.
type Table struct {
	// Name is the table's, without its schema.
	Name string
	// Tenant is the tenant column, and PrimaryKey the columns of the key.
	Tenant     string
	PrimaryKey []string
	// Columns are all columns. Those that are encrypted have a Column.
	Columns map[string]*Column
}

// encrypted returns a column, if it is encrypted.
func (t *Table) encrypted(name string) *Column { return t.Columns[name] }

// plain reports whether a column is there and is not encrypted.
func (t *Table) plain(name string) bool {
	c, ok := t.Columns[name]
	return ok && c == nil
}

// first returns the first encrypted column, or nil.
func (t *Table) first() *Column {
	for _, name := range slices.Sorted(maps.Keys(t.Columns)) {
		if c := t.Columns[name]; c != nil {
			return c
		}
	}
	return nil
}

// Tables finds the table that a name, and the schema in front of it or nothing, means. It returns nil for none.
type Tables interface {
	Table(schema, name string) *Table
}

// Names are the tables of a statement, by what they are called in it. One name can mean several, in sub-queries.
type Names struct {
	all    Tables
	tables map[string][]*Table
}

// NamesOf finds the tables that a statement names, and their aliases.
func NamesOf(all Tables, words []Word) Names {
	n := Names{all: all, tables: make(map[string][]*Table)}
	for at := 0; at < len(words); at++ {
		r, ok := ReferenceAt(words, at)
		if !ok {
			continue
		}
		at = r.Last
		t := all.Table(r.Qualifier, r.Name)
		if t == nil {
			continue
		}
		n.add(r.Name, t)
		next := at + 1
		if TextAt(words, next) == "AS" {
			next++
		}
		if next < len(words) && words[next].Name != "" && !IsKeyword(words[next].Text) {
			n.add(words[next].Name, t)
		}
	}
	return n
}

func (n Names) add(name string, t *Table) {
	if !slices.Contains(n.tables[name], t) {
		n.tables[name] = append(n.tables[name], t)
	}
}

// called returns the tables that a qualifier can mean: all of them, where it is none that is known.
func (n Names) called(qualifier string) []*Table {
	if found, ok := n.tables[qualifier]; ok && qualifier != "" {
		return found
	}
	var all []*Table
	for _, found := range n.tables {
		for _, t := range found {
			if !slices.Contains(all, t) {
				all = append(all, t)
			}
		}
	}
	return all
}

// Find returns the encrypted columns that a name can mean.
func (n Names) Find(qualifier, name string) (found []*Column) {
	for _, t := range n.called(qualifier) {
		if c := t.encrypted(name); c != nil {
			found = append(found, c)
		}
	}
	return found
}

// HasPlain reports whether a name can mean a column that is not encrypted.
func (n Names) HasPlain(qualifier, name string) bool {
	if _, ok := n.tables[qualifier]; !ok && qualifier != "" {
		return false
	}
	return slices.ContainsFunc(n.called(qualifier), func(t *Table) bool { return t.plain(name) })
}

// wholeRow returns the encrypted column that a name hands out because it means the rows of a table, as in
// row_to_json(people).
func (n Names) wholeRow(name string) *Column {
	for _, t := range n.called("") {
		if _, ok := t.Columns[name]; ok {
			return nil // it is a column
		}
	}
	for _, t := range n.tables[name] {
		if c := t.first(); c != nil {
			return c
		}
	}
	return nil
}

// HasEncrypted reports whether some table has encrypted columns.
func (n Names) HasEncrypted() bool {
	return slices.ContainsFunc(n.called(""), func(t *Table) bool { return t.first() != nil })
}
