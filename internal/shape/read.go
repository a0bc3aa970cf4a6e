package shape

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// SearchPath is what the search_path must be for the statements of Create and Diff: what is in pg_catalog is not
// qualified in them.
const SearchPath = "pg_catalog, pg_temp"

// Querier is a transaction: a *sql.Tx, or a *sql.Conn with one open.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Names are those of tables and views. What is called so and is none of it is passed over.
type Names struct{ Tables, Views []string }

// Names are those of the shape.
func (s Shape) Names() *Names {
	var n Names
	for i := range s.Tables {
		n.Tables = append(n.Tables, s.Tables[i].Name)
	}
	for i := range s.Views {
		n.Views = append(n.Views, s.Views[i].Name)
	}
	return &n
}

// Read returns the tables and views of a schema, or those among them that are named. Names are all where they are nil.
func Read(ctx context.Context, q Querier, schema string, names *Names) (Shape, error) {
	shapes, err := ReadMany(ctx, q, []string{schema}, names)
	return shapes[schema], err
}

// ReadMany is Read for several schemas, in five round trips whatever their number, four without views. Each schema is
// in the result. The
// server keeps what it reads of each table for as long as the connection lives, so thousands of schemas are better read
// in batches on several.
func ReadMany(ctx context.Context, q Querier, schemas []string, names *Names) (map[string]Shape, error) {
	return readMany(ctx, standard{q}, schemas, names)
}

// ReadManyPgx is ReadMany over pgx.
func ReadManyPgx(ctx context.Context, q PgxQuerier, schemas []string, names *Names) (map[string]Shape, error) {
	return readMany(ctx, native{q}, schemas, names)
}

func readMany(ctx context.Context, q source, schemas []string, names *Names) (map[string]Shape, error) {
	shapes := shapesOf(schemas)
	err := inSettings(ctx, q, func() error {
		if err := readTables(ctx, q, shapes, names); err != nil || names != nil && len(names.Views) == 0 {
			return err
		}
		return readViews(ctx, q, shapes, names)
	})
	return shapes, err
}

func shapesOf(schemas []string) map[string]Shape {
	shapes := make(map[string]Shape, len(schemas))
	for _, schema := range schemas {
		shapes[schema] = Shape{}
	}
	return shapes
}

// inSettings does something with the readSettings, and puts back those that were set before.
func inSettings(ctx context.Context, q source, do func() error) error {
	previous, err := settings(ctx, q)
	if err != nil {
		return err
	}
	if err := set(ctx, q, readSettings()); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return set(ctx, q, previous)
}

// readSettings are those that decide how the server prints expressions and the constants in them. Compiling the query
// would take longer than running it. Everything is found by oid or name: once the catalog has grown by a few hundred
// schemas the planner would rather read all of it, by statistics of when it was small or of when it is large.
func readSettings() map[string]string {
	return map[string]string{
		"search_path": SearchPath, "quote_all_identifiers": "off", "TimeZone": "UTC", "DateStyle": "ISO, YMD",
		"IntervalStyle": "postgres", "extra_float_digits": "1", "bytea_output": "hex",
		"standard_conforming_strings": "on", "jit": "off",
		"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off",
		"plan_cache_mode": "force_generic_plan", // to plan it takes twice as long as to run it
	}
}

// settings returns those of readSettings as they are.
func settings(ctx context.Context, q source) (previous map[string]string, err error) {
	var text []byte
	if err = one(ctx, q, &text, settingsSQL, asJSON(readSettings())); err == nil {
		err = json.Unmarshal(text, &previous)
	}
	if err != nil {
		return nil, fmt.Errorf("stratum: reading settings: %w", err)
	}
	return previous, nil
}

// set lasts until the transaction ends, or until it is called again.
func set(ctx context.Context, q source, values map[string]string) error {
	var n int
	if err := one(ctx, q, &n, setSQL, asJSON(values)); err != nil {
		return fmt.Errorf("stratum: changing settings: %w", err)
	}
	return nil
}

// readTables adds the tables to their schemas.
func readTables(ctx context.Context, q source, shapes map[string]Shape, names *Names) error {
	var filter any
	if names != nil {
		filter = asJSON(append([]string{}, names.Tables...))
	}
	return read(ctx, q, func(text []byte) error {
		var t Table
		if err := json.Unmarshal(text, &t); err != nil {
			return err
		}
		t.normalise()
		s := shapes[t.Schema]
		s.Tables = append(s.Tables, t)
		shapes[t.Schema] = s
		return nil
	}, readSQL(), asJSON(slices.Collect(maps.Keys(shapes))), filter)
}

// readViews adds the views to their schemas, in the order of their names.
func readViews(ctx context.Context, q source, shapes map[string]Shape, names *Names) error {
	var filter any
	if names != nil {
		filter = asJSON(names.Views)
	}
	found, err := findViews(ctx, q, slices.Collect(maps.Keys(shapes)), filter)
	for _, f := range found {
		s := shapes[f.Schema]
		s.Views = append(s.Views, f.View)
		shapes[f.Schema] = s
	}
	return err
}

// findViews returns the views of schemas, those with the names in filter if it is not nil.
func findViews(ctx context.Context, q source, schemas []string, filter any) (found []foundView, err error) {
	err = read(ctx, q, func(text []byte) error {
		f, err := viewOf(text)
		found = append(found, f)
		return err
	}, readViewsSQL(), asJSON(schemas), filter)
	return found, err
}

// modelViews returns the views that lead to these tables, in their schemas.
func modelViews(ctx context.Context, q source, specs []Spec, schemas []string) ([]foundView, error) {
	pairs := make([][2]string, len(specs))
	for i, s := range specs {
		pairs[i] = [2]string{s.Schema, s.Name}
	}
	reached := map[name]bool{}
	var names []string
	err := read(ctx, q, func(text []byte) error {
		var pair [2]string
		err := json.Unmarshal(text, &pair)
		reached[name{pair[0], pair[1]}] = true
		names = append(names, pair[1])
		return err
	}, reachedSQL, asJSON(pairs))
	if err != nil || len(names) == 0 {
		return nil, err
	}
	found, err := findViews(ctx, q, schemas, asJSON(names))
	return slices.DeleteFunc(found, func(f foundView) bool { return !reached[f.key()] }), err
}

// read runs a query of the catalog, each row of which is a document and the search_path it was read under.
func read(ctx context.Context, q source, each func(text []byte) error, query string, args ...any) error {
	rows, err := q.query(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("stratum: reading the catalog: %w", err)
	}
	defer rows.close()
	for rows.Next() {
		var text []byte
		var path string
		if err := rows.Scan(&text, &path); err != nil {
			return fmt.Errorf("stratum: reading the catalog: %w", err)
		}
		if path != SearchPath {
			return ErrTransaction
		}
		if err := each(text); err != nil {
			return fmt.Errorf("stratum: reading the catalog: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("stratum: reading the catalog: %w", err)
	}
	return nil
}

// normalise brings into one form what the server prints in several.
func (t *Table) normalise() {
	t.rewrite(canonical)
	for i := range t.Constraints {
		if c := &t.Constraints[i]; !c.Validated {
			c.Definition = strings.TrimSuffix(c.Definition, " NOT VALID")
		}
	}
	slices.Sort(t.Options)
}

// rewrite changes every text that has expressions or names of relations in it.
func (t *Table) rewrite(change func(string) string) {
	for i := range t.Columns {
		c := &t.Columns[i]
		c.Type, c.Default = change(c.Type), change(c.Default)
	}
	for i := range t.Constraints {
		t.Constraints[i].Definition = change(t.Constraints[i].Definition)
	}
	for i := range t.Indexes {
		t.Indexes[i].Definition = change(t.Indexes[i].Definition)
	}
	for i := range t.Triggers {
		t.Triggers[i].Definition = change(t.Triggers[i].Definition)
	}
	for i := range t.Policies {
		p := &t.Policies[i]
		p.Using, p.Check = change(p.Using), change(p.Check)
	}
}

// asJSON is how lists travel: a text is understood by every driver in every mode. Strings always marshal.
func asJSON(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}
