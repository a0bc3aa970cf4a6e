package sqltext

import (
	"strings"
	"unicode/utf8"
)

// kind is the kind of a token.
type kind uint8

const (
	end       kind = iota
	word           // keyword or plain identifier
	quoted         // "quoted identifier"
	text           // 'string', E'string', $tag$string$tag$ and the like
	param          // $1
	semicolon      // ;
	symbol         // anything else, one byte
	broken         // an unterminated string, name or comment, or a NUL byte: the server will refuse it, so do we
)

// token is a piece of a statement, from byte start to byte stop.
type token struct {
	kind        kind
	start, stop int
	plain       bool // a text without escapes, whose content is between its quotes as it stands
}

// The rules are those of PostgreSQL's src/backend/parser/scan.l, from version 15 on and with
// standard_conforming_strings on, which the guard makes sure of. Where that lexer reports an error so may this one, or
// else it reads on in any way: the server refuses the whole text before it runs any of it.

// lexer walks over the tokens of sql. Comments and white space are passed over.
type lexer struct {
	sql string
	pos int
}

// next returns the next token; at the end, a token of kind end.
func (l *lexer) next() token {
	// PostgreSQL's protocol ends a text at a NUL byte.
	if l.pos == 0 && strings.IndexByte(l.sql, 0) >= 0 {
		return l.unterminated(0)
	}
	if !l.skipBlank() {
		return token{kind: broken, start: l.pos, stop: len(l.sql)}
	}
	start := l.pos
	if start >= len(l.sql) {
		return token{kind: end, start: start, stop: start}
	}
	c := l.sql[start]
	switch {
	case c == '\'':
		return l.quotedText(start, start, false)
	case c == '"':
		return l.quotedName(start)
	case c == '$':
		return l.dollar(start)
	case c == ';':
		l.pos++
		return token{kind: semicolon, start: start, stop: l.pos}
	case isIdentStart(c):
		return l.wordOrPrefixed(start)
	case isDigit(c):
		return l.number(start)
	}
	l.pos++
	return token{kind: symbol, start: start, stop: l.pos}
}

// skipBlank moves past white space and comments, and reports false at a comment that never ends.
func (l *lexer) skipBlank() bool {
	for l.pos < len(l.sql) {
		rest := l.sql[l.pos:]
		switch {
		case isSpace(rest[0]):
			l.pos++
		case strings.HasPrefix(rest, "--"):
			// PostgreSQL ends a line comment at either line break.
			n := strings.IndexAny(rest, "\n\r")
			if n < 0 {
				n = len(rest)
			}
			l.pos += n
		case strings.HasPrefix(rest, "/*"):
			if !l.skipComment() {
				return false
			}
		default:
			return true
		}
	}
	return true
}

// skipComment moves past a block comment; they nest.
func (l *lexer) skipComment() bool {
	depth := 0
	for l.pos < len(l.sql) {
		rest := l.sql[l.pos:]
		switch {
		case strings.HasPrefix(rest, "/*"):
			depth++
			l.pos += 2
		case strings.HasPrefix(rest, "*/"):
			depth--
			l.pos += 2
			if depth == 0 {
				return true
			}
		default:
			l.pos++
		}
	}
	return false
}

// quotedText reads a string whose opening quote stands at quote. With escapes, a backslash takes the next byte along.
// A string goes on in the next pair of quotes where a line break lies between them, and keeps its escapes there.
func (l *lexer) quotedText(start, quote int, escapes bool) token {
	plain := !escapes && start == quote
	for i := quote + 1; i < len(l.sql); i++ {
		switch {
		case escapes && l.sql[i] == '\\':
			i++
		case l.sql[i] != '\'':
		case i+1 < len(l.sql) && l.sql[i+1] == '\'':
			plain = false
			i++
		default:
			next := l.continuation(i + 1)
			if next < 0 {
				l.pos = i + 1
				return token{kind: text, start: start, stop: l.pos, plain: plain}
			}
			plain = false
			i = next
		}
	}
	return l.unterminated(start)
}

// continuation returns the place of the quote that continues a string which ended before i, or -1: only white space
// and line comments lie between, with a line break among them.
func (l *lexer) continuation(i int) int {
	broke := false
	for i < len(l.sql) {
		switch c := l.sql[i]; {
		case isSpace(c):
			broke = broke || c == '\n' || c == '\r'
			i++
		case strings.HasPrefix(l.sql[i:], "--"):
			n := strings.IndexAny(l.sql[i:], "\n\r")
			if n < 0 {
				return -1
			}
			i += n
		case c == '\'' && broke:
			return i
		default:
			return -1
		}
	}
	return -1
}

// quotedName reads a quoted identifier whose opening quote stands at start.
func (l *lexer) quotedName(start int) token {
	for i := start + 1; i < len(l.sql); i++ {
		if l.sql[i] != '"' {
			continue
		}
		if i+1 < len(l.sql) && l.sql[i+1] == '"' {
			i++
			continue
		}
		l.pos = i + 1
		return token{kind: quoted, start: start, stop: l.pos}
	}
	return l.unterminated(start)
}

// dollar reads a placeholder, a dollar-quoted string or a lone dollar sign.
func (l *lexer) dollar(start int) token {
	i := start + 1
	if i < len(l.sql) && isDigit(l.sql[i]) {
		for i < len(l.sql) && isDigit(l.sql[i]) {
			i++
		}
		l.pos = i
		return token{kind: param, start: start, stop: i}
	}
	for i < len(l.sql) && (isIdentStart(l.sql[i]) || isDigit(l.sql[i])) {
		i++
	}
	if i >= len(l.sql) || l.sql[i] != '$' {
		l.pos = start + 1
		return token{kind: symbol, start: start, stop: l.pos}
	}
	tag := l.sql[start : i+1] // upper and lower case differ
	n := strings.Index(l.sql[i+1:], tag)
	if n < 0 {
		return l.unterminated(start)
	}
	l.pos = i + 1 + n + len(tag)
	return token{kind: text, start: start, stop: l.pos}
}

// wordOrPrefixed reads a word, or a string that starts with a letter: E”, B”, X”, N” or U&”, or a name U&"".
func (l *lexer) wordOrPrefixed(start int) token {
	rest := l.sql[start:]
	if len(rest) > 1 && rest[1] == '\'' && strings.ContainsRune("eEbBxXnN", rune(rest[0])) {
		return l.quotedText(start, start+1, rest[0] == 'e' || rest[0] == 'E')
	}
	// Escapes in U&'' are not with a quote, so its end is that of an ordinary string.
	if len(rest) > 2 && (rest[0] == 'u' || rest[0] == 'U') && rest[1] == '&' {
		switch rest[2] {
		case '\'':
			return l.quotedText(start, start+2, false)
		case '"':
			l.pos = start + 2
			t := l.quotedName(start + 2)
			t.start = start
			return t
		}
	}
	// A dollar sign inside of a word belongs to it: a$b$ opens no string, and a$1 is no placeholder.
	i := start
	for i < len(l.sql) && (isIdentStart(l.sql[i]) || isDigit(l.sql[i]) || l.sql[i] == '$') {
		i++
	}
	l.pos = i
	return token{kind: word, start: start, stop: i}
}

// number reads digits with the letters glued to them, so that 1e5 is not read as a word.
func (l *lexer) number(start int) token {
	i := start
	for i < len(l.sql) && (isDigit(l.sql[i]) || isIdentStart(l.sql[i]) || l.sql[i] == '.') {
		i++
	}
	l.pos = i
	return token{kind: symbol, start: start, stop: i}
}

func (l *lexer) unterminated(start int) token {
	l.pos = len(l.sql)
	return token{kind: broken, start: start, stop: l.pos}
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isIdentStart follows PostgreSQL's scan.l: every byte of a multi-byte character may be in a name.
func isIdentStart(c byte) bool {
	return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= utf8.RuneSelf
}
