package sqltext

import "strings"

// conflict follows the words ON CONFLICT ... DO UPDATE through a statement. They are keywords, which cannot be
// written in any other way.
type conflict struct {
	seen  int // how many of the words have come
	depth int // of parentheses, at the token at hand
	at    int // the depth at which they came
}

// conflictWords are the words in their order. The target stands between the second and the third.
func conflictWords() [4]string { return [4]string{"ON", "CONFLICT", "DO", "UPDATE"} }

// watch looks for the WHERE of a DO UPDATE: one that is not in parentheses, for those belong to sub-queries.
func (in *inspector) watch(t token) {
	c, words := &in.conflict, conflictWords()
	s := in.sql[t.start:t.stop]
	if t.kind == symbol {
		c.parenthesis(s)
		return
	}
	is := func(w string) bool { return t.kind == word && strings.EqualFold(s, w) }
	switch {
	case c.seen == len(words):
		if is("WHERE") && c.depth == c.at {
			in.command.ConflictWhere = true
		}
	case is(words[c.seen]):
		c.seen++
		c.at = c.depth
	case c.seen == 1 || c.seen == 3:
		c.seen = 0 // ON of a join; DO NOTHING
	}
}

// parenthesis ends the search where the statement that holds the words ends.
func (c *conflict) parenthesis(s string) {
	switch s {
	case "(":
		c.depth++
	case ")":
		if c.depth--; c.depth < c.at {
			c.seen = 0
		}
	}
}
