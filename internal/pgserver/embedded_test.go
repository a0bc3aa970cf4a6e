//go:build unix

package pgserver_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/pgserver"
)

// embeddedOnly is a machine without binaries.
func embeddedOnly(t *testing.T, repository string) pgserver.Config {
	t.Helper()
	return pgserver.Config{
		Getenv: environment(nil), BinDirs: []string{}, TempDir: publicDir(t),
		EmbeddedRepository: repository, EmbeddedCache: t.TempDir(),
	}
}

func TestEmbedded(t *testing.T) {
	t.Parallel()
	found := startServer(t, pgserver.Config{})
	require.NoError(t, found.Close())
	served := newRepository(t, found.Source().BinDir)
	config := embeddedOnly(t, served.url)

	server := startServer(t, config)
	require.Equal(t, pgserver.KindEmbedded, server.Source().Kind)
	require.Contains(t, server.Source().String(), "downloaded by embedded-postgres")
	_, err := ask(t.Context(), server.URL("postgres"), "SELECT 'answers'")
	require.NoError(t, err)
	require.Len(t, folders(t, config.TempDir), 2, "the binaries and the server")
	require.NoError(t, server.Close())
	require.Empty(t, folders(t, config.TempDir))

	requests := served.requests.Load()
	require.Positive(t, requests)
	require.NoError(t, startServer(t, config).Close())
	require.Equal(t, requests, served.requests.Load(), "downloaded once")
}

func TestEmbeddedIsNotFound(t *testing.T) {
	t.Parallel()
	empty := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(empty.Close)
	config := embeddedOnly(t, empty.URL)
	_, err := pgserver.Start(t.Context(), config)
	require.ErrorIs(t, err, pgserver.ErrUnavailable)
	require.ErrorContains(t, err, "3. embedded-postgres: download: no version found matching ")
	require.Empty(t, folders(t, config.TempDir))
}

// TestEmbeddedIsTheLastResort: nothing is downloaded where the machine has a server.
func TestEmbeddedIsTheLastResort(t *testing.T) {
	t.Parallel()
	served := newRepository(t, "/nowhere")
	startServer(t, pgserver.Config{EmbeddedRepository: served.url})
	require.Zero(t, served.requests.Load())
}

// TestNothingIsLeftBehind looks at the system's temporary folder, which a child has for itself.
func TestNothingIsLeftBehind(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	running := startChild(t, failChild, dir, nil)
	require.Equal(t, "pgserver: no PostgreSQL to be had", running.line(t))
	running.end()
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestEmbeddedThatDoesNotRun(t *testing.T) {
	t.Parallel()
	served := newRepository(t, filepath.Join(os.TempDir(), "nowhere"))
	config := embeddedOnly(t, served.url)
	_, err := pgserver.Start(t.Context(), config)
	require.ErrorContains(t, err, "3. embedded-postgres: what was downloaded does not tell its version: exit status")
	require.Empty(t, folders(t, config.TempDir))
}
