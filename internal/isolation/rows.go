package isolation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stratum-hq/stratum-go/internal/scope"
)

// maxNested is how often a table may occur among the rows that a row refers to, itself included: once more than once,
// so that a row of a tree has a parent.
const maxNested = 2

// Entry is a table of the application as its adapter declares it.
type Entry struct {
	// Schema is where the table is. Defaults to the search_path.
	Schema string
	// Name is the table's name.
	Name string
	// Column is the tenant column, or empty for a table of everyone's.
	Column string
	// Sample returns values of a new row, another each time. Defaults to none: they are made up.
	Sample func() (Values, error)
	// Refine adds to the facts what the adapter knows and the database does not. Defaults to nothing.
	Refine func(*Facts)
}

// SQL is the table's name as in SQL.
func (e *Entry) SQL() string {
	if e.Schema == "" {
		return Quote(e.Name)
	}
	return Quote(e.Schema) + "." + Quote(e.Name)
}

// Values are columns of a row, each as the text that SQL casts to its type. A column that is missing is NULL in a row
// that is there, and left to its default in one that is not.
type Values map[string]string

// Rows makes rows by SQL, with all that they refer to. It is not safe for concurrent use.
type Rows struct {
	db      *sql.DB
	adapter Adapter
	entries []*Entry
	known   map[*Entry]*Facts
	globals []global // rows that were made for everyone, in order
	first   int      // where unique numbers begin: an application's own rows may have the small ones
	made    int      // unique values
}

// global is a row of everyone's.
type global struct {
	entry  *Entry
	values Values
}

// NewRows returns a maker of rows in the tables of the application, which are all those that rows may refer to.
func NewRows(db *sql.DB, adapter Adapter, entries []*Entry) *Rows {
	return &Rows{
		db: db, adapter: adapter, entries: entries, known: make(map[*Entry]*Facts),
		first: 1e6 + rand.IntN(1e6), //nolint:gosec // a test's values, no secret
	}
}

// Facts is what the database knows of a table. ctx may be anyone's.
func (r *Rows) Facts(ctx context.Context, e *Entry) (*Facts, error) {
	if f := r.known[e]; f != nil {
		return f, nil
	}
	f, err := ReadFacts(ctx, r.db, e.SQL(), e.Column)
	if err != nil {
		return nil, err
	}
	if e.Refine != nil {
		e.Refine(f)
	}
	r.known[e] = f
	return f, nil
}

// Known is what Facts has returned for a table, or nil.
func (r *Rows) Known(e *Entry) *Facts { return r.known[e] }

// Referred returns the table that a foreign key refers to, or nil where the application did not declare it.
func (r *Rows) Referred(to Reference) *Entry {
	i := slices.IndexFunc(r.entries, func(e *Entry) bool {
		return e.Name == to.Table && (e.Schema == "" || e.Schema == to.Schema)
	})
	if i < 0 {
		return nil
	}
	return r.entries[i]
}

// ReferredOwned reports whether a foreign key refers to a table with tenants' rows.
func (r *Rows) ReferredOwned(to Reference) bool {
	e := r.Referred(to)
	return e != nil && e.Column != ""
}

// Make makes a row of the tenant of ctx. preset are values that it must have.
func (r *Rows) Make(ctx context.Context, e *Entry, preset Values) (Values, error) {
	return r.within(ctx, e, preset, nil)
}

// Loose makes a row that refers to nothing that it need not refer to.
func (r *Rows) Loose(ctx context.Context, e *Entry) (Values, error) {
	facts, err := r.Facts(ctx, e)
	if err != nil {
		return nil, err
	}
	values, err := r.sample(e)
	if err != nil {
		return nil, err
	}
	for _, l := range r.links(e, facts) {
		if !l.needed(facts) {
			continue
		}
		if err := r.follow(ctx, l, values, []*Entry{e}); err != nil {
			return nil, err
		}
	}
	r.complete(facts, values, r.setElsewhere(e, facts))
	return r.Insert(ctx, e, values)
}

func (r *Rows) within(ctx context.Context, e *Entry, preset Values, within []*Entry) (Values, error) {
	values, err := r.fill(ctx, e, preset, append(slices.Clone(within), e))
	if err != nil {
		return nil, err
	}
	return r.Insert(ctx, e, values)
}

// Fill returns a row that is not in the database yet. What it refers to is, unless ctx has no tenant: a statement that
// has to be refused needs no more than values.
func (r *Rows) Fill(ctx context.Context, e *Entry, preset Values) (Values, error) {
	return r.fill(ctx, e, preset, []*Entry{e})
}

func (r *Rows) fill(ctx context.Context, e *Entry, preset Values, within []*Entry) (Values, error) {
	facts, err := r.Facts(ctx, e)
	if err != nil {
		return nil, err
	}
	values, err := r.sample(e)
	if err != nil {
		return nil, err
	}
	maps.Copy(values, preset)
	if _, err := scope.Check(ctx); err != nil {
		r.complete(facts, values, func(name string) bool { return name == e.Column })
		return values, nil //nolint:nilerr // the statement is to find out
	}
	for _, l := range r.links(e, facts) {
		if err := r.follow(ctx, l, values, within); err != nil {
			return nil, err
		}
	}
	r.complete(facts, values, r.setElsewhere(e, facts))
	return values, nil
}

func (*Rows) sample(e *Entry) (Values, error) {
	if e.Sample == nil {
		return make(Values), nil
	}
	return e.Sample()
}

// complete makes up what a row must bring: what the database fills in is left alone, and so is what may be empty, but
// for unique columns: an empty one would show nothing of them.
func (r *Rows) complete(facts *Facts, values Values, elsewhere func(column string) bool) {
	for i := range facts.Columns {
		c := &facts.Columns[i]
		_, has := values[c.Name]
		unique := facts.IsUnique(c.Name) || slices.Contains(facts.Primary, c.Name)
		if has || c.Default || elsewhere(c.Name) || !c.NotNull && !unique {
			continue
		}
		values[c.Name] = c.Text()
		if unique {
			values[c.Name] = r.another(c)
		}
	}
}

// another is a text for a unique column: other than those before, where the type's usual text is always the same.
func (r *Rows) another(c *Column) string {
	r.made++
	switch c.Type {
	case "smallint":
		return strconv.Itoa(r.first%20000 + r.made)
	case "integer", "bigint", "numeric", "real", "double precision", "money":
		return strconv.Itoa(r.first + r.made)
	case "date":
		return time.UnixMilli(0).UTC().AddDate(0, 0, r.first%20000+r.made).Format(time.DateOnly)
	case "timestamp with time zone", "timestamp without time zone":
		return time.Unix(int64(r.first+r.made), 0).UTC().Format(time.RFC3339)
	}
	return c.Text()
}

// setElsewhere says which columns need no value of their own: the tenant's, and those that refer to rows.
func (r *Rows) setElsewhere(e *Entry, facts *Facts) func(column string) bool {
	referring := r.referring(e, facts)
	return func(name string) bool { return name == e.Column || referring[name] }
}

// referring are the columns of a table that refer to rows.
func (r *Rows) referring(e *Entry, facts *Facts) map[string]bool {
	columns := make(map[string]bool)
	for _, l := range r.links(e, facts) {
		for _, name := range l.columns {
			columns[name] = true
		}
	}
	return columns
}

// link is a foreign key without the tenant, whom the database sets.
type link struct {
	columns, refs []string
	entry         *Entry
}

func (r *Rows) links(e *Entry, facts *Facts) []link {
	var links []link
	for _, reference := range facts.References {
		l := link{entry: r.Referred(reference)}
		for i, column := range reference.Columns {
			if column != e.Column {
				l.columns, l.refs = append(l.columns, column), append(l.refs, reference.RefColumns[i])
			}
		}
		if l.entry != nil && len(l.columns) > 0 {
			links = append(links, l)
		}
	}
	return links
}

// needed reports whether a row cannot do without what it refers to.
func (l link) needed(facts *Facts) bool {
	return slices.ContainsFunc(l.columns, func(name string) bool { return facts.Column(name).NotNull })
}

// follow makes the row that values refer to, unless they say already which that is.
func (r *Rows) follow(ctx context.Context, l link, values Values, within []*Entry) error {
	for _, column := range l.columns {
		if _, ok := values[column]; ok {
			return nil
		}
	}
	parent, err := r.parent(ctx, l.entry, within)
	if err != nil || parent == nil {
		return err
	}
	for i, column := range l.columns {
		values[column] = parent[l.refs[i]]
	}
	return nil
}

// parent makes a row to refer to, or returns nil where that would go on for ever: the database says whether an empty
// reference will do. Of everyone's rows any will do.
func (r *Rows) parent(ctx context.Context, e *Entry, within []*Entry) (Values, error) {
	if e.Column != "" {
		nested := 0
		for _, other := range within {
			if other == e {
				nested++
			}
		}
		if nested >= maxNested {
			return nil, nil
		}
		return r.within(ctx, e, nil, within)
	}
	facts, err := r.Facts(ctx, e)
	if err != nil {
		return nil, err
	}
	found, err := r.read(ctx, facts, "SELECT "+texts(facts)+" FROM "+e.SQL()+" LIMIT 1")
	if !errors.Is(err, sql.ErrNoRows) {
		return found, err
	}
	made, err := r.within(asSystem(ctx), e, nil, within)
	if err == nil {
		r.globals = append(r.globals, global{e, made})
	}
	return made, err
}

func asSystem(ctx context.Context) context.Context {
	return scope.With(ctx, scope.Scope{Kind: scope.System, Reason: "stratumtest.AssertIsolated"})
}

// Insert writes a row and returns it as it is then.
func (r *Rows) Insert(ctx context.Context, e *Entry, values Values) (Values, error) {
	facts, err := r.Facts(ctx, e)
	if err != nil {
		return nil, err
	}
	text, args := insert(e, facts, values)
	made, err := r.read(ctx, facts, text+" RETURNING "+texts(facts), args...)
	if err != nil {
		return nil, fmt.Errorf("%s: making a row of %s: %w (set the fields that need particular values in the model "+
			"that is passed, or give IsolationOptions a Sample)", r.adapter, e.Name, err)
	}
	return made, nil
}

// insert is the statement that writes a row.
func insert(e *Entry, facts *Facts, values Values) (text string, args []any) {
	if len(values) == 0 {
		return "INSERT INTO " + e.SQL() + " DEFAULT VALUES", nil
	}
	var columns, casts []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		args = append(args, values[name])
		columns, casts = append(columns, Quote(name)), append(casts, cast(facts, name, len(args)))
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", e.SQL(), strings.Join(columns, ", "),
		strings.Join(casts, ", ")), args
}

// cast is parameter n as a value of a column. All of them are sent as text.
func cast(facts *Facts, column string, n int) string {
	return fmt.Sprintf("CAST($%d::text AS %s)", n, facts.Column(column).Type)
}

// texts are all columns of a row, as text.
func texts(facts *Facts) string {
	list := make([]string, len(facts.Columns))
	for i, c := range facts.Columns {
		list[i] = Quote(c.Name) + "::text"
	}
	return strings.Join(list, ", ")
}

// read returns the one row of a query for texts.
func (r *Rows) read(ctx context.Context, facts *Facts, text string, args ...any) (Values, error) {
	held := make([]sql.NullString, len(facts.Columns))
	if err := r.db.QueryRowContext(ctx, text, args...).Scan(pointers(held)...); err != nil {
		return nil, err
	}
	return valuesIn(facts, held), nil
}

func pointers(held []sql.NullString) []any {
	dest := make([]any, len(held))
	for i := range held {
		dest[i] = &held[i]
	}
	return dest
}

func valuesIn(facts *Facts, held []sql.NullString) Values {
	values := make(Values)
	for i, c := range facts.Columns {
		if held[i].Valid {
			values[c.Name] = held[i].String
		}
	}
	return values
}

// Close removes the rows that were made for everyone. ctx is the system's.
func (r *Rows) Close(ctx context.Context) error {
	var errs []error
	for _, g := range slices.Backward(r.globals) {
		text, args := is(r.known[g.entry], g.values, 0)
		_, err := r.db.ExecContext(ctx, deleteFrom(g.entry, text), args...)
		errs = append(errs, err)
	}
	r.globals = nil
	return errors.Join(errs...)
}

func deleteFrom(e *Entry, condition string) string {
	return "DELETE FROM " + e.SQL() + " WHERE " + condition
}

// is is the condition on the primary key of a row, whose parameters come after so many others.
func is(facts *Facts, values Values, after int) (text string, args []any) {
	conditions := make([]string, len(facts.Primary))
	for i, name := range facts.Primary {
		args = append(args, values[name])
		conditions[i] = Quote(name) + " = " + cast(facts, name, after+i+1)
	}
	return strings.Join(conditions, " AND "), args
}
