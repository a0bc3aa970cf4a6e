//go:build unix

package pgserver_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/pgserver"
)

func TestStartOnSocket(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	server := startServer(t, pgserver.Config{TempDir: dir})
	require.Equal(t, pgserver.KindBinaries, server.Source().Kind)
	require.Contains(t, server.Source().String(), " from "+server.Source().BinDir)
	require.True(t, server.Trusts())
	require.True(t, server.Superuser())
	require.Equal(t, []string{server.Folder()}, folders(t, dir))

	info, err := os.Stat(server.Folder())
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm(), "nobody else reaches the socket")

	for setting, value := range map[string]string{
		"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on", "wal_level": "logical",
		"max_connections": "300", "max_prepared_transactions": "20", "listen_addresses": "",
		"server_encoding": "UTF8", "lc_collate": "C",
	} {
		query := "SELECT current_setting('" + setting + "', true)"
		if setting == "lc_collate" {
			query = "SELECT datcollate FROM pg_database WHERE datname = current_database()"
		}
		got, err := ask(t.Context(), server.URL(""), query)
		require.NoError(t, err, setting)
		require.Equal(t, value, got, setting)
	}
}

func TestStartOnTCP(t *testing.T) {
	t.Parallel()
	server := startServer(t, pgserver.Config{TCP: true})
	require.False(t, server.Trusts(), "every account of the machine reaches the port")
	address, err := ask(t.Context(), server.URL("postgres"), "SELECT host(inet_server_addr())")
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1", address)
	_, err = ask(t.Context(), server.URLFor("postgres", "postgres", "wrong"), "SELECT 'in'")
	require.ErrorContains(t, err, "28P01")
}

// TestLongTempDir: a socket's path has a limit that the temporary folders of some build systems exceed.
func TestLongTempDir(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(publicDir(t), strings.Repeat("long", 25))
	require.NoError(t, os.Mkdir(dir, 0o755))
	server := startServer(t, pgserver.Config{TempDir: dir})
	require.Equal(t, dir, filepath.Dir(server.Folder()))
	_, err := ask(t.Context(), server.URL("postgres"), "SELECT host(inet_server_addr())")
	require.NoError(t, err)
}

// TestClosedTempDir: root's temporary folder may be closed to the account that runs the server.
func TestClosedTempDir(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := startServer(t, pgserver.Config{TempDir: dir})
	want := dir
	if os.Geteuid() == 0 {
		want = "/tmp"
	}
	require.Equal(t, want, filepath.Dir(server.Folder()))
}

// TestDataInMemory: databases are made and dropped much faster there, and TMPDIR says where they are to be instead.
func TestDataInMemory(t *testing.T) {
	t.Parallel()
	without := func(name string) string {
		if name == "TMPDIR" {
			return ""
		}
		return os.Getenv(name)
	}
	want := os.TempDir()
	if dir := pgserver.MemoryDir(); dir != "" {
		want = dir
	}
	require.Equal(t, want, filepath.Dir(startServer(t, pgserver.Config{Getenv: without}).Folder()))
	set := func(name string) string {
		if name == "TMPDIR" {
			return os.TempDir()
		}
		return os.Getenv(name)
	}
	server := startServer(t, pgserver.Config{Getenv: set})
	require.Contains(t, []string{os.TempDir(), "/tmp"}, filepath.Dir(server.Folder()))
}

func TestAccount(t *testing.T) {
	t.Parallel()
	want := uint32(os.Geteuid())
	if as := nobody(t); as != nil {
		want = as.Uid
	}
	server := startServer(t, pgserver.Config{Account: "nobody"})
	info, err := os.Stat(server.Folder())
	require.NoError(t, err)
	owner, ok := info.Sys().(*syscall.Stat_t)
	require.True(t, ok)
	require.Equal(t, want, owner.Uid)
}

func TestUnknownAccount(t *testing.T) {
	t.Parallel()
	server, err := pgserver.Start(t.Context(), pgserver.Config{
		Getenv: machine, Account: "no-such-account", EmbeddedRepository: nowhere,
	})
	if os.Geteuid() != 0 {
		require.NoError(t, err, "without meaning where nobody else is needed")
		require.NoError(t, server.Close())
		return
	}
	require.ErrorContains(t, err, "or create the account postgres")
}

// TestServersAreApart: each has its own data, so that test binaries may run side by side.
func TestServersAreApart(t *testing.T) {
	t.Parallel()
	one, other := startServer(t, pgserver.Config{}), startServer(t, pgserver.Config{})
	execute(t, one, "CREATE ROLE ann")
	execute(t, other, "CREATE ROLE ann")
	require.NoError(t, one.Close())
	_, err := ask(t.Context(), other.URL(""), "SELECT 'answers'")
	require.NoError(t, err)
}

func TestClose(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	server := startServer(t, pgserver.Config{TempDir: dir})
	pid, err := postmaster(server.Folder())
	require.NoError(t, err)
	require.NoError(t, server.Close())
	require.Empty(t, folders(t, dir))
	require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
	require.NoError(t, server.Close(), "a second time")
}

func TestStartEndsWithContext(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	ctx, cancel := context.WithCancel(t.Context())
	bin := fakeInstallation(t, "99.1", "exec sleep 60")
	go func() {
		defer cancel()
		for found := []string(nil); len(found) == 0; <-time.After(tick) {
			found, _ = filepath.Glob(filepath.Join(dir, "stratum-pg-*"))
		}
	}()
	_, err := pgserver.Start(ctx, pgserver.Config{Getenv: environment(nil), BinDirs: []string{bin}, TempDir: dir})
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, pgserver.ErrUnavailable, "who gave up is not told to install anything")
	require.Empty(t, folders(t, dir))
}
