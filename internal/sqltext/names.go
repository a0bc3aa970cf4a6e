package sqltext

import "strings"

// Span is a token's place in a statement, from byte Start to byte Stop.
type Span struct{ Start, Stop int }

// Spans returns the places of a statement's tokens, without comments and white space. It reports false for a text that
// cannot be read to its end.
func Spans(sql string) (spans []Span, ok bool) {
	l := lexer{sql: sql}
	for {
		switch t := l.next(); t.kind { //nolint:exhaustive // the others are tokens like each other
		case end:
			return spans, true
		case broken:
			return nil, false
		default:
			spans = append(spans, Span{t.start, t.stop})
		}
	}
}

// Identifier returns the name that a token stands for, if it is a word or a quoted name as the server prints them: in
// small letters where it is not quoted. Keywords are words too.
func Identifier(token string) (name string, ok bool) {
	switch {
	case token == "":
		return "", false
	case token[0] == '"':
		return strings.ReplaceAll(token[1:len(token)-1], `""`, `"`), true
	case isIdentStart(token[0]) && !strings.ContainsAny(token, `'"`):
		return token, true
	default:
		return "", false
	}
}

// Text returns the content of a string as the server prints it: '...', or E'...' with doubled backslashes.
func Text(token string) (content string, ok bool) {
	body, escapes := strings.CutPrefix(token, "E")
	if len(body) < 2 || body[0] != '\'' {
		return "", false
	}
	content = strings.ReplaceAll(body[1:len(body)-1], "''", "'")
	if escapes {
		content = strings.ReplaceAll(content, `\\`, `\`)
	}
	return content, true
}

// IsPlain reports whether a name consists of small letters, digits and underscores and begins with no digit: the server
// prints it without quotes unless it is a keyword.
func IsPlain(name string) bool {
	for i := range len(name) {
		if c := name[i]; c != '_' && (c < 'a' || c > 'z') && (i == 0 || !isDigit(c)) {
			return false
		}
	}
	return name != ""
}
