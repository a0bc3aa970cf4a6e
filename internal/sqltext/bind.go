package sqltext

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrMultiple is returned by Bind for a text that holds more than one statement, or one that cannot be read to its end.
var ErrMultiple = errors.New("stratum: the simple protocol takes one complete statement per call (split the text, " +
	"and close every string and comment)")

// Bind returns sql with literal(i) in the place of each placeholder, where i counts from 0, and without a final
// semicolon. A line break and parentheses go around each literal, so that none can merge with what stands beside it,
// as in "-$1" with a negative number.
func Bind(sql string, args int, literal func(i int) (string, error)) (string, error) {
	var out strings.Builder
	l := lexer{sql: sql}
	done, closed := 0, false
	for {
		t := l.next()
		switch {
		case t.kind == broken, closed && t.kind != end && t.kind != semicolon:
			return "", ErrMultiple
		case t.kind == end && closed:
			return out.String(), nil
		case t.kind == end:
			out.WriteString(sql[done:])
			return out.String(), nil
		case t.kind == semicolon && !closed:
			out.WriteString(sql[done:t.start])
			closed = true
		case t.kind == param:
			n, err := strconv.Atoi(sql[t.start+1 : t.stop])
			if err != nil || n < 1 || n > args {
				return "", fmt.Errorf("stratum: placeholder %s has no argument (%d given)", sql[t.start:t.stop], args)
			}
			value, err := literal(n - 1)
			if err != nil {
				return "", err
			}
			out.WriteString(sql[done:t.start])
			out.WriteString(" (" + value + ") ")
			done = t.stop
		}
	}
}
