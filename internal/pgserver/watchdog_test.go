//go:build unix

package pgserver_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/pgserver"
)

// The bound is generous: what is tested is that it happens, and a loaded machine is slow.
const (
	bound = 30 * time.Second
	tick  = 10 * time.Millisecond
)

// requireGone waits until neither the server's process nor its folder is left.
func requireGone(t *testing.T, folder string, pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := os.Stat(folder)
		return errors.Is(err, os.ErrNotExist) && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
	}, bound, tick)
}

func TestServerEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	ends := map[string]func(*child) error{
		// Nothing runs in a process that is killed: no deferred call, no handler.
		"kill": func(c *child) error { return c.command.Process.Kill() },
		// Ctrl-C in a terminal reaches the whole process group.
		"ctrl-c":    func(c *child) error { return syscall.Kill(-c.command.Process.Pid, syscall.SIGINT) },
		"terminate": func(c *child) error { return syscall.Kill(-c.command.Process.Pid, syscall.SIGTERM) },
		"exit":      func(c *child) error { return c.stdin.Close() },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			running := startChild(t, holdChild, publicDir(t), nil)
			defer running.end()
			folder, pid := running.server(t)
			require.NoError(t, end(running))
			requireGone(t, folder, pid)
		})
	}
}

func TestServerOfAnUnprivilegedProcess(t *testing.T) {
	t.Parallel()
	running := startChild(t, holdChild, publicDir(t), nobody(t))
	defer running.end()
	folder, pid := running.server(t)
	require.NoError(t, running.command.Process.Kill())
	requireGone(t, folder, pid)
}

// TestServerSurvivesCtrlC: a program that handles Ctrl-C still has its server while it winds up.
func TestServerSurvivesCtrlC(t *testing.T) {
	t.Parallel()
	running := startChild(t, surviveChild, publicDir(t), nil)
	defer running.end()
	folder, pid := running.server(t)
	require.NoError(t, syscall.Kill(-running.command.Process.Pid, syscall.SIGINT))
	require.Equal(t, "answers <nil>", running.line(t))
	require.NoError(t, running.stdin.Close())
	requireGone(t, folder, pid)
}

// TestForeignSettings: the variables of another server, and of another language, say nothing about this one.
func TestForeignSettings(t *testing.T) {
	t.Parallel()
	running := startChild(t, holdChild, publicDir(t), nil,
		"PGDATA=/nowhere", "PGPORT=1", "PGHOST=/nowhere", "PGUSER=ann", "PGDATABASE=shop", "PGSSLMODE=verify-full",
		"LC_ALL=no_WHERE", "LANG=no_WHERE")
	defer running.end()
	running.server(t)
}

// TestKilledDuringStart kills at stages of the start. The watchdog removes the folder only when every process of the
// server has ended, so an empty folder says both.
func TestKilledDuringStart(t *testing.T) {
	t.Parallel()
	for name, stage := range map[string]string{
		"folder":     "stratum-pg-*",
		"initdb":     "stratum-pg-*/data/PG_VERSION",
		"postmaster": "stratum-pg-*/data/postmaster.pid",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := publicDir(t)
			running := startChild(t, holdChild, dir, nil)
			defer running.end()
			require.Eventually(t, func() bool {
				found, err := filepath.Glob(filepath.Join(dir, stage))
				return err == nil && len(found) == 1
			}, bound, time.Millisecond)
			require.NoError(t, running.command.Process.Kill())
			require.Eventually(t, func() bool { return len(folders(t, dir)) == 0 }, bound, tick)
		})
	}
}

// TestStandardStreamsAreNotKept: "go test" waits for the end of a test's output, not only of the test.
func TestStandardStreamsAreNotKept(t *testing.T) {
	t.Parallel()
	running := startChild(t, silentChild, publicDir(t), nil)
	defer running.end()
	folder, pid := running.server(t)
	_, err := io.ReadAll(running.stdout)
	require.NoError(t, err, "the output ends although the server runs")
	require.NoError(t, syscall.Kill(pid, 0))
	require.NoError(t, running.stdin.Close())
	requireGone(t, folder, pid)
}

// TestRunningServerIsNoBurden: it holds no goroutine, and needs nobody to hold it.
func TestRunningServerIsNoBurden(t *testing.T) {
	t.Parallel()
	running := startChild(t, forgetChild, publicDir(t), nil)
	defer running.end()
	running.server(t)
	require.Equal(t, "<nil>", running.line(t), "no leaked goroutine")
	require.Equal(t, "answers <nil>", running.line(t), "after a garbage collection")
}

// TestStubbornServer has a server that heeds no fast shutdown ended by the next harder means.
func TestStubbornServer(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	bin := fakeInstallation(t, "99.1", "trap '' INT; while :; do sleep 1; done")
	_, err := pgserver.Start(t.Context(), pgserver.Config{
		Getenv: environment(nil), BinDirs: []string{bin}, TempDir: dir,
		StartTimeout: 200 * time.Millisecond, EmbeddedRepository: nowhere,
	})
	require.ErrorContains(t, err, "does not answer")
	require.Empty(t, folders(t, dir))
}
