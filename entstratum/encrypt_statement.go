package entstratum

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"entgo.io/ent/dialect"
	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/internal/fields"
	"github.com/stratum-hq/stratum-go/internal/scope"
	"github.com/stratum-hq/stratum-go/internal/sqltext"
	"github.com/stratum-hq/stratum-go/internal/watch"
)

// Statements are rewritten as text, at the one place that all of them pass: builders, predicates, modifiers, upserts,
// edges and raw SQL alike. What is written to an encrypted column as a parameter is sealed, and its blind indexes are
// written along; conditions become conditions on the blind index. What is anything else is refused.

// sent is a statement as it is sent.
type sent struct {
	ctx  context.Context //nolint:containedctx // what Exec and Query want
	sql  string
	args []any
}

// statement is one that is being rewritten.
type statement struct {
	ctx    context.Context //nolint:containedctx // for the length of one call
	fields *encryptedFields
	conn   dialect.ExecQuerier // what it is sent on
	scope  scope.Scope
	names  fields.Names
	sql    string
	words  []fields.Word

	args    []any
	uses    map[string]int // how often a parameter is in the text
	edits   []edit
	handled map[int]bool // the words of names that need no look any more
}

// edit puts a text in the place of another.
type edit struct {
	start, stop int
	text        string
}

// rewrite returns a statement as it may be sent, with what opens its rows in the context.
func (f *encryptedFields) rewrite(
	ctx context.Context, conn dialect.ExecQuerier, query string, args []any,
) (sent, error) {
	words, complete := fields.Read(query)
	names := fields.NamesOf(f, words)
	if f.err != nil {
		return sent{ctx: ctx, sql: query, args: args}, f.withoutKeys(names, words)
	}
	stored := wantsStored(ctx)
	w := fields.NewWatcher(ctx, refusals(), names, stored)
	out := sent{ctx: watch.With(ctx, w), sql: query, args: args}
	if !complete || !names.HasEncrypted() {
		return out, nil // the server refuses what is not complete
	}
	s := &statement{
		ctx: ctx, fields: f, conn: conn, scope: scope.From(ctx), names: names, sql: query, words: words,
		args: slices.Clone(args), uses: make(map[string]int), handled: make(map[int]bool),
	}
	for _, word := range words {
		if fields.IsParameter(word.Text) {
			s.uses[word.Text]++
		}
	}
	if err := s.run(stored); err != nil {
		return sent{}, err
	}
	if err := w.Check(words, s.handled); err != nil {
		return sent{}, err
	}
	out.sql, out.args = s.finish(), s.args
	return out, nil
}

// withoutKeys refuses what has to do with an encrypted column, and lets the rest through.
func (f *encryptedFields) withoutKeys(names fields.Names, words []fields.Word) error {
	switch fields.TextAt(words, 0) {
	case "CREATE", "ALTER", "DROP", "COMMENT":
		return nil
	}
	for at := 0; at < len(words) && names.HasEncrypted(); at++ {
		r, ok := fields.ReferenceAt(words, at)
		if ok {
			at = r.Last
		}
		star := words[at].Text == "*" && fields.TextAt(words, at-1) != "("
		if found := names.Find(r.Qualifier, r.Name); star || ok && len(found) > 0 {
			return fmt.Errorf("%w: the client has no keys: %w", ErrEncrypted, f.err)
		}
	}
	return nil
}

func (s *statement) run(stored bool) error {
	if err := s.insert(); err != nil {
		return err
	}
	if err := s.update(); err != nil {
		return err
	}
	if stored {
		return nil
	}
	return s.conditions()
}

func (s *statement) text(at int) string { return fields.TextAt(s.words, at) }

// put notes that a text is to stand behind a word.
func (s *statement) put(behind int, text string) {
	at := s.words[behind].Stop
	s.edits = append(s.edits, edit{at, at, text})
}

// replace notes that a text is to stand in the place of some words.
func (s *statement) replace(first, last int, text string) {
	s.edits = append(s.edits, edit{s.words[first].Start, s.words[last].Stop, text})
}

// finish writes the statement anew.
func (s *statement) finish() string {
	slices.SortStableFunc(s.edits, func(a, b edit) int { return a.start - b.start })
	var b strings.Builder
	at := 0
	for _, e := range s.edits {
		b.WriteString(s.sql[at:e.start])
		b.WriteString(e.text)
		at = e.stop
	}
	b.WriteString(s.sql[at:])
	return b.String()
}

// parameter returns the number of the argument of a word, from 0.
func (s *statement) parameter(at int) (int, error) {
	text := s.text(at)
	n, err := strconv.Atoi(text[1:])
	if err != nil || n < 1 || n > len(s.args) {
		return 0, fmt.Errorf("%w: parameter %s of a statement has no argument", ErrEncrypted, text)
	}
	if s.uses[text] > 1 {
		return 0, fmt.Errorf("%w: parameter %s is used more than once, and in one of the places it is sealed (give "+
			"the value twice)", ErrEncrypted, text)
	}
	return n - 1, nil
}

// add adds an argument, and returns the parameter for it.
func (s *statement) add(value any) string {
	s.args = append(s.args, value)
	return "$" + strconv.Itoa(len(s.args))
}

// item is one of a list, from one word to another.
type item struct{ first, last int }

// list reads a list in parentheses. It returns the word behind it.
func (s *statement) list(at int) (items []item, behind int) {
	depth, first := 0, at+1
	for ; at < len(s.words); at++ {
		switch s.text(at) {
		case "(", "[":
			depth++
		case ")", "]":
			depth--
		}
		if ends := depth == 0; ends || depth == 1 && s.text(at) == "," {
			if at > first {
				items = append(items, item{first, at - 1})
			}
			if first = at + 1; ends {
				return items, at + 1
			}
		}
	}
	return items, at
}

// name returns the name that an item is, and nothing else.
func (s *statement) name(i item) string {
	if i.first != i.last {
		return ""
	}
	return s.words[i.first].Name
}

// tenantOfRow returns whose keys a new row is sealed with.
func (s *statement) tenantOfRow(t *encryptedTable, columns []string, row []item) (uuid.UUID, error) {
	found, err := scope.Check(s.ctx)
	if err != nil || found.Kind != scope.System {
		return found.Tenant, err
	}
	value, ok := s.valueOf(t.Tenant, columns, row)
	id, err := fields.AsUUID(value)
	if !ok || err != nil || id == uuid.Nil {
		return uuid.Nil, fmt.Errorf("%w is missing from a row with encrypted fields (set it)", ErrTenantID)
	}
	return id, nil
}

// valueOf returns the argument that a row has for a column.
func (s *statement) valueOf(column string, columns []string, row []item) (any, bool) {
	at := slices.Index(columns, column)
	if at < 0 || at >= len(row) || row[at].first != row[at].last || !fields.IsParameter(s.text(row[at].first)) {
		return nil, false
	}
	n, err := strconv.Atoi(s.text(row[at].first)[1:])
	if err != nil || n < 1 || n > len(s.args) {
		return nil, false
	}
	return s.args[n-1], true
}

// tenantOfRows returns whose keys values are sealed with that may be written to several rows. They must be one
// tenant's, which the system's are not.
func (s *statement) tenantOfRows(c *encryptedColumn) (uuid.UUID, error) {
	found, err := scope.Check(s.ctx)
	if err != nil {
		return uuid.Nil, err
	}
	if found.Kind == scope.System {
		return uuid.Nil, fmt.Errorf("%w: column %s is sealed with the keys of the row's tenant, and the system's "+
			"statement may concern several (update it with a ctx from core.WithTenant)", ErrEncrypted, c)
	}
	return found.Tenant, nil
}

func quote(name string) string { return sqltext.Quote(name) }
