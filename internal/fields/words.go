package fields

import (
	"strings"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// Word is a token of a statement.
type Word struct {
	Text        string // upper case, but for quoted names
	Name        string // what it names, where it is an identifier
	Start, Stop int
}

// Read takes a text apart. It reports false for one that cannot be read to its end.
func Read(sql string) ([]Word, bool) {
	spans, ok := sqltext.Spans(sql)
	words := make([]Word, len(spans))
	for i, s := range spans {
		text := sql[s.Start:s.Stop]
		words[i] = Word{Text: strings.ToUpper(text), Start: s.Start, Stop: s.Stop}
		if name, ok := sqltext.Identifier(text); ok {
			words[i].Name = name
			if text[0] != '"' {
				words[i].Name = strings.ToLower(name)
			} else {
				words[i].Text = text
			}
		}
	}
	return words, ok
}

// Reference is a name in a statement, with what it is qualified by.
type Reference struct {
	Qualifier, Name string
	First, Last     int // its words
}

// ReferenceAt reads the name that begins with a word: a, a.b or a.b.c.
func ReferenceAt(words []Word, at int) (r Reference, ok bool) {
	if at < 0 || at >= len(words) || words[at].Name == "" {
		return r, false
	}
	r = Reference{Name: words[at].Name, First: at, Last: at}
	for r.Last+2 < len(words) && words[r.Last+1].Text == "." && words[r.Last+2].Name != "" {
		r.Qualifier, r.Name = r.Name, words[r.Last+2].Name
		r.Last += 2
	}
	return r, true
}

// TextAt is the text of a word, or nothing outside of the statement.
func TextAt(words []Word, at int) string {
	if at < 0 || at >= len(words) {
		return ""
	}
	return words[at].Text
}

// IsKeyword knows the words that can follow a table's or a column's name and are no alias of it.
func IsKeyword(text string) bool {
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

// Compares reports whether what stands in front of a sub-query compares something with its values.
func Compares(before string) bool {
	switch before {
	case "IN", "=", "<", ">", "ANY", "ALL", "SOME", "ARRAY":
		return true
	}
	return false
}

// EndsItem reports whether an item of a list ends before a word.
func EndsItem(after string) bool {
	switch after {
	case "", ",", ")", ";":
		return true
	}
	return IsKeyword(after) && !IsOperator(after)
}

// IsOperator knows the words after a column that make an expression of it.
func IsOperator(text string) bool {
	switch text {
	case "OPERATOR", "COLLATE", "AT", "LIKE", "ILIKE", "IN", "BETWEEN", "SIMILAR", "NOT", "AND", "OR", "IS":
		return true
	}
	return false
}

// AsksForNull reports whether IS goes on at a word with NULL, or with NOT NULL.
func AsksForNull(words []Word, at int) bool {
	if TextAt(words, at) == "NOT" {
		at++
	}
	return TextAt(words, at) == "NULL"
}
