//go:build unix

package pgserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// watchdogScript ends the server when the process that started it closes its end of the lifeline or dies, which the
// system tells a reader alike. Descriptor 3 is the lifeline, which first names the server's process; descriptor 4 is
// at its end once no process of the server is left. Each stage of ending it is harder than the one before: a fast
// shutdown, an immediate one, a kill.
const watchdogScript = `
pid=
while read -r line <&3; do pid=$line; done
if [ -n "$pid" ]; then
	kill -INT "$pid"
	(sleep 5; kill -QUIT "$pid"; sleep 5; kill -KILL -- "-$pid") &
	read -r _ <&4
fi
rm -rf -- "$1"
trap '' TERM
kill -TERM 0
`

// watchdog is a shell in a session of its own. A shell, because it must outlive this process and be there whatever
// program this process is: a test binary, an example under "go run", a user's own.
type watchdog struct {
	command *exec.Cmd
	// lifeline is the only open write end. A bare descriptor, since an os.File is closed once it is garbage, and a
	// server must not end because its Server was forgotten while its DSN is in use.
	lifeline int
}

// startWatchdog has the folder removed when this process ends, after all holders of the write end of alive have ended.
func startWatchdog(ctx context.Context, dir folder, alive *os.File) (*watchdog, error) {
	reader, writer, err := barePipe()
	if err != nil {
		return nil, fmt.Errorf("watchdog: pipe: %w", err)
	}
	lifeline := os.NewFile(uintptr(reader), "lifeline")
	defer func() { _ = lifeline.Close() }()
	command := shell(ctx, watchdogScript, string(dir))
	command.ExtraFiles = []*os.File{lifeline, alive}
	detach(command, nil)
	if err := command.Start(); err != nil {
		_ = syscall.Close(writer)
		return nil, fmt.Errorf("watchdog: start: %w", err)
	}
	return &watchdog{command: command, lifeline: writer}, nil
}

// guard tells the watchdog which process to end.
func (w *watchdog) guard(pid int) error {
	if _, err := syscall.Write(w.lifeline, []byte(strconv.Itoa(pid)+"\n")); err != nil {
		return fmt.Errorf("watchdog: name the server: %w", err)
	}
	return nil
}

// release has the watchdog do its work now, and waits for it.
func (w *watchdog) release() error {
	if err := syscall.Close(w.lifeline); err != nil {
		return fmt.Errorf("watchdog: close the lifeline: %w", err)
	}
	if err := w.command.Wait(); err != nil {
		return fmt.Errorf("watchdog: %w", err)
	}
	return nil
}

// shell runs a script without this process's standard streams: a child that kept them open would have "go test" wait
// for it. It is detached from the end of ctx, and without a goroutine that watches for that end.
func shell(ctx context.Context, script string, args ...string) *exec.Cmd {
	words := append([]string{"-c", script, "stratum-pg"}, args...)
	//nolint:gosec // The script is a constant, and what varies are its arguments.
	command := exec.CommandContext(context.WithoutCancel(ctx), "/bin/sh", words...)
	// The folder that this process stands in may be removed while the child lives.
	command.Dir = "/"
	return command
}

// barePipe makes a pipe that no other child of this process inherits.
func barePipe() (reader, writer int, err error) {
	var ends [2]int
	// A fork between the two calls would hand the ends to a child.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := syscall.Pipe(ends[:]); err != nil {
		return 0, 0, err
	}
	syscall.CloseOnExec(ends[0])
	syscall.CloseOnExec(ends[1])
	return ends[0], ends[1], nil
}
