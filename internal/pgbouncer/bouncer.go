//go:build unix

package pgbouncer

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Bouncer is a running PgBouncer.
type Bouncer struct {
	dir     string
	alive   *os.File // whose end the script below waits for
	command *exec.Cmd
}

const (
	startTimeout = 30 * time.Second
	pollInterval = 20 * time.Millisecond
)

// script ends PgBouncer when the pipe on its standard input ends: with Close, or with this process however it ends.
const script = `"$@" & read -r _; kill -INT $! 2>/dev/null; wait $!`

// Start runs a PgBouncer on a unix socket in a folder of its own, and returns once it answers. ctx bounds the start
// alone. Errors: ErrMissing, ErrDSN, and what the program says.
func Start(ctx context.Context, options Options) (*Bouncer, error) {
	options = options.withDefaults()
	program, err := find(options.Programs)
	if err != nil {
		return nil, err
	}
	if len(options.DSNs) == 0 {
		return nil, ErrDSN
	}
	dir, err := os.MkdirTemp("/tmp", "pgb-") // a socket's path has to be short
	if err != nil {
		return nil, err
	}
	b := &Bouncer{dir: dir}
	if err := b.start(ctx, program, options); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func find(names []string) (string, error) {
	for _, name := range names {
		if program, err := exec.LookPath(name); err == nil {
			return program, nil
		}
	}
	return "", ErrMissing
}

func (b *Bouncer) start(ctx context.Context, program string, options Options) error {
	if err := options.write(b.dir); err != nil {
		return err
	}
	arguments := []string{"-c", script, "pgbouncer", program, filepath.Join(b.dir, "settings")}
	if os.Geteuid() == 0 { // whom it refuses to run as
		if err := b.give("postgres"); err != nil {
			return err
		}
		arguments = append(arguments, "-u", "postgres")
	}
	log, err := os.OpenFile(b.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the child has its own
	wait, alive, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = wait.Close() }()
	b.alive = alive
	//nolint:gosec // test support: what runs is found by its name
	b.command = exec.CommandContext(context.WithoutCancel(ctx), "sh", arguments...)
	b.command.Stdin, b.command.Stdout, b.command.Stderr = wait, log, log
	if err := b.command.Start(); err != nil {
		return err
	}
	return b.ready(ctx, options.DSNs[0])
}

// give hands the folder to the account that the program runs as.
func (b *Bouncer) give(name string) error {
	account, err := user.Lookup(name)
	if err != nil {
		return fmt.Errorf("pgbouncer: %w (create the account, or run as another user than root)", err)
	}
	uid, err := strconv.Atoi(account.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(account.Gid)
	if err != nil {
		return err
	}
	for _, file := range []string{"", "settings", "users"} {
		if err := os.Chown(filepath.Join(b.dir, file), uid, gid); err != nil {
			return err
		}
	}
	return nil
}

// ready waits until a client is served.
func (b *Bouncer) ready(ctx context.Context, dsn string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		conn, err := pgconn.Connect(ctx, b.DSN(dsn))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			text, _ := os.ReadFile(b.log()) // what there is of it
			return fmt.Errorf("pgbouncer: it does not answer, its log says:\n%s", text)
		case <-tick.C:
		}
	}
}

func (b *Bouncer) log() string { return filepath.Join(b.dir, "log") }

// DSN returns one of the DSNs by way of the Bouncer.
func (b *Bouncer) DSN(dsn string) string {
	parsed, err := url.Parse(dsn)
	if err != nil {
		return "" // which nobody can connect to; Start has refused it
	}
	query := parsed.Query()
	query.Set("host", b.dir)
	query.Set("port", strconv.Itoa(port))
	query.Set("sslmode", "disable")
	parsed.Host, parsed.RawQuery = "", query.Encode()
	return parsed.String()
}

// Close ends the program and removes its folder.
func (b *Bouncer) Close() error {
	var errs []error
	if b.alive != nil {
		errs = append(errs, b.alive.Close())
	}
	if b.command != nil && b.command.Process != nil {
		_ = b.command.Wait() // it was told to end
	}
	return errors.Join(append(errs, os.RemoveAll(b.dir))...)
}
