package gormstratum

import (
	"strings"

	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/internal/fields"
)

// text rewrites a condition that is written as text, such as email = ? or people.email IN ?. Parts on encrypted columns
// that are anything else stay, for the watcher to refuse.
func (l *looker) text(e clause.Expr) clause.Expression {
	words, ok := fields.Read(e.SQL)
	if !ok {
		return e
	}
	w := &textWriter{expr: e}
	for at := 0; at < len(words); at++ {
		r, ok := fields.ReferenceAt(words, at)
		if !ok {
			continue
		}
		at = r.Last
		found := searchable(l.names.called(r.Qualifier), r.Name)
		if found.by == nil || !mayPrecede(fields.TextAt(words, r.First-1)) ||
			r.Qualifier == "" && l.names.hasPlain("", r.Name) {
			continue
		}
		c, ok := comparisonAt(words, r.Last+1)
		if !ok || !mayFollow(fields.TextAt(words, c.last+1)) {
			continue
		}
		values, ok := w.values(words, c)
		if !ok {
			continue
		}
		m := l.match(found, values)
		if m == nil {
			return e
		}
		start := words[r.First].Start
		w.replace(start, words[c.last].Stop, c.negated, m, e.SQL[start:words[r.Last].Start])
		at = c.last
	}
	return w.finish()
}

// mayPrecede and mayFollow know between what a comparison stands for itself.
func mayPrecede(text string) bool {
	switch text {
	case "", "(", "AND", "OR", "NOT", "WHERE", "ON":
		return true
	}
	return false
}

func mayFollow(text string) bool {
	switch text {
	case "", ")", "AND", "OR":
		return true
	}
	return false
}

// textComparison is = ?, <> ?, != ?, IN ?, IN (?, ?) or NOT IN.
type textComparison struct {
	negated, list bool
	marks         []int // the words that are ?
	last          int
}

func comparisonAt(words []fields.Word, at int) (c textComparison, ok bool) {
	switch first, second := fields.TextAt(words, at), fields.TextAt(words, at+1); {
	case first == "=":
		at++
	case first == "<" && second == ">", first == "!" && second == "=":
		c.negated, at = true, at+2
	case first == "IN":
		c.list, at = true, at+1
	case first == "NOT" && second == "IN":
		c.negated, c.list, at = true, true, at+2
	default:
		return c, false
	}
	if fields.TextAt(words, at) == "?" {
		c.marks, c.last = []int{at}, at
		return c, true
	}
	if !c.list || fields.TextAt(words, at) != "(" {
		return c, false
	}
	for at++; fields.TextAt(words, at) == "?"; at += 2 {
		c.marks = append(c.marks, at)
		if fields.TextAt(words, at+1) == ")" {
			c.last = at + 1
			return c, true
		}
		if fields.TextAt(words, at+1) != "," {
			break
		}
	}
	return c, false
}

// textWriter writes a condition anew, with its parameters in step.
type textWriter struct {
	expr    clause.Expr
	sql     strings.Builder
	vars    []any
	written int // of the text
	changed bool
}

// markAt is the number of the parameter that stands at a place. GORM counts question marks, wherever they are.
func (w *textWriter) markAt(place int) int { return strings.Count(w.expr.SQL[:place], "?") }

// values returns the parameters of a comparison. A list where there should be one value is none.
func (w *textWriter) values(words []fields.Word, c textComparison) (values []any, ok bool) {
	for _, mark := range c.marks {
		n := w.markAt(words[mark].Start)
		if n >= len(w.expr.Vars) {
			return nil, false
		}
		list, isList := listOf(w.expr.Vars[n])
		if isList && !c.list {
			return nil, false
		}
		values = append(values, list...)
	}
	return values, true
}

// copyTo copies the text up to a place, with its parameters.
func (w *textWriter) copyTo(place int) {
	from, to := w.markAt(w.written), w.markAt(place)
	w.vars = append(w.vars, w.expr.Vars[min(from, len(w.expr.Vars)):min(to, len(w.expr.Vars))]...)
	w.sql.WriteString(w.expr.SQL[w.written:place])
	w.written = place
}

// replace writes a match in the place of a piece of the text.
func (w *textWriter) replace(start, stop int, negated bool, m *match, qualifier string) {
	w.copyTo(start)
	if negated {
		w.sql.WriteString("NOT ")
	}
	sql, vars := m.write(func(name string) (string, []any) {
		return qualifier + `"` + strings.ReplaceAll(name, `"`, `""`) + `"`, nil
	})
	w.sql.WriteString(sql)
	w.vars = append(w.vars, vars...)
	w.written, w.changed = stop, true
}

func (w *textWriter) finish() clause.Expression {
	if !w.changed {
		return w.expr
	}
	w.copyTo(len(w.expr.SQL))
	if n := w.markAt(len(w.expr.SQL)); n < len(w.expr.Vars) {
		w.vars = append(w.vars, w.expr.Vars[n:]...) // GORM makes an error of them
	}
	return clause.Expr{SQL: w.sql.String(), Vars: w.vars, WithoutParentheses: w.expr.WithoutParentheses}
}
