//go:build unix

package pgserver_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stratum-hq/stratum-go/internal/pgserver"
)

// The test binary is also the program that starts a server and then comes to a bad end. childVariable says how.
const (
	childVariable = "PGSERVER_TEST_CHILD"
	dirVariable   = "PGSERVER_TEST_DIR"

	holdChild    = "hold"    // keeps the server until standard input ends, and exits without Close
	silentChild  = "silent"  // closes its standard output and error while the server runs
	failChild    = "fail"    // has no server to be had, and tells so
	surviveChild = "survive" // takes Ctrl-C and goes on
	forgetChild  = "forget"  // tells goleak's opinion, and has the garbage collector find the forgotten Server
)

// runChild prints the server's folder and the process id of its postmaster, and what the mode adds.
func runChild(mode string) int {
	ctx := context.Background()
	if mode == failChild {
		_, err := pgserver.Start(ctx, pgserver.Config{
			Getenv: environment(nil), BinDirs: []string{}, EmbeddedRepository: nowhere,
		})
		fmt.Println(err)
		return 0
	}
	interrupted := make(chan os.Signal, 1)
	if mode == surviveChild {
		signal.Notify(interrupted, os.Interrupt)
	}
	folder, dsn, err := childServer(ctx)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	pid, err := postmaster(folder)
	fmt.Println(folder)
	fmt.Println(pid, err)
	switch mode {
	case silentChild:
		_ = os.Stdout.Close()
		_ = os.Stderr.Close()
	case surviveChild:
		<-interrupted
		fmt.Println(ask(ctx, dsn, "SELECT 'answers'"))
	case forgetChild:
		fmt.Println(goleak.Find())
		// Twice: what a finalizer freed is collected the second time.
		runtime.GC()
		runtime.GC()
		fmt.Println(ask(ctx, dsn, "SELECT 'answers'"))
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// childServer returns no Server, so that nobody but the collector knows of it.
func childServer(ctx context.Context) (folder, dsn string, err error) {
	server, err := pgserver.Start(ctx, pgserver.Config{Getenv: machine, TempDir: os.Getenv(dirVariable)})
	if err != nil {
		return "", "", err
	}
	return server.Folder(), server.URL("postgres"), nil
}

// postmaster reads the process id of a server.
func postmaster(folder string) (int, error) {
	text, err := os.ReadFile(filepath.Join(folder, "data", "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strconv.Atoi(line)
}

// child is a running program of runChild.
type child struct {
	command *exec.Cmd
	stdin   io.WriteCloser
	stdout  *bufio.Reader
}

// startChild runs the test binary as a child in a process group of its own, as a shell does, and as the account.
func startChild(t *testing.T, mode, dir string, as *syscall.Credential, variables ...string) *child {
	t.Helper()
	command := exec.CommandContext(t.Context(), program(t, as))
	command.Env = append(os.Environ(), childVariable+"="+mode, dirVariable+"="+dir, "TMPDIR="+dir)
	command.Env = append(command.Env, variables...)
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as}
	stdin, err := command.StdinPipe()
	require.NoError(t, err)
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	return &child{command: command, stdin: stdin, stdout: bufio.NewReader(stdout)}
}

// program is the test binary, or a copy where another account could not reach it.
func program(t *testing.T, as *syscall.Credential) string {
	t.Helper()
	file, err := os.Executable()
	require.NoError(t, err)
	if as == nil {
		return file
	}
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	file = filepath.Join(publicDir(t), "child")
	require.NoError(t, os.WriteFile(file, content, 0o755))
	return file
}

func (c *child) line(t *testing.T) string {
	t.Helper()
	line, err := c.stdout.ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(line)
}

// server reads the first two lines.
func (c *child) server(t *testing.T) (folder string, pid int) {
	t.Helper()
	folder = c.line(t)
	_, err := fmt.Sscanf(c.line(t), "%d <nil>", &pid)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, 0), "the server runs")
	return folder, pid
}

// end waits for the child, which may have ended any way.
func (c *child) end() {
	_ = c.stdin.Close()
	_ = c.command.Wait()
}

// nobody is the credential of an account without rights, or nil where the tests cannot become somebody else.
func nobody(t *testing.T) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	account, err := user.Lookup("nobody")
	require.NoError(t, err)
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	require.NoError(t, err)
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	require.NoError(t, err)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}
