package stratumtest_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/pgserver"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

func startServer(t *testing.T, config pgserver.Config) *stratumtest.Server {
	t.Helper()
	if config.Getenv == nil {
		config.Getenv = local
	}
	server, err := stratumtest.StartConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close(t.Context())) })
	return server
}

func TestStartOnTCP(t *testing.T) {
	t.Parallel()
	server := startServer(t, pgserver.Config{TCP: true})
	database, err := server.CreateDatabase(t.Context(), "shop")
	require.NoError(t, err)
	for _, dsn := range []string{database.DSN, database.SystemDSN, database.OwnerDSN, database.AdminDSN} {
		require.Equal(t, "shop", ask(t, dsn, "SELECT current_database()::text"))
		parsed, err := url.Parse(dsn)
		require.NoError(t, err)
		require.Equal(t, "127.0.0.1", parsed.Hostname())
		parsed.User = url.UserPassword(parsed.User.Username(), "wrong")
		require.ErrorContains(t, execute(t.Context(), parsed.String(), "SELECT 1"), "28P01")
	}
}

func TestCreateDatabase(t *testing.T) {
	t.Parallel()
	server := startServer(t, pgserver.Config{})
	// A name is an identifier, so nothing in it is SQL or part of a DSN.
	for _, name := range []string{`a"b; DROP`, "a'b", "a/b?c#d%20", "Größe"} {
		database, err := server.CreateDatabase(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, name, ask(t, database.DSN, "SELECT current_database()::text"))
	}

	_, err := server.CreateDatabase(t.Context(), strings.Repeat("x", 49))
	require.ErrorIs(t, err, stratumtest.ErrName)

	_, err = server.CreateDatabase(t.Context(), "shop")
	require.NoError(t, err)
	_, err = server.CreateDatabase(t.Context(), "shop")
	var refused *pgconn.PgError
	require.ErrorAs(t, err, &refused)

	_, err = server.CreateDatabase(t.Context(), "postgres")
	require.ErrorContains(t, err, `create database "postgres": ERROR: database "postgres" already exists`)
	require.Equal(t, "0", ask(t, server.AdminDSN(), rolesLike, "postgres_"), "no half of it is left")
}

// TestNamedServer: on a server that others use as well, what was made is dropped, by a superuser or by a login that
// may merely create databases and roles, and nothing else is.
func TestNamedServer(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	host := startServer(t, pgserver.Config{TCP: true})
	admin, err := url.Parse(host.AdminDSN())
	require.NoError(t, err)
	ci := *admin
	ci.User = url.UserPassword("ci", "sesame")
	require.NoError(t, execute(ctx, admin.String(), "CREATE ROLE ci LOGIN CREATEDB CREATEROLE PASSWORD 'sesame'"))
	const roles = "SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles WHERE oid >= 16384"
	const databases = "SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database"
	require.NoError(t, execute(ctx, admin.String(), "CREATE ROLE shop_keeper"))

	for _, dsn := range []string{admin.String(), ci.String()} {
		server, err := stratumtest.StartConfig(ctx, pgserver.Config{Getenv: func(string) string { return dsn }})
		require.NoError(t, err)
		require.Contains(t, server.Source(), "named by STRATUM_DATABASE_URL")
		database, err := server.CreateDatabase(ctx, "shop")
		require.NoError(t, err)
		require.NoError(t, execute(ctx, database.OwnerDSN, "CREATE EXTENSION ltree; CREATE TABLE notes (path ltree)"))
		unnamed, err := server.CreateDatabase(ctx, "")
		require.NoError(t, err)
		role := pgx.Identifier{unnamed.Name + "_reader"}.Sanitize()
		require.NoError(t, execute(ctx, unnamed.OwnerDSN, "CREATE ROLE "+role))
		_, err = server.CreateDatabase(ctx, "postgres")
		require.Error(t, err)

		// As after Ctrl-C, which is when it matters that nothing is left.
		ended, cancel := context.WithCancel(ctx)
		cancel()
		require.NoError(t, server.Close(ended))
		require.Equal(t, "ci,shop_keeper", ask(t, admin.String(), roles))
		require.Equal(t, "postgres,template0,template1", ask(t, admin.String(), databases))
	}
}
