package link_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stratum-hq/stratum-go/stratumtest"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/bench/internal/link"
)

func TestMain(m *testing.M) {
	stratumtest.Main(m)
}

// TestLinksLeadToTheDatabase: both logins, by every way that a server on a unix socket has.
func TestLinksLeadToTheDatabase(t *testing.T) {
	t.Parallel()
	database := stratumtest.EmptyDatabase(t)
	for _, kind := range []link.Kind{link.Unix, link.PgBouncer, link.Slow} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			way, err := link.Open(t.Context(), kind, database, 2)
			require.NoError(t, err)
			defer func() { require.NoError(t, way.Close()) }()
			require.Equal(t, database.Name+"_app", login(t, way.DSN))
			require.Equal(t, database.Name+"_system", login(t, way.SystemDSN))
		})
	}
}

func login(t *testing.T, dsn string) (name string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT session_user::text").Scan(&name))
	return name
}

func TestPooledLinkKeepsNoNames(t *testing.T) {
	t.Parallel()
	way, err := link.Open(t.Context(), link.PgBouncer, stratumtest.EmptyDatabase(t), 2)
	require.NoError(t, err)
	defer func() { require.NoError(t, way.Close()) }()
	config, err := pgx.ParseConfig(way.DSN)
	require.NoError(t, err)
	require.Equal(t, pgx.QueryExecModeCacheDescribe, config.DefaultQueryExecMode)
}

func TestOnlyPgBouncerPools(t *testing.T) {
	t.Parallel()
	for _, kind := range link.Kinds() {
		require.Equal(t, kind == link.PgBouncer, kind.Pooled())
	}
	_, err := link.Open(t.Context(), "pigeon", &stratumtest.Database{}, 1)
	require.ErrorContains(t, err, `unknown link "pigeon"`)
}
