package world_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/bench/internal/world"
)

// TestWorldIsTheSameForAll: each table has the same rows and the same indexes, and policies act where they should.
func TestWorldIsTheSameForAll(t *testing.T) {
	t.Parallel()
	size := world.Size{Tenants: 3, Rows: 4, BigRows: 9, Schemas: 3}
	w, err := world.Start(t.Context(), false, size)
	require.NoError(t, err)
	defer func() { require.NoError(t, w.Close(context.WithoutCancel(t.Context()))) }()
	conn, err := pgx.Connect(t.Context(), w.Database.AdminDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	ask := func(query string) (n int) {
		require.NoError(t, conn.QueryRow(t.Context(), query).Scan(&n), query)
		return n
	}

	require.Len(t, w.Tenants, size.Tenants)
	require.Equal(t, 17, ask("SELECT count(*) FROM tickets"))
	for _, table := range []string{
		"plain_tickets", "setting_tickets",
		"(SELECT * FROM t0.schema_tickets UNION ALL SELECT * FROM t1.schema_tickets UNION ALL " +
			"SELECT * FROM t2.schema_tickets)",
	} {
		require.Equal(t, 17, ask("SELECT count(*) FROM (SELECT * FROM tickets INTERSECT SELECT * FROM "+table+" o) i"), table)
		require.Equal(t, 17, ask("SELECT count(*) FROM "+table+" o"), table)
	}
	const indexes = "SELECT count(*) FROM pg_index WHERE indrelid = '"
	want := ask(indexes + "tickets'::regclass")
	require.Greater(t, want, 1)
	for _, table := range []string{"plain_tickets", "setting_tickets", "t0.schema_tickets"} {
		require.Equal(t, want, ask(indexes+table+"'::regclass"), table)
	}
	require.Equal(t, 2, ask("SELECT count(*) FROM pg_class WHERE relrowsecurity AND relname IN "+
		"('tickets', 'setting_tickets', 'plain_tickets', 'schema_tickets')"))
}

func TestDefaultIsWhatIsSaid(t *testing.T) {
	t.Parallel()
	size := world.Default()
	require.Equal(t, 1000, size.Tenants)
	require.GreaterOrEqual(t, (size.Tenants-1)*size.Rows+size.BigRows, 100_000)
	require.Equal(t, size.Tenants, size.Schemas)
}
