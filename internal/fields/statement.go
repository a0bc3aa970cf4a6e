package fields

import (
	"context"
	"fmt"
	"slices"

	"github.com/stratum-hq/stratum-go/internal/scope"
)

// Adapter is what an adapter says in refusals.
type Adapter struct {
	// ErrEncrypted is its sentinel, which all refusals wrap.
	ErrEncrypted error
	// Package is its name, and Migrate the function that makes the columns.
	Package, Migrate string
	// Cure says what can be done with a column instead.
	Cure func(c *Column) string
}

// Watcher looks at a statement when it is complete, and at the rows that come back. What names an encrypted column in a
// way that was not rewritten is refused here, whoever has written it.
type Watcher struct {
	adapter Adapter
	scope   scope.Scope
	stored  bool
	names   Names

	ctx    context.Context      //nolint:containedctx // the driver's interface for rows has none
	opened map[string][]*Column // what the columns of the result can be, by their names
	listed map[string][]*Column // the same for columns that the statement lists
	star   bool                 // the statement has a * in a list
}

// NewWatcher returns what watches a statement under ctx. Under stored it refuses nothing and opens nothing.
func NewWatcher(ctx context.Context, a Adapter, names Names, stored bool) *Watcher {
	return &Watcher{
		adapter: a, ctx: ctx, scope: scope.From(ctx), stored: stored, names: names,
		opened: make(map[string][]*Column), listed: make(map[string][]*Column),
	}
}

// Opens reports whether the rows of the statement are opened.
func (w *Watcher) Opens() bool { return !w.stored }

// Statement lets through what Check has seen: see package watch.
func (*Watcher) Statement(string) error { return nil }

// Check refuses a statement that does with an encrypted column what only the value could answer. The words of handled
// are names that the adapter has rewritten.
func (w *Watcher) Check(words []Word, handled map[int]bool) error {
	if w.stored || !w.names.HasEncrypted() {
		return nil
	}
	for _, all := range w.names.tables {
		for _, t := range all {
			for name, c := range t.Columns {
				if c != nil {
					note(w.opened, name, c)
				}
			}
		}
	}
	s := &reader{watcher: w, words: words, handled: handled, frames: []frame{{}}}
	return s.read()
}

// note adds what a column of the result may be.
func note(columns map[string][]*Column, name string, c *Column) {
	if !slices.Contains(columns[name], c) {
		columns[name] = append(columns[name], c)
	}
}

// candidates returns what a column of the result may be. Where no list has a * in it, it is what the lists say.
func (w *Watcher) candidates(name string) []*Column {
	if listed := w.listed[name]; len(listed) > 0 && !w.star {
		return listed
	}
	all := w.opened[name]
	for _, c := range w.listed[name] {
		if !slices.Contains(all, c) {
			all = append(slices.Clone(all), c)
		}
	}
	return all
}

// frame is what stands in one pair of parentheses.
type frame struct {
	clause   string // the keyword that it is at
	before   string // what stands in front of it
	distinct int    // the word DISTINCT of its SELECT, or 0
	columns  bool   // it is the list of columns of an INSERT
}

// reader walks over a statement.
type reader struct {
	watcher *Watcher
	words   []Word
	handled map[int]bool
	frames  []frame
}

func (s *reader) top() *frame { return &s.frames[len(s.frames)-1] }

func (s *reader) text(at int) string { return TextAt(s.words, at) }

func (s *reader) read() error {
	for at := 0; at < len(s.words); at++ {
		if s.moves(at) {
			continue
		}
		r, ok := ReferenceAt(s.words, at)
		if !ok {
			continue
		}
		at = r.Last
		if s.handled[r.First] || s.isAlias(r) {
			continue
		}
		found := s.watcher.names.Find(r.Qualifier, r.Name)
		if r.Qualifier == "excluded" {
			found = s.watcher.names.Find("", r.Name)
		}
		if len(found) > 0 && !s.allows(r, found[0]) {
			return s.watcher.refuse(found[0])
		}
		if c := s.handsOut(r); c != nil {
			return s.watcher.refuse(c)
		}
	}
	return nil
}

// isAlias reports whether a name is what a list calls a column of the result.
func (s *reader) isAlias(r Reference) bool {
	clause := s.top().clause
	return s.text(r.First-1) == "AS" && (clause == "SELECT" || clause == "RETURNING")
}

// moves follows parentheses and keywords.
func (s *reader) moves(at int) bool {
	switch text := s.words[at].Text; text {
	case "*":
		before := s.text(at - 1)
		s.watcher.star = s.watcher.star || before == "." || before == "," || before == "SELECT" ||
			before == "DISTINCT" || before == "ALL" || before == "RETURNING"
	case "(":
		before := s.text(at - 1)
		s.frames = append(s.frames, frame{before: before, columns: s.top().clause == "INTO" && before != "VALUES"})
	case ")":
		if len(s.frames) > 1 {
			s.frames = s.frames[:len(s.frames)-1]
		}
	case "SELECT", "FROM", "WHERE", "ON", "HAVING", "GROUP", "ORDER", "SET", "VALUES", "RETURNING", "INTO", "USING",
		"CONFLICT", "LIMIT", "UNION", "INTERSECT", "EXCEPT", "JOIN", "WINDOW":
		f := frame{clause: text, before: s.top().before}
		if text == "SELECT" && s.text(at+1) == "DISTINCT" {
			f.distinct = at + 1
		}
		*s.top() = f
	default:
		return false
	}
	return true
}

// allows reports whether an encrypted column may be named where it is: to be read as it is, and to be asked for NULL.
func (s *reader) allows(r Reference, c *Column) bool {
	before, after := s.text(r.First-1), s.text(r.Last+1)
	f := s.top()
	switch {
	case after == "IS":
		return MayPrecede(before) && AsksForNull(s.words, r.Last+2)
	case f.clause == "SELECT" || f.clause == "RETURNING":
		starts := before == f.clause || before == "," || before == "DISTINCT" && f.distinct == r.First-1
		return starts && !Compares(f.before) && (f.distinct == 0 || s.distinctByKey(f.distinct, r, c)) &&
			s.listed(r, c, after)
	}
	return f.clause == "" && f.before == "COUNT" && before == "(" && after == ")"
}

// distinctByKey reports whether a SELECT DISTINCT also lists the primary key of a column's table, as ent writes the
// steps of a traversal: rows that differ in nothing but in how a value is sealed are then one row anyway.
func (s *reader) distinctByKey(at int, column Reference, c *Column) bool {
	missing := slices.Clone(c.Table.PrimaryKey)
	for at++; at < len(s.words); at++ {
		r, ok := ReferenceAt(s.words, at)
		before, after := s.text(at-1), ""
		if ok {
			at = r.Last
			after = s.text(at + 1)
		}
		if ok && r.Qualifier == column.Qualifier && (before == "," || before == "DISTINCT") &&
			(after == "," || after == "FROM" || after == "AS") {
			missing = slices.DeleteFunc(missing, func(name string) bool { return name == r.Name })
		}
		if s.text(at) == "FROM" || s.text(at) == "ON" || s.text(at) == "(" {
			break
		}
	}
	return len(missing) == 0 && len(c.Table.PrimaryKey) > 0
}

// handsOut returns an encrypted column of a table whose rows stand for themselves in an expression. A list may have all
// columns of a table, each by itself.
func (s *reader) handsOut(r Reference) *Column {
	after, f := s.text(r.Last+1), s.top()
	all := after == "." && s.text(r.Last+2) == "*"
	if r.Qualifier != "" || after == "." && !all {
		return nil
	}
	call := f.clause == "" && s.inCall()
	switch f.clause {
	case "SELECT", "RETURNING":
		if all {
			return nil
		}
	case "WHERE", "HAVING", "GROUP", "ORDER", "SET", "VALUES":
	default:
		if !call {
			return nil
		}
	}
	return s.watcher.names.wholeRow(r.Name)
}

// inCall reports whether the parentheses are a function's, as far as can be told from what is in front of them.
func (s *reader) inCall() bool {
	before := s.top().before
	return before != "" && before != "FROM" && before != "JOIN" && before != "," && before != "(" && !s.top().columns &&
		before != "COUNT" && before != "USING" && before != "AS"
}

// listed reports whether a column of a select list ends after its name, and notes what it is called in the result.
func (s *reader) listed(r Reference, c *Column, after string) bool {
	at, as := r.Last+1, r.Name
	if after == "AS" {
		at++
	} else if EndsItem(after) {
		note(s.watcher.listed, as, c)
		return true
	}
	if at >= len(s.words) || s.words[at].Name == "" || IsOperator(s.words[at].Text) {
		return false
	}
	note(s.watcher.listed, s.words[at].Name, c)
	return true
}

// refuse says what can be done with the column.
func (w *Watcher) refuse(c *Column) error {
	return fmt.Errorf("%w: column %s cannot be compared, ordered, computed with or written in this way (%s; qualify a "+
		"column of another table with its name; %s.AsStored is the way out)", w.adapter.ErrEncrypted, c,
		w.adapter.Cure(c), w.adapter.Package)
}
