package fleet_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/fleet"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

func TestMain(m *testing.M) {
	if dsn := os.Getenv(childDSN); dsn != "" {
		os.Exit(child(dsn))
	}
	stratumtest.Main(m)
}

// harbour is a database with schemas in it.
type harbour struct {
	*stratumtest.Database

	schemas []string
}

// newHarbour makes schemas t_1 and so on, each with the same tables.
func newHarbour(tb testing.TB, schemas, tables int) harbour {
	tb.Helper()
	h := harbour{Database: stratumtest.NewDatabase(tb)}
	for i := range schemas {
		h.schemas = append(h.schemas, fmt.Sprintf("t_%d", i+1))
	}
	for rest := h.schemas; len(rest) > 0; {
		n := min(100, len(rest))
		var b strings.Builder
		for _, s := range rest[:n] {
			b.WriteString("CREATE SCHEMA " + s + ";")
			for t := range tables {
				fmt.Fprintf(&b, "CREATE TABLE %s.ship_%d (id bigserial PRIMARY KEY, name text NOT NULL DEFAULT 'x');", s, t+1)
			}
		}
		h.exec(tb, b.String())
		rest = rest[n:]
	}
	return h
}

func (h harbour) exec(tb testing.TB, statements string) {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), h.OwnerDSN)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, conn.Close(tb.Context())) }()
	_, err = conn.PgConn().Exec(tb.Context(), statements).ReadAll()
	require.NoError(tb, err)
}

func value[T any](tb testing.TB, dsn, query string, args ...any) (v T) {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), dsn)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, conn.Close(tb.Context())) }()
	require.NoError(tb, conn.QueryRow(tb.Context(), query, args...).Scan(&v), query)
	return v
}

// database connects as the owner.
func database(name, dsn string) fleet.Database {
	return fleet.Database{Name: name, Config: func(context.Context) (*pgx.ConnConfig, error) { return pgx.ParseConfig(dsn) }}
}

func (h harbour) target(schema string) fleet.Target {
	return fleet.Target{
		ID: "home/" + schema, Server: "one", Kind: fleet.KindSchema, Schema: schema, SearchPath: schema + ", public", Rows: 10,
		Database: database("home", h.OwnerDSN),
	}
}

func (h harbour) targets() iter.Seq2[fleet.Target, error] {
	targets := make([]fleet.Target, len(h.schemas))
	for i, s := range h.schemas {
		targets[i] = h.target(s)
	}
	return list(targets...)
}

func list(targets ...fleet.Target) iter.Seq2[fleet.Target, error] {
	return func(yield func(fleet.Target, error) bool) {
		for _, t := range targets {
			if !yield(t, nil) {
				return
			}
		}
	}
}

// files are migrations by their names.
func files(texts map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, text := range texts {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func source(tb testing.TB, texts map[string]string, opts ...fleet.GooseOptions) fleet.Source {
	tb.Helper()
	opts = append(opts, fleet.GooseOptions{})
	s, err := fleet.Goose(tb.Context(), files(texts), ".", opts[0])
	require.NoError(tb, err)
	return s
}

// up is a migration with these statements.
func up(statements string) string {
	return "-- +goose Up\n" + statements + "\n-- +goose Down\nSELECT 'down';\n"
}

// columns is how many schemas have a column in a table.
func (h harbour) columns(tb testing.TB, table, column string) int {
	tb.Helper()
	return value[int](tb, h.OwnerDSN, "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "+
		"JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname LIKE 't\\_%' AND c.relname = $1 AND a.attname = $2",
		table, column)
}
