//go:build unix

package pgserver_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/pgserver"
)

// startNamed has Start use the server that a DSN names. There is no other one to be had.
func startNamed(t *testing.T, dsn string) (*pgserver.Server, error) {
	t.Helper()
	return pgserver.Start(t.Context(), pgserver.Config{
		Getenv:  environment(map[string]string{pgserver.DatabaseURLVariable: dsn}),
		BinDirs: []string{}, EmbeddedRepository: nowhere,
	})
}

// execute runs statements as the superuser.
func execute(t *testing.T, server *pgserver.Server, statements string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.URL(""))
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), statements)
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	own := startServer(t, pgserver.Config{TCP: true})
	parsed, err := url.Parse(own.URL("postgres"))
	require.NoError(t, err)
	password, _ := parsed.User.Password()
	keywords := "host=127.0.0.1 port=" + parsed.Port() + " user=postgres sslmode=disable password=" + password

	for name, dsn := range map[string]string{
		"url":      own.URL("postgres"),
		"keywords": keywords,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, err := startNamed(t, dsn)
			require.NoError(t, err)
			require.Equal(t, pgserver.KindEnvironment, server.Source().Kind)
			require.Contains(t, server.Source().String(), "named by STRATUM_DATABASE_URL")
			require.Empty(t, server.Folder())
			require.False(t, server.Trusts())
			require.True(t, server.Superuser())
			got, err := ask(t.Context(), server.URL("template1"), "SELECT current_database()::text")
			require.NoError(t, err)
			require.Equal(t, "template1", got)
			require.NoError(t, server.Close())
			_, err = ask(t.Context(), server.URL(""), "SELECT 'still there'")
			require.NoError(t, err, "a server that was not started here is not ended here")
		})
	}
}

func TestUnusableEnvironment(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ dsn, reason string }{
		"no DSN":         {"postgres://user:sesame@host:notaport/", "is no connection string (write postgres://"},
		"an open end":    {`host=127.0.0.1 password=sesame user=ann\`, "is no connection string (write postgres://"},
		"nobody listens": {"postgres://user:sesame@127.0.0.1:1/x?sslmode=disable", "connect: dial tcp 127.0.0.1:1: "},
		"no such host":   {"postgres://user:sesame@host.invalid/x", "STRATUM_DATABASE_URL: connect: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireUnusable(t, test.dsn, test.reason)
		})
	}
}

// requireUnusable wants an error that gives reason and cure, and no secret.
func requireUnusable(t *testing.T, dsn, reason string) {
	t.Helper()
	_, err := startNamed(t, dsn)
	require.ErrorIs(t, err, pgserver.ErrUnavailable)
	require.ErrorContains(t, err, reason)
	require.ErrorContains(t, err, "(correct STRATUM_DATABASE_URL, or unset it to have a server started")
	require.NotContains(t, err.Error(), "sesame")
	require.NotContains(t, err.Error(), dsn)
}

func TestLoginOfEnvironment(t *testing.T) {
	t.Parallel()
	own := startServer(t, pgserver.Config{TCP: true})
	execute(t, own, `
		CREATE ROLE plain LOGIN PASSWORD 'sesame';
		CREATE ROLE maker LOGIN CREATEDB PASSWORD 'sesame';
		CREATE ROLE ci LOGIN CREATEDB CREATEROLE PASSWORD 'sesame'`)

	server, err := startNamed(t, own.URLFor("postgres", "ci", "sesame"))
	require.NoError(t, err)
	require.False(t, server.Superuser())

	requireUnusable(t, own.URLFor("postgres", "postgres", "sesame"), "password authentication failed for user")
	requireUnusable(t, own.URLFor("postgres", "maker", "sesame"), `login "maker" may not create databases and roles`)
	requireUnusable(t, own.URLFor("postgres", "plain", "sesame"),
		`login "plain" may not create databases and roles (run: ALTER ROLE "plain" CREATEDB CREATEROLE)`)
	requireUnusable(t, strings.Replace(own.URLFor("postgres", "ci", "sesame"), "disable", "require", 1),
		"no answer that PostgreSQL would give (check host, port and sslmode)")
}

func TestFacts(t *testing.T) {
	t.Parallel()
	good := pgserver.Facts{Version: "15.0", Number: 150000, Ltree: true, CreatesDBs: true, CreatesRole: true}
	require.NoError(t, good.Check())
	old := good
	old.Version, old.Number = "14.19", 140019
	require.EqualError(t, old.Check(), "is PostgreSQL 14.19 (Stratum needs 15 or newer)")
	bare := good
	bare.Ltree = false
	require.EqualError(t, bare.Check(),
		"has no ltree extension (install its contrib modules, such as the package postgresql-contrib)")
}
