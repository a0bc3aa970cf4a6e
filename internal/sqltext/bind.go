package sqltext

import (
	"errors"
	"fmt"
	"slices"
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
	b := binder{lexer: lexer{sql: sql}, literal: literal, used: make([]bool, args)}
	for {
		more, err := b.step()
		if err != nil {
			return "", err
		}
		if !more {
			break
		}
	}
	if i := slices.Index(b.used, false); i >= 0 {
		return "", fmt.Errorf("stratum: argument %d has no placeholder $%d (%d given)", i+1, i+1, args)
	}
	return b.out.String(), nil
}

// What comes out is one statement for the server as it is for this package: literals are closed in themselves, and what
// stood between the placeholders has been read to its end.

// binder copies a statement to out, up to the byte done, and puts literals in.
type binder struct {
	lexer
	literal func(i int) (string, error)
	out     strings.Builder
	used    []bool
	done    int
	begun   bool // something of the statement was seen
	closed  bool // the semicolon behind it was seen
}

func (b *binder) step() (more bool, err error) {
	t := b.next()
	switch {
	case t.kind == broken, b.closed && t.kind != end && t.kind != semicolon:
		return false, ErrMultiple
	case b.closed:
		return t.kind != end, nil
	case t.kind == semicolon && !b.begun:
		b.done = t.stop // an empty statement in front
		return true, nil
	case t.kind == end, t.kind == semicolon:
		b.out.WriteString(b.sql[b.done:t.start])
		b.closed = true
		return t.kind != end, nil
	}
	b.begun = true
	if t.kind == param {
		return true, b.put(t)
	}
	return true, nil
}

func (b *binder) put(t token) error {
	placeholder := b.sql[t.start:t.stop]
	n, err := strconv.Atoi(placeholder[1:])
	if err != nil || n < 1 || n > len(b.used) {
		return fmt.Errorf("stratum: placeholder %s has no argument (%d given)", placeholder, len(b.used))
	}
	value, err := b.literal(n - 1)
	if err != nil {
		return err
	}
	b.used[n-1] = true
	b.out.WriteString(b.sql[b.done:t.start])
	b.out.WriteString(" (" + value + ") ")
	b.done = t.stop
	return nil
}
