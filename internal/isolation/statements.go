package isolation

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// Statements are the paths of plain SQL to the rows of a table, over a guarded pool. What refuses them is the boundary.
type Statements struct {
	rows  *Rows
	entry *Entry
	facts *Facts
	of    func(Row) Values
}

// NewStatements describes the paths to a tenant-owned table among those of rows. of are the values of an adapter's row.
func NewStatements(ctx context.Context, rows *Rows, e *Entry, of func(Row) Values) (*Statements, error) {
	facts, err := rows.Facts(ctx, e)
	if err != nil {
		return nil, err
	}
	if len(facts.Primary) == 0 {
		return nil, fmt.Errorf("%w: %s has no primary key", ErrNoTable, e.SQL())
	}
	for _, other := range rows.entries {
		if other.Column == "" {
			continue
		}
		if _, err := rows.Facts(ctx, other); err != nil {
			return nil, err
		}
	}
	return &Statements{rows: rows, entry: e, facts: facts, of: of}, nil
}

// Key is what a row of a table is recognised by: its table and its primary key.
func (r *Rows) Key(e *Entry, values Values) string {
	parts := make([]string, 0, 1+len(r.known[e].Primary))
	parts = append(parts, e.Name)
	for _, name := range r.known[e].Primary {
		parts = append(parts, values[name])
	}
	return strings.Join(parts, "/")
}

// Fill returns a row of the caller's that is not in the database yet, for a path.
func (s *Statements) Fill(ctx context.Context, preset Values) (Values, error) {
	values, err := s.rows.Fill(ctx, s.entry, preset)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPrepare, err)
	}
	return values, nil
}

// Select is the SELECT of a row, for Selected.
func (s *Statements) Select(row Row) (text string, args []any) {
	text, args = is(s.facts, s.of(row), 0)
	return s.everything() + " WHERE " + text, args
}

func (s *Statements) everything() string {
	return "SELECT " + texts(s.facts) + " FROM " + s.entry.SQL()
}

// Delete is the DELETE of a row.
func (s *Statements) Delete(row Row) (text string, args []any) {
	text, args = is(s.facts, s.of(row), 0)
	return deleteFrom(s.entry, text), args
}

// Reads are SELECTs.
func (s *Statements) Reads() []Path {
	return []Path{
		{Name: "database/sql SELECT", Run: func(ctx context.Context, a Attempt) ([]string, error) {
			text, args := s.Select(a.Target)
			return s.Selected(s.rows.db.QueryContext(ctx, text, args...))
		}},
		{Name: "database/sql SELECT of everything", Run: func(ctx context.Context, _ Attempt) ([]string, error) {
			return s.Selected(s.rows.db.QueryContext(ctx, s.everything()))
		}},
		{Name: "database/sql SELECT with a lock", Run: func(ctx context.Context, a Attempt) ([]string, error) {
			text, args := s.Select(a.Target)
			return s.Selected(s.rows.db.QueryContext(ctx, text+" FOR UPDATE", args...))
		}},
		{Name: "database/sql SELECT in a transaction", Run: func(ctx context.Context, a Attempt) ([]string, error) {
			tx, err := s.rows.db.BeginTx(ctx, nil)
			if err != nil {
				return nil, err
			}
			defer func() { _ = tx.Rollback() }() // after Commit it has nothing to do
			text, args := s.Select(a.Target)
			keys, err := s.Selected(tx.QueryContext(ctx, text, args...))
			if err != nil {
				return keys, err
			}
			return keys, tx.Commit()
		}},
	}
}

// Selected reads the keys of rows to the end.
func (s *Statements) Selected(rows *sql.Rows, err error) (keys []string, _ error) {
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells more
	for rows.Next() {
		held := make([]sql.NullString, len(s.facts.Columns))
		if err := rows.Scan(pointers(held)...); err != nil {
			return keys, err
		}
		keys = append(keys, s.rows.Key(s.entry, valuesIn(s.facts, held)))
	}
	return keys, rows.Err()
}

// Writes add and remove a row, and try to give one away.
func (s *Statements) Writes() []Path {
	tenant := s.entry.Column
	return []Path{
		s.changes(),
		{Name: "database/sql INSERT with the tenant's id", Effect: Writes, Run: func(
			ctx context.Context, a Attempt,
		) ([]string, error) {
			values, err := s.Fill(ctx, Values{tenant: s.of(a.Target)[tenant]})
			if err != nil {
				return nil, err
			}
			// Without RETURNING: with it the database also checks whether the writer may see the row.
			text, args := insert(s.entry, s.facts, values)
			return nil, s.exec(ctx, text, args)
		}},
		{Name: "database/sql DELETE", Effect: Writes, Run: func(ctx context.Context, a Attempt) ([]string, error) {
			text, args := s.Delete(a.Target)
			return nil, s.exec(ctx, text, args)
		}},
		{Name: "database/sql UPDATE of the tenant column", Effect: Links, Run: func(
			ctx context.Context, a Attempt,
		) ([]string, error) {
			return nil, s.set(ctx, a.Own, s.of(a.Target), []string{tenant})
		}},
	}
}

// NoColumn is why paths that change a column are not tried.
const NoColumn = "no column that any value may be written to"

// changes is an UPDATE of a column.
func (s *Statements) changes() Path {
	path := Path{Name: "database/sql UPDATE", Effect: Writes}
	column := s.Changeable(func(string) bool { return true })
	if column == "" {
		path.Skipped = NoColumn
		return path
	}
	path.Run = func(ctx context.Context, a Attempt) ([]string, error) {
		return nil, s.set(ctx, a.Target, Values{column: s.Changed(column, a.Target)}, []string{column})
	}
	return path
}

// Changeable returns a column that takes another value without any other row knowing, among those that the adapter can
// write to, or "". A unique one will do where there is no other, if it takes any text.
func (s *Statements) Changeable(writable func(column string) bool) string {
	elsewhere, unique := s.rows.setElsewhere(s.entry, s.facts), ""
	for i := range s.facts.Columns {
		c := &s.facts.Columns[i]
		_, ok := other(c, "")
		if !ok || elsewhere(c.Name) || slices.Contains(s.facts.Primary, c.Name) || !writable(c.Name) {
			continue
		}
		if !s.facts.IsUnique(c.Name) {
			return c.Name
		}
		if c.IsText() && c.Length == 0 {
			unique = c.Name
		}
	}
	return unique
}

// Changed is another value of such a column than a row has.
func (s *Statements) Changed(column string, row Row) string {
	text, _ := other(s.facts.Column(column), s.of(row)[column])
	return text
}

// other is another value of a column, where one is known.
func other(c *Column, old string) (text string, ok bool) {
	var values []string
	switch c.Type {
	case "smallint", "integer", "bigint", "numeric", "real", "double precision":
		values = []string{"2", "3"}
	case "boolean":
		values = []string{"true", "false"}
	case "timestamp with time zone", "timestamp without time zone", "date":
		values = []string{"2001-02-03", "2002-03-04"}
	default:
		return c.Other(old)
	}
	if values[0] == old {
		return values[1], !c.Checked
	}
	return values[0], !c.Checked
}

// set gives columns of a row the values that they have in another.
func (s *Statements) set(ctx context.Context, row Row, values Values, columns []string) error {
	sets := make([]string, len(columns))
	text, key := is(s.facts, s.of(row), len(columns))
	args := make([]any, len(columns), len(columns)+len(key))
	for i, name := range columns {
		value, ok := values[name]
		if !ok {
			return fmt.Errorf("%w: the row has no %s", ErrPrepare, name)
		}
		sets[i], args[i] = Quote(name)+" = "+cast(s.facts, name, i+1), value
	}
	return s.exec(ctx, "UPDATE "+s.entry.SQL()+" SET "+strings.Join(sets, ", ")+" WHERE "+text, append(args, key...))
}

func (s *Statements) exec(ctx context.Context, text string, args []any) error {
	_, err := s.rows.db.ExecContext(ctx, text, args...)
	return err
}
