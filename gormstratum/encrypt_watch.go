package gormstratum

import (
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/internal/fields"
	"github.com/stratum-hq/stratum-go/internal/scope"
	"github.com/stratum-hq/stratum-go/internal/watch"
)

// watcher looks at a statement of GORM's when it is complete, and at the rows that come back. What names an encrypted
// column in a way that was not rewritten is refused here, whoever has written it: raw SQL, a clause of another package,
// an ORDER BY.
type watcher struct {
	plugin *Plugin
	scope  scope.Scope
	raw    bool // the text is the application's, and its values are not sealed
	stored bool // see AsStored

	ctx    context.Context //nolint:containedctx // the driver's interface for rows has none
	names  names
	opened map[string][]*encryptedField // what the columns of the result can be, by their names
	listed map[string][]*encryptedField // the same for columns that the statement lists
	star   bool                         // the statement has a * in a list
	edits  []edit                       // see Rewritten
}

// watch puts a watcher into the context of a statement, where there are encrypted columns at all.
func (p *Plugin) watch(db *gorm.DB) {
	if p.registry == nil || !p.registry.encrypted || db.Statement.Context == nil {
		return
	}
	w := &watcher{plugin: p, scope: scope.From(db.Statement.Context), raw: db.Statement.SQL.Len() > 0}
	w.stored = wantsStored(db.Statement.Context)
	db.Statement.Context = watch.With(db.Statement.Context, w)
	w.ctx = db.Statement.Context
}

// Statement refuses a statement that does with an encrypted column what only the value could answer.
func (w *watcher) Statement(sql string) error {
	w.names = newNames(w.plugin.registry)
	w.opened, w.listed = make(map[string][]*encryptedField), make(map[string][]*encryptedField)
	w.star, w.edits = false, nil
	if w.stored {
		return nil
	}
	words, ok := fields.Read(sql)
	if !ok {
		return nil // the server refuses it
	}
	w.names.addText(words)
	if !w.names.hasEncrypted() {
		return nil
	}
	for as, all := range w.names.tables {
		for _, t := range all {
			for name, e := range t.encrypted {
				note(w.opened, name, e)
				note(w.opened, as+"__"+name, e) // as GORM calls the columns of a join
			}
		}
	}
	s := &statementReader{watcher: w, sql: sql, words: words, frames: []frame{{}}}
	return s.read()
}

// note adds what a column of the result may be.
func note(columns map[string][]*encryptedField, name string, e *encryptedField) {
	if !slices.Contains(columns[name], e) {
		columns[name] = append(columns[name], e)
	}
}

// candidates returns what a column of the result may be. Where no list has a * in it, it is what the lists say.
func (w *watcher) candidates(name string) []*encryptedField {
	if listed := w.listed[name]; len(listed) > 0 && !w.star {
		return listed
	}
	all := w.opened[name]
	for _, e := range w.listed[name] {
		if !slices.Contains(all, e) {
			all = append(slices.Clone(all), e)
		}
	}
	return all
}

// frame is what stands in one pair of parentheses.
type frame struct {
	clause   string // the keyword that it is at
	before   string // what stands in front of it
	distinct bool
	columns  bool // it is the list of columns of an INSERT
	start    int  // the first word in it
}

// statementReader walks over a statement.
type statementReader struct {
	watcher *watcher
	sql     string
	words   []fields.Word
	frames  []frame
}

func (s *statementReader) top() *frame { return &s.frames[len(s.frames)-1] }

func (s *statementReader) read() error {
	for at := 0; at < len(s.words); at++ {
		if s.moves(at) {
			continue
		}
		r, ok := fields.ReferenceAt(s.words, at)
		if !ok {
			continue
		}
		at = r.Last
		found := s.watcher.names.find(r.Qualifier, r.Name)
		if r.Qualifier == "excluded" {
			found = s.watcher.names.find("", r.Name)
		}
		if len(found) > 0 && !s.allows(r, found[0]) {
			return s.watcher.refuse(found[0])
		}
		if len(found) > 0 {
			if err := s.readsBoth(r, found); err != nil {
				return err
			}
		}
		if err := s.movesKey(r); err != nil {
			return err
		}
		if e := s.handsOut(r); e != nil {
			return s.watcher.refuse(e)
		}
	}
	return nil
}

// moves follows parentheses and keywords.
func (s *statementReader) moves(at int) bool {
	switch text := s.words[at].Text; text {
	case "*":
		before := fields.TextAt(s.words, at-1)
		s.watcher.star = s.watcher.star || before == "." || before == "," || before == "SELECT" || before == "RETURNING"
	case "(":
		before := fields.TextAt(s.words, at-1)
		s.frames = append(s.frames, frame{
			before: before, columns: s.top().clause == "INTO" && before != "VALUES", start: at + 1,
		})
	case ")":
		if len(s.frames) > 1 {
			s.frames = s.frames[:len(s.frames)-1]
		}
	case "SELECT", "FROM", "WHERE", "ON", "HAVING", "GROUP", "ORDER", "SET", "VALUES", "RETURNING", "INTO", "USING",
		"CONFLICT", "LIMIT", "UNION", "JOIN", "WINDOW":
		*s.top() = frame{
			clause: text, before: s.top().before, distinct: fields.TextAt(s.words, at+1) == "DISTINCT",
			start: s.top().start,
		}
	default:
		return false
	}
	return true
}

// allows reports whether an encrypted column may be named where it is: to be read as it is, to be written with what was
// sealed, and to be asked for NULL.
func (s *statementReader) allows(r fields.Reference, e *encryptedField) bool {
	before, after := fields.TextAt(s.words, r.First-1), fields.TextAt(s.words, r.Last+1)
	f, raw := s.top(), s.watcher.raw
	if after == "IS" {
		return mayPrecede(before) && fields.AsksForNull(s.words, r.Last+2)
	}
	switch {
	case f.columns:
		return !raw
	case f.clause == "SET":
		return !raw && isAssigned(r, before, after)
	case f.clause == "SELECT" || f.clause == "RETURNING":
		return !f.distinct && !fields.Compares(f.before) && (before == f.clause || before == ",") &&
			s.listed(r, e, after)
	}
	return f.clause == "" && f.before == "COUNT" && before == "(" && after == ")"
}

// isAssigned reports whether a column of a SET clause is what is written, or what an upsert would have inserted.
func isAssigned(r fields.Reference, before, after string) bool {
	if r.Qualifier == "excluded" {
		return before == "=" && (after == "," || after == "" || after == "WHERE" || after == "RETURNING")
	}
	return (before == "SET" || before == ",") && after == "="
}

// handsOut returns an encrypted column of a table whose rows stand for themselves in an expression. A list may have all
// columns of a table, each by itself.
func (s *statementReader) handsOut(r fields.Reference) *encryptedField {
	after, f := fields.TextAt(s.words, r.Last+1), s.top()
	all := after == "." && fields.TextAt(s.words, r.Last+2) == "*"
	if r.Qualifier != "" || after == "." && !all {
		return nil
	}
	call := f.clause == "" && s.inCall()
	switch f.clause {
	case "SELECT", "RETURNING":
		if all || fields.TextAt(s.words, r.First-1) == "AS" {
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
func (s *statementReader) inCall() bool {
	before := s.top().before
	return before != "" && before != "FROM" && before != "JOIN" && before != "," && before != "(" && !s.top().columns &&
		before != "COUNT" && before != "USING" && before != "AS"
}

// listed reports whether a column of a select list ends after its name, and notes what it is called in the result.
func (s *statementReader) listed(r fields.Reference, e *encryptedField, after string) bool {
	at, as := r.Last+1, r.Name
	if after == "AS" {
		at++
	} else if fields.EndsItem(after) {
		note(s.watcher.listed, as, e)
		return true
	}
	if at >= len(s.words) || s.words[at].Name == "" || fields.IsOperator(s.words[at].Text) {
		return false
	}
	note(s.watcher.listed, s.words[at].Name, e)
	return true
}

// refuse says what can be done with the column.
func (w *watcher) refuse(e *encryptedField) error {
	cure := "it is not searchable: tag it stratum:\"searchable\" for = and IN"
	switch {
	case w.raw:
		cure = "use the model: raw SQL can read it, and neither write nor compare it"
	case len(e.indexes) > 0 && w.scope.Kind != scope.Tenant:
		cure = "each tenant has a blind index of its own: look it up as one tenant after the other, with " +
			"gormstratum.ForEachTenant or core.WithTenant"
	case e.index != nil:
		cure = "only = and IN find it, as in Where(\"" + e.field.DBName + " = ?\", v)"
	case len(e.indexes) > 0:
		cure = "name the blind index that is to find it, as in Where(\"" + e.indexes[0].column + " = ?\", v)"
	}
	return fmt.Errorf("%w: column %s cannot be compared, ordered, computed with or written in this way (%s; qualify a "+
		"column of another table with its name; gormstratum.AsStored is the way out)", ErrEncrypted, e, cure)
}
