package shape

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
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

// Read returns the tables of a schema, or those among them that are named. Names that are of no table are passed over.
func Read(ctx context.Context, q Querier, schema string, names []string) (Shape, error) {
	shapes, err := ReadMany(ctx, q, []string{schema}, names)
	return shapes[schema], err
}

// ReadMany is Read for several schemas, in four round trips whatever their number. Each schema is in the result. The
// server keeps what it reads of each table for as long as the connection lives, so thousands of schemas are better read
// in batches on several.
func ReadMany(ctx context.Context, q Querier, schemas, names []string) (map[string]Shape, error) {
	return readMany(ctx, standard{q}, schemas, names)
}

// ReadManyPgx is ReadMany over pgx.
func ReadManyPgx(ctx context.Context, q PgxQuerier, schemas, names []string) (map[string]Shape, error) {
	return readMany(ctx, native{q}, schemas, names)
}

func readMany(ctx context.Context, q source, schemas, names []string) (map[string]Shape, error) {
	previous, err := settings(ctx, q)
	if err != nil {
		return nil, err
	}
	if err := set(ctx, q, readSettings()); err != nil {
		return nil, err
	}
	tables, err := read(ctx, q, schemas, names)
	if err != nil {
		return nil, err
	}
	if err := set(ctx, q, previous); err != nil {
		return nil, err
	}
	shapes := make(map[string]Shape, len(schemas))
	for _, schema := range schemas {
		shapes[schema] = Shape{}
	}
	for i := range tables {
		s := shapes[tables[i].Schema]
		s.Tables = append(s.Tables, tables[i])
		shapes[tables[i].Schema] = s
	}
	return shapes, nil
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

func read(ctx context.Context, q source, schemas, names []string) (tables []Table, err error) {
	var filter any
	if names != nil {
		filter = asJSON(names)
	}
	rows, err := q.query(ctx, readSQL(), asJSON(schemas), filter)
	if err != nil {
		return nil, fmt.Errorf("stratum: reading the catalog: %w", err)
	}
	defer rows.close()
	for rows.Next() {
		var text []byte
		var path string
		if err := rows.Scan(&text, &path); err != nil {
			return nil, fmt.Errorf("stratum: reading the catalog: %w", err)
		}
		if path != SearchPath {
			return nil, ErrTransaction
		}
		var t Table
		if err := json.Unmarshal(text, &t); err != nil {
			return nil, fmt.Errorf("stratum: reading the catalog: %w", err)
		}
		t.normalise()
		tables = append(tables, t)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("stratum: reading the catalog: %w", err)
	}
	return tables, nil
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
