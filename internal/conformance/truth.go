package conformance

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// place is where rows are: a schema of a database.
type place struct{ database, schema string }

// public is the schema of the shared tables, and of those in a tenant's own database.
const public = "public"

// holding is whose rows, and where.
type holding struct {
	place
	tenant uuid.UUID
}

// truth is every row of every table in every place, as text.
type truth map[holding]string

// server reads and writes the databases of a suite past all policies.
type server struct {
	dsn     string // of a login on whom no policy acts
	open    map[string]*pgx.Conn
	schemas map[string][]string // those with the suite's tables, by database
	queries map[string]string   // what reads all of them
}

func newServer(dsn string) *server {
	return &server{
		dsn: dsn, open: make(map[string]*pgx.Conn),
		schemas: make(map[string][]string), queries: make(map[string]string),
	}
}

// connect opens a database of the server and returns its name. Empty is the one that the DSN names.
func (s *server) connect(ctx context.Context, t *testing.T, name string) string {
	t.Helper()
	config, err := pgx.ParseConfig(s.dsn)
	require.NoError(t, err)
	if name != "" {
		config.Database = name
	}
	if s.open[config.Database] == nil {
		conn, err := pgx.ConnectConfig(ctx, config)
		require.NoError(t, err)
		s.open[config.Database] = conn
	}
	return config.Database
}

// watch has the tables of a schema be part of the truth.
func (s *server) watch(p place) {
	if slices.Contains(s.schemas[p.database], p.schema) {
		return
	}
	s.schemas[p.database] = append(s.schemas[p.database], p.schema)
	var queries []string
	for _, schema := range s.schemas[p.database] {
		for _, table := range tables() {
			queries = append(queries, "SELECT '"+schema+"', tenant_id, '"+table+"' || x::text FROM "+
				pgx.Identifier{schema, table}.Sanitize()+" x")
		}
	}
	s.queries[p.database] = strings.Join(queries, " UNION ALL ") + " ORDER BY 3"
}

// databases are those that are part of the truth.
func (s *server) databases() []string { return slices.Sorted(maps.Keys(s.schemas)) }

// write empties all tables of a database and inserts what fill queues, in one round trip.
func (s *server) write(ctx context.Context, t *testing.T, database string, fill func(*pgx.Batch)) {
	t.Helper()
	batch := &pgx.Batch{}
	for _, schema := range s.schemas[database] {
		for _, table := range slices.Backward(tables()) {
			batch.Queue("DELETE FROM " + pgx.Identifier{schema, table}.Sanitize())
		}
	}
	fill(batch)
	require.NoError(t, s.open[database].SendBatch(ctx, batch).Close())
}

// read is the truth.
func (s *server) read(ctx context.Context, t *testing.T) truth {
	t.Helper()
	all := make(truth)
	for database, query := range s.queries {
		rows, err := s.open[database].Query(ctx, query)
		require.NoError(t, err)
		h, row := holding{place: place{database: database}}, ""
		_, err = pgx.ForEachRow(rows, []any{&h.schema, &h.tenant, &row}, func() error {
			all[h] += row + "\n"
			return nil
		})
		require.NoError(t, err)
	}
	return all
}

// strays are the rows in tables of the suite's names that are no part of the truth: nobody ever writes there.
func (s *server) strays(ctx context.Context, t *testing.T) []string {
	t.Helper()
	const query = `SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c
		JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND c.relname = ANY($1) AND n.nspname <> ALL($2)`
	var found []string
	for _, database := range s.databases() {
		rows, err := s.open[database].Query(ctx, query, tables(), s.schemas[database])
		require.NoError(t, err)
		others, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		for _, table := range others {
			var filled bool
			require.NoError(t, s.open[database].QueryRow(ctx, "SELECT EXISTS (SELECT FROM "+table+")").Scan(&filled))
			if filled {
				found = append(found, database+"."+table)
			}
		}
	}
	return found
}

func (s *server) close(ctx context.Context, t *testing.T) {
	t.Helper()
	for _, conn := range s.open {
		require.NoError(t, conn.Close(ctx))
	}
}
