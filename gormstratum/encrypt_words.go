package gormstratum

import (
	"maps"
	"slices"
	"strings"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// word is a token of a statement.
type word struct {
	text        string // upper case, but for quoted names
	name        string // what it names, where it is an identifier
	start, stop int
}

// readWords takes a text apart. It reports false for one that cannot be read to its end.
func readWords(sql string) ([]word, bool) {
	spans, ok := sqltext.Spans(sql)
	words := make([]word, len(spans))
	for i, s := range spans {
		text := sql[s.Start:s.Stop]
		words[i] = word{text: strings.ToUpper(text), start: s.Start, stop: s.Stop}
		if name, ok := sqltext.Identifier(text); ok {
			words[i].name = name
			if text[0] != '"' {
				words[i].name = strings.ToLower(name)
			} else {
				words[i].text = text
			}
		}
	}
	return words, ok
}

// reference is a name in a statement, with what it is qualified by.
type reference struct {
	qualifier, name string
	first, last     int // its words
}

// referenceAt reads the name that begins with a word: a, a.b or a.b.c.
func referenceAt(words []word, at int) (r reference, ok bool) {
	if words[at].name == "" {
		return r, false
	}
	r = reference{name: words[at].name, first: at, last: at}
	for r.last+2 < len(words) && words[r.last+1].text == "." && words[r.last+2].name != "" {
		r.qualifier, r.name = r.name, words[r.last+2].name
		r.last += 2
	}
	return r, true
}

// textAt is the text of a word, or nothing outside of the statement.
func textAt(words []word, at int) string {
	if at < 0 || at >= len(words) {
		return ""
	}
	return words[at].text
}

// isKeyword knows the words that can follow a table's or a column's name and are no alias of it.
func isKeyword(text string) bool {
	switch text {
	case "AS", "FROM", "WHERE", "ON", "JOIN", "LEFT", "RIGHT", "INNER", "OUTER", "FULL", "CROSS", "NATURAL", "GROUP",
		"ORDER", "HAVING", "LIMIT", "OFFSET", "FETCH", "FOR", "UNION", "INTERSECT", "EXCEPT", "WINDOW", "SET", "VALUES",
		"RETURNING", "USING", "AND", "OR", "NOT", "IS", "IN", "LIKE", "ILIKE", "BETWEEN", "SIMILAR", "COLLATE",
		"DEFAULT",
		"SELECT", "DO", "CONFLICT", "TABLESAMPLE", "INTO", "ASC", "DESC", "NULLS", "AT", "OPERATOR", "OVERRIDING":
		return true
	}
	return false
}

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
func (n *names) addText(words []word) {
	for at := 0; at < len(words); at++ {
		r, ok := referenceAt(words, at)
		if !ok {
			continue
		}
		at = r.last
		name := r.name
		if r.qualifier != "" && n.registry.tables[r.qualifier+"."+r.name] != nil {
			name = r.qualifier + "." + r.name
		}
		t := n.registry.find(name)
		if t == nil {
			continue
		}
		n.add(r.name, t)
		next := at + 1
		if textAt(words, next) == "AS" {
			next++
		}
		if next < len(words) && words[next].name != "" && !isKeyword(words[next].text) {
			n.add(words[next].name, t)
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
