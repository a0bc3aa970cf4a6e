//go:build unix

package pgserver_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stratum-hq/stratum-go/internal/pgserver"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(childVariable); mode != "" {
		os.Exit(runChild(mode))
	}
	goleak.VerifyTestMain(m)
}

// machine is the environment without STRATUM_DATABASE_URL: these tests are about servers that are started.
func machine(name string) string {
	if name == pgserver.DatabaseURLVariable {
		return ""
	}
	return os.Getenv(name)
}

// environment is an environment of these variables alone.
func environment(variables map[string]string) func(string) string {
	return func(name string) string { return variables[name] }
}

// publicDir is a temporary folder that other accounts may enter and write to, as /tmp is.
func publicDir(t *testing.T) string {
	t.Helper()
	//nolint:usetesting // The parent of t.TempDir() is closed to other accounts.
	dir, err := os.MkdirTemp("", "pgserver-*")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o777|os.ModeSticky))
	return dir
}

// startServer starts a server that ends with the test.
func startServer(t *testing.T, config pgserver.Config) *pgserver.Server {
	t.Helper()
	if config.Getenv == nil {
		config.Getenv = machine
	}
	server, err := pgserver.Start(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return server
}

// ask returns the one value of a query.
func ask(ctx context.Context, dsn, query string) (string, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(ctx) }()
	var value string
	err = conn.QueryRow(ctx, query).Scan(&value)
	return value, err
}

// folders are the folders of servers in a temporary folder.
func folders(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "stratum-pg-*"))
	require.NoError(t, err)
	return found
}
