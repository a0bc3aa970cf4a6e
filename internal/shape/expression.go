package shape

import (
	"strings"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// quote and literal are those of sqltext: SQL is easier to read with short names in it.
func quote(parts ...string) string { return sqltext.Quote(parts...) }

func literal(text string) string { return sqltext.Literal(text) }

// expression is a text that the server has printed, with its tokens.
type expression struct {
	text  string
	spans []sqltext.Span
}

// parse reports false for what cannot be read to its end, which the server does not print.
func parse(text string) (e expression, ok bool) {
	spans, ok := sqltext.Spans(text)
	return expression{text, spans}, ok
}

// at returns a token, which is empty where there is none.
func (e expression) at(i int) string {
	if i < 0 || i >= len(e.spans) {
		return ""
	}
	return e.text[e.spans[i].Start:e.spans[i].Stop]
}

// has reports whether these tokens stand at i.
func (e expression) has(i int, tokens ...string) bool {
	for n, token := range tokens {
		if e.at(i+n) != token {
			return false
		}
	}
	return true
}

// mentions reports whether a name stands anywhere in a text. It may be that of something else.
func mentions(text, name string) bool {
	e, _ := parse(text)
	for i := range e.spans {
		if n, ok := sqltext.Identifier(e.at(i)); ok && n == name {
			return true
		}
	}
	return false
}

// relocate puts names of relations into another schema: to returns the new one, or the old one. What is called like
// one of the relations and is a function stays.
func relocate(text string, to func(name) string) string {
	e, ok := parse(text)
	if !ok {
		return text
	}
	var b strings.Builder
	done := 0
	replace := func(i int, by string) {
		b.WriteString(text[done:e.spans[i].Start] + by)
		done = e.spans[i].Stop
	}
	for i := 0; i < len(e.spans); i++ {
		if content, ok := sqltext.Text(e.at(i)); ok && e.has(i+1, ":", ":", "regclass") {
			replace(i, literal(relocate(content, to)))
			continue
		}
		first, ok := sqltext.Identifier(e.at(i))
		if !ok || !e.has(i+1, ".") {
			continue
		}
		second, ok := sqltext.Identifier(e.at(i + 2))
		isCall := e.has(i+3, "(") && !e.has(i-1, "REFERENCES")
		if moved := to(name{first, second}); ok && !isCall && moved != first {
			replace(i, printed(moved))
		}
		for e.has(i+1, ".") { // a column behind it is no name of a relation
			i += 2
		}
	}
	return b.String() + text[done:]
}

// printed is a schema's name as the server prints it. Names that are quoted for being a keyword are not asked for.
func printed(schema string) string {
	if sqltext.IsPlain(schema) {
		return schema
	}
	return quote(schema)
}

// canonical is the form in which the server prints an expression that it has printed before. Of what it prints the
// first time one thing differs: (ARRAY['a'::character varying])::text[], from IN on a varchar column, comes back as
// ARRAY[('a'::character varying)::text].
func canonical(text string) string {
	for strings.Contains(text, "(ARRAY[") {
		e, ok := parse(text)
		if !ok {
			return text
		}
		next, changed := e.pushCast()
		if !changed {
			return text
		}
		text = next
	}
	return text
}

// pushCast rewrites the first array that is cast as a whole.
func (e expression) pushCast() (text string, changed bool) {
	for i := range e.spans {
		if !e.has(i, "(", "ARRAY", "[") {
			continue
		}
		elements, last := e.elements(i + 3)
		if !e.has(last, "]", ")", ":", ":") {
			continue
		}
		from := last + 4
		to := from
		for isTypeToken(e.at(to)) {
			to++
		}
		if to == from || !e.has(to, "[", "]") {
			continue
		}
		elementType := e.text[e.spans[from].Start:e.spans[to-1].Stop]
		for n := range elements {
			elements[n] = "(" + elements[n] + ")::" + elementType
		}
		array := "ARRAY[" + strings.Join(elements, ", ") + "]"
		return e.text[:e.spans[i].Start] + array + e.text[e.spans[to+1].Stop:], true
	}
	return e.text, false
}

// elements returns what stands between commas from token i on, and the token that ends the list.
func (e expression) elements(i int) (elements []string, last int) {
	depth, start := 0, i
	for ; i < len(e.spans); i++ {
		token := e.at(i)
		isEnd := depth == 0 && token == "]"
		if start < i && depth == 0 && (isEnd || token == ",") {
			elements = append(elements, e.text[e.spans[start].Start:e.spans[i-1].Stop])
			start = i + 1
		}
		switch {
		case isEnd:
			return elements, i
		case token == "(", token == "[":
			depth++
		case token == ")", token == "]":
			depth--
		}
	}
	return elements, i
}

// isTypeToken reports whether a token can stand in the name of a type without modifiers.
func isTypeToken(token string) bool {
	_, ok := sqltext.Identifier(token)
	return ok || token == "."
}
