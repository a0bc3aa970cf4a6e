package guard_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/require"
)

// typesOfItsOwn are types that pgx does not know.
const typesOfItsOwn = `
CREATE TYPE mood AS ENUM ('sad', 'it''s ok');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);`

// expressions have every kind of value in them, each as PostgreSQL writes it.
func expressions() []string {
	return []string{
		"NULL", "NULL::int", "NULL::text", "NULL::bytea", "NULL::uuid", "NULL::jsonb", "NULL::mood",
		"1::int2", "(-32768)::int2", "2147483647::int4", "(-9223372036854775808)::int8",
		"1.5::float4", "1e300::float8", "'NaN'::float8", "'-Infinity'::float4",
		"123.4500::numeric", "'NaN'::numeric", "1e40::numeric(50,2)", "'Infinity'::numeric",
		"true", "false", "'text'::text", "''::text", "E'a\\nb'::text", "'ünï ✓'::varchar(10)", "'x'::char(3)", `'x'::"char"`,
		"'name'::name", "'\\x00ff'::bytea", "''::bytea", `'{"a": [1, null]}'::json`, `'{"a": 1}'::jsonb`, "'null'::jsonb",
		"'0190a0b0-c0d0-7000-8000-000000000001'::uuid",
		"'2024-02-29'::date", "'infinity'::date", "'0044-03-15 BC'::date",
		"'2024-02-29 13:14:15.123456'::timestamp", "'-infinity'::timestamp",
		"'2024-02-29 13:14:15.123456+02'::timestamptz", "'infinity'::timestamptz",
		"'13:14:15.5'::time", "'13:14:15+02'::timetz", "'1 year 2 days 03:04:05'::interval",
		"ARRAY[1,2,NULL]", "ARRAY['a','b,c','\"']::text[]", "ARRAY[]::int[]", "ARRAY[[1,2],[3,4]]", "ARRAY['sad']::mood[]",
		"'192.168.0.1/24'::inet", "'10.0.0.0/8'::cidr", "'08:00:2b:01:02:03'::macaddr",
		"'(1,2)'::point", "'[1,5)'::int4range", "'[2024-01-01,)'::daterange", "'101'::bit(3)", "'1010'::varbit",
		"'sad'::mood", "'it''s ok'::mood", "(1,'x')::pair", "ROW(1,'x')", "5::positive", "'<a>b</a>'::xml",
		"123::oid", "'1'::xid", "'2'::cid", "'public.notes'::regclass", "'a.b.c'::ltree", "'$12.50'::money",
		"'a fat cat'::tsvector", "'$.a'::jsonpath", "pg_typeof(1)", "'(1,1)'::tid",
	}
}

func valuesDecodeAlike(t *testing.T, h *handle, s setup) {
	t.Helper()
	pgxDB := plain(t, s.dsn(h.d.DSN))
	for _, expression := range expressions() {
		query := "SELECT " + expression + ", 1 UNION ALL SELECT " + expression + ", 2 ORDER BY 2"
		if strings.Contains(expression, "json") || strings.Contains(expression, "xml") ||
			strings.Contains(expression, "point") {
			query = "SELECT " + expression + " FROM generate_series(1, 2)" // they have no equality or no order
		}
		want, wantErr := read(t.Context(), pgxDB, query)
		got, err := read(h.as(h.acme), h.db, query)
		require.Equal(t, wantErr == nil, err == nil, "%s: %v, %v", expression, wantErr, err)
		require.Equal(t, want, got, expression)
	}
	for _, query := range []string{
		"SELECT", "SELECT WHERE false", "SELECT 1 WHERE false", "SELECT FROM generate_series(1, 3)", "VALUES (1, 'a'), (2, 'b')",
		"SELECT i, repeat('x', i) FROM generate_series(1, 50) AS i", "SHOW server_encoding", "SELECT 1 AS a, 2 AS a", "",
		"EXPLAIN (COSTS OFF) SELECT 1", "-- nothing",
	} {
		want, wantErr := read(t.Context(), pgxDB, query)
		got, err := read(h.as(h.acme), h.db, query)
		require.Equal(t, wantErr == nil, err == nil, "%q: %v, %v", query, wantErr, err)
		require.Equal(t, want, got, query)
	}
}

// read returns names of columns and rows as database/sql has them.
func read(ctx context.Context, db *sql.DB, query string, args ...any) (table [][]any, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	table = append(table, []any{names})
	for rows.Next() {
		row, places := make([]any, len(names)), make([]any, len(names))
		for i := range row {
			places[i] = &row[i]
		}
		if err := rows.Scan(places...); err != nil {
			return nil, err
		}
		table = append(table, plainNaN(row))
	}
	return table, rows.Err()
}

// plainNaN makes a value that is not equal to itself comparable.
func plainNaN(row []any) []any {
	for i, v := range row {
		if f, ok := v.(float64); ok && math.IsNaN(f) {
			row[i] = "NaN"
		}
	}
	return row
}

// upper is a type with a Value method of its own.
type upper string

func (u upper) Value() (driver.Value, error) {
	if u == "" {
		return nil, errEmpty
	}
	return strings.ToUpper(string(u)), nil
}

var errEmpty = errors.New("upper is empty")

type color string

func ptr[T any](v T) *T { return &v }

// arguments are statements with what is sent to them.
func arguments() []struct {
	query string
	args  []any
} {
	at := time.Date(2024, 2, 29, 13, 14, 15, 123456000, time.FixedZone("x", 2*60*60))
	id := uuid.MustParse("0190a0b0-c0d0-7000-8000-000000000001")
	return []struct {
		query string
		args  []any
	}{
		{"SELECT $1::int", []any{7}},
		{"SELECT $1::int8, $2::int2", []any{int64(math.MaxInt64), int8(-1)}},
		{"SELECT $1::int", []any{uint32(7)}},
		{"SELECT $1::text", []any{"it's \\ $1 -- /* ; \n ü"}},
		{"SELECT $1::text", []any{nil}},
		{"SELECT $1::text", []any{""}},
		{"SELECT $1::text", []any{(*string)(nil)}},
		{"SELECT $1::int", []any{(*int)(nil)}},
		{"SELECT $1::text", []any{ptr("x")}},
		{"SELECT $1::int", []any{ptr(ptr(5))}},
		{"SELECT $1::text", []any{color("red")}},
		{"SELECT $1::text", []any{upper("x")}},
		{"SELECT $1::text", []any{(*upper)(nil)}},
		{"SELECT $1::uuid", []any{id}},
		{"SELECT $1::uuid", []any{id.String()}},
		{"SELECT $1::uuid", []any{(*uuid.UUID)(nil)}},
		{"SELECT $1::uuid", []any{uuid.NullUUID{}}},
		{"SELECT 1 WHERE $1 = ANY($2::uuid[])", []any{id, []uuid.UUID{id}}},
		{"SELECT $1::bytea", []any{[]byte{0, 1, 255}}},
		{"SELECT $1::bytea", []any{[]byte(nil)}},
		{"SELECT $1::bytea", []any{[]byte{}}},
		{"SELECT $1::jsonb", []any{`{"a":1}`}},
		{"SELECT $1::jsonb", []any{map[string]any{"a": 1, "b": []string{"x"}}}},
		{"SELECT $1::jsonb", []any{[]byte(`{"a":1}`)}},
		{"SELECT $1::text[]", []any{[]string{"a", "b,c", `"`, "NULL", ""}}},
		{"SELECT $1::text[]", []any{[]string(nil)}},
		{"SELECT $1::int[]", []any{[]int{1, 2}}},
		{"SELECT $1::int8[]", []any{[]int64{}}},
		{"SELECT id FROM generate_series(1, 5) AS id WHERE id = ANY($1)", []any{[]int{2, 3}}},
		{"SELECT $1::timestamptz, $1::date", []any{at}},
		{"SELECT $1::timestamptz", []any{at}},
		{"SELECT $1::timestamp", []any{at}},
		{"SELECT $1::date", []any{at}},
		{"SELECT $1::timestamptz", []any{time.Time{}}},
		{"SELECT $1::interval", []any{90 * time.Second}},
		{"SELECT $1::float8, $2::float4", []any{1.5, float32(2.5)}},
		{"SELECT $1::numeric", []any{pgtype.Numeric{Int: nil, Valid: false}}},
		{"SELECT $1::numeric", []any{"12.50"}},
		{"SELECT $1::numeric", []any{12.5}},
		{"SELECT $1::bool", []any{true}},
		{"SELECT $1::inet", []any{netip.MustParsePrefix("10.0.0.1/8")}},
		{"SELECT $1::text", []any{sql.NullString{}}},
		{"SELECT $1::text", []any{sql.NullString{String: "x", Valid: true}}},
		{"SELECT $1::int8", []any{sql.NullInt64{Int64: 3, Valid: true}}},
		{"SELECT $1::text, $2::int", []any{pgtype.Text{String: "x", Valid: true}, pgtype.Int4{}}},
		{"SELECT $1::date", []any{pgtype.Date{InfinityModifier: pgtype.Infinity, Valid: true}}},
		{"SELECT $1::mood", []any{"it's ok"}},
		{"SELECT $1::mood", []any{color("sad")}},
		{"SELECT $1::ltree", []any{"a.b"}},
		{"SELECT 1 - $1::int, 1 -$1::int", []any{-5}},
		{"SELECT $2::text, $1::text, $2::text", []any{"a", "b"}},
		{"SELECT '$1', $1::text, $$ $1 $$, \"$1\" FROM (SELECT 1 AS \"$1\") AS t -- $1", []any{"x"}},
		{"SELECT @a::text, @b::int", []any{pgx.NamedArgs{"a": "x", "b": 2}}},
		{"SELECT @a::text", []any{pgx.StrictNamedArgs{"a": "x"}}},
		{"SELECT @a::text", []any{pgx.StrictNamedArgs{"a": "x", "b": 2}}},
		{"SELECT $1::int", []any{pgx.QueryExecModeSimpleProtocol, 7}},
		{"SELECT $1::int", []any{pgx.QueryExecModeDescribeExec, pgx.QueryResultFormats{pgx.TextFormatCode}, 7}},
		// What cannot be sent at all.
		{"SELECT $1::int", []any{"seven"}},
		{"SELECT $1::int2", []any{1 << 20}},
		{"SELECT $1::int", []any{struct{ A chan int }{}}},
		{"SELECT $1::text", []any{upper("")}},
		{"SELECT $1::int, $2::int", []any{1}},
		{"SELECT $1::int", []any{1, 2}},
		{"SELECT $1::text", []any{"a\x00b"}},
		{"SELECT 1", []any{1}},
	}
}

func argumentsEncodeAlike(t *testing.T, h *handle, s setup) {
	t.Helper()
	pgxDB := plain(t, s.dsn(h.d.DSN))
	for _, a := range arguments() {
		want, wantErr := read(t.Context(), pgxDB, a.query, a.args...)
		got, err := read(h.as(h.acme), h.db, a.query, a.args...)
		if wantErr != nil && s.mode == simpleProtocol && err == nil {
			continue // where it knows no type pgx gives up, and the guard lets the server choose
		}
		require.Equal(t, wantErr == nil, err == nil, "%s %T: %v, %v", a.query, a.args, wantErr, err)
		require.Equal(t, want, got, "%s %v", a.query, a.args)
	}
	require.ErrorIs(t, func() error {
		_, err := read(h.as(h.acme), h.db, "SELECT $1::text", upper(""))
		return err
	}(), errEmpty, "what a Value method returns can be found")
}

func columnTypesAlike(t *testing.T, h *handle, s setup) {
	t.Helper()
	pgxDB := plain(t, s.dsn(h.d.DSN))
	for _, expression := range expressions() {
		want := columnTypes(t, t.Context(), pgxDB, "SELECT "+expression+" AS c")
		got := columnTypes(t, h.as(h.acme), h.db, "SELECT "+expression+" AS c")
		require.Equal(t, want, got, expression)
	}
	query := "SELECT body, code, id, tenant_id FROM notes WHERE false"
	require.Len(t, columnTypes(t, h.as(h.acme), h.db, query), 4)
}

// columnType is all that database/sql tells of a column.
type columnType struct {
	name, database   string
	length           int64
	precision, scale int64
	hasLength, exact bool
	scan             reflect.Type
}

func columnTypes(t *testing.T, ctx context.Context, db *sql.DB, query string) []columnType { //nolint:revive // t first
	t.Helper()
	rows, err := db.QueryContext(ctx, query)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	types, err := rows.ColumnTypes()
	require.NoError(t, err)
	all := make([]columnType, len(types))
	for i, ct := range types {
		c := columnType{name: ct.Name(), database: ct.DatabaseTypeName(), scan: ct.ScanType()}
		c.length, c.hasLength = ct.Length()
		c.precision, c.scale, c.exact = ct.DecimalSize()
		all[i] = c
	}
	require.NoError(t, rows.Err())
	return all
}
