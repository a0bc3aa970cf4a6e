package gormstratum

import (
	"maps"
	"slices"

	"github.com/stratum-hq/stratum-go/internal/fields"
)

// names are the tables of a statement, by what they are called in it. One name can mean several, in sub-queries.
type names struct {
	registry *registry
	tables   map[string][]*table
}

func newNames(r *registry) names { return names{registry: r, tables: make(map[string][]*table)} }

// add notes what a table is called. Tables that are no models have no columns to know.
func (n *names) add(name string, t *table) {
	if t != nil && t.schema != nil && !slices.Contains(n.tables[name], t) {
		n.tables[name] = append(n.tables[name], t)
	}
}

// addText finds the tables that a text names, and their aliases.
func (n *names) addText(words []fields.Word) {
	for at := 0; at < len(words); at++ {
		r, ok := fields.ReferenceAt(words, at)
		if !ok {
			continue
		}
		at = r.Last
		name := r.Name
		if r.Qualifier != "" && n.registry.tables[r.Qualifier+"."+r.Name] != nil {
			name = r.Qualifier + "." + r.Name
		}
		t := n.registry.find(name)
		if t == nil {
			continue
		}
		n.add(r.Name, t)
		next := at + 1
		if fields.TextAt(words, next) == "AS" {
			next++
		}
		if next < len(words) && words[next].Name != "" && !fields.IsKeyword(words[next].Text) {
			n.add(words[next].Name, t)
		}
	}
}

// called returns the tables that a qualifier can mean: all of them, where it is none that is known.
func (n *names) called(qualifier string) []*table {
	if found, ok := n.tables[qualifier]; ok && qualifier != "" {
		return found
	}
	var all []*table
	for _, found := range n.tables {
		for _, t := range found {
			if !slices.Contains(all, t) {
				all = append(all, t)
			}
		}
	}
	return all
}

// find returns the encrypted columns that a name can mean.
func (n *names) find(qualifier, name string) (found []*encryptedField) {
	for _, t := range n.called(qualifier) {
		if e := t.encrypted[name]; e != nil {
			found = append(found, e)
		}
	}
	return found
}

// hasPlain reports whether a name can mean a column that is not encrypted.
func (n *names) hasPlain(qualifier, name string) bool {
	if _, ok := n.tables[qualifier]; !ok && qualifier != "" {
		return false
	}
	return slices.ContainsFunc(n.called(qualifier), func(t *table) bool {
		return t.schema.FieldsByDBName[name] != nil && t.encrypted[name] == nil
	})
}

// wholeRow returns the encrypted column that a name hands out because it means the rows of a table, as in
// row_to_json(people).
func (n *names) wholeRow(name string) *encryptedField {
	for _, t := range n.called("") {
		if t.schema.FieldsByDBName[name] != nil {
			return nil // it is a column
		}
	}
	for _, t := range n.tables[name] {
		for _, column := range slices.Sorted(maps.Keys(t.encrypted)) {
			return t.encrypted[column]
		}
	}
	return nil
}

// hasEncrypted reports whether some table has encrypted columns.
func (n *names) hasEncrypted() bool {
	return slices.ContainsFunc(n.called(""), func(t *table) bool { return len(t.encrypted) > 0 })
}
