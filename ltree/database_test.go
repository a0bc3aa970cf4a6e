package ltree_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/ltree"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// newDatabase returns the DSN of a database of the test's own that has the extension.
func newDatabase(t *testing.T) string {
	t.Helper()
	dsn := stratumtest.EmptyDatabase(t).AdminDSN
	conn := connect(t, dsn)
	_, err := conn.Exec(t.Context(), `CREATE EXTENSION ltree`)
	require.NoError(t, err)
	return dsn
}

// connect returns a connection that does not know ltree yet, and closes it before the database is dropped.
func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	// The test's own context is over when cleanups run, and the database cannot be dropped while this is connected.
	ctx := context.WithoutCancel(t.Context())
	t.Cleanup(func() { require.NoError(t, conn.Close(ctx)) })
	return conn
}

// registered returns a connection to a database of the test's own after Register.
func registered(t *testing.T) *pgx.Conn {
	t.Helper()
	conn := connect(t, newDatabase(t))
	require.NoError(t, ltree.Register(t.Context(), conn))
	return conn
}

// optional returns a pointer to the path, as a nullable column has it.
func optional(s string) *ltree.Path {
	path := ltree.MustParse(s)
	return &path
}

func labels(names ...string) []ltree.Label {
	list := make([]ltree.Label, 0, len(names))
	for _, name := range names {
		list = append(list, ltree.MustParseLabel(name))
	}
	return list
}

func paths(texts ...string) []ltree.Path {
	list := make([]ltree.Path, 0, len(texts))
	for _, text := range texts {
		list = append(list, ltree.MustParse(text))
	}
	return list
}
