//go:build unix

package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// process is a server that runs, and its watchdog. Neither takes a goroutine of this process.
type process struct {
	plan     plan
	watchdog *watchdog
	runner   *exec.Cmd
}

// startProcess starts the watchdog before there is anything to watch, and lets the server start only when the watchdog
// knows of it.
func startProcess(ctx context.Context, planned plan) (*process, error) {
	// Nothing is ever written to it: it ends when the last process that inherited its write end has ended, whoever
	// reaps that process, and also where nobody does, as in a container whose first process is no init.
	readAlive, writeAlive, err := filePipe()
	if err != nil {
		return nil, err
	}
	defer closeAll(readAlive, writeAlive)
	guard, err := startWatchdog(ctx, planned.dir, readAlive)
	if err != nil {
		return nil, err
	}
	started := &process{plan: planned, watchdog: guard}
	if err := started.startRunner(ctx, writeAlive); err != nil {
		return nil, errors.Join(err, started.close())
	}
	return started, nil
}

// startRunner starts the server's process, names it to the watchdog and lets it go on.
func (p *process) startRunner(ctx context.Context, alive *os.File) error {
	// The runner's standard input: the word to go on, or its end if this process dies before it says the word.
	readGo, writeGo, err := filePipe()
	if err != nil {
		return err
	}
	defer closeAll(readGo, writeGo)
	if err := p.plan.prepare(); err != nil {
		return err
	}
	// A file and not a pipe, which would need a goroutine here to read it.
	log, err := os.OpenFile(p.plan.dir.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("server's log: %w", err)
	}
	defer closeAll(log)
	runner := shell(ctx, runnerScript, p.plan.arguments()...)
	runner.Stdin, runner.Stdout, runner.Stderr = readGo, log, log
	runner.ExtraFiles = []*os.File{alive}
	runner.Env = serverEnv()
	detach(runner, p.plan.owner)
	if err := runner.Start(); err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	p.runner = runner
	if err := p.watchdog.guard(runner.Process.Pid); err != nil {
		return err
	}
	if _, err := writeGo.WriteString("go\n"); err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	return nil
}

// serverEnv leaves out what PostgreSQL and its messages would heed: PGDATA, PGPORT and their like, and the locale.
func serverEnv() []string {
	env := []string{"LC_ALL=C"}
	for _, setting := range os.Environ() {
		name, _, _ := strings.Cut(setting, "=")
		if !strings.HasPrefix(name, "PG") && !strings.HasPrefix(name, "LC_") && name != "LANG" {
			env = append(env, setting)
		}
	}
	return env
}

// ready waits until the server answers, has ended, or ctx has. It asks the server and not its log or its pid file,
// which say that it is ready before it is.
func (p *process) ready(ctx context.Context) (facts, error) {
	config, err := pgx.ParseConfig(p.plan.endpoint.with("postgres", "", ""))
	if err != nil {
		return facts{}, fmt.Errorf("read the own DSN: %w", withoutDSN(err))
	}
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		found, err := probe(ctx, config)
		if err == nil {
			return found, nil
		}
		if p.ended() {
			return facts{}, fmt.Errorf("ended at its start, its log says:\n%s", p.plan.dir.tail())
		}
		select {
		case <-ctx.Done():
			return facts{}, fmt.Errorf("does not answer: %w, its log says:\n%s", err, p.plan.dir.tail())
		case <-tick.C:
		}
	}
}

// ended asks the system instead of waiting in a goroutine. Where the answer is yes the process is reaped as well.
func (p *process) ended() bool {
	pid, err := syscall.Wait4(p.runner.Process.Pid, nil, syscall.WNOHANG, nil)
	return err != nil || pid != 0
}

// close returns when no process of the server is left and the folder is gone.
func (p *process) close() error {
	err := p.watchdog.release()
	if p.runner != nil {
		// How it ended does not matter: it was told to, or its log is in the error already.
		_ = p.runner.Wait()
	}
	return err
}

// filePipe makes a pipe whose ends are passed to children and closed at once here.
func filePipe() (reader, writer *os.File, err error) {
	readEnd, writeEnd, err := barePipe()
	if err != nil {
		return nil, nil, fmt.Errorf("pipe: %w", err)
	}
	return os.NewFile(uintptr(readEnd), "pipe"), os.NewFile(uintptr(writeEnd), "pipe"), nil
}

func closeAll(files ...*os.File) {
	for _, file := range files {
		_ = file.Close()
	}
}
