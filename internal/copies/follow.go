package copies

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

// Destination is a target that Follow keeps current.
type Destination struct {
	// Name tells it from others, in Status and in the log. It must not change, and be no secret.
	Name string
	// Connect opens a connection of the copies' owner. Follow closes it.
	Connect func(ctx context.Context) (*pgx.Conn, error)
	// Schemas are as in Target.
	Schemas map[string]string
	// Tables are those that it has copies of.
	Tables []Table
}

// Config says what to follow and how.
type Config struct {
	// Connect opens a connection of the tables' owner to the source. It must be a direct one, through no pooler in
	// transaction mode, since Follow listens on it and holds a lock. With the attribute REPLICATION, and wal_level =
	// logical, changes are taken from the log; else changed tables are compared.
	Connect func(ctx context.Context) (*pgx.Conn, error)
	// Targets returns what is to be kept current. It is asked again each Poll.
	Targets func(ctx context.Context) ([]Destination, error)
	// NoStream has tables compared even where changes could be taken from the log. Defaults to false.
	NoStream bool
	// Poll is how often targets are looked at although nothing was heard. Defaults to 30 seconds.
	Poll time.Duration
	// Standby is how often a follower that is not the one looks whether it may be. Defaults to 5 seconds.
	Standby time.Duration
	// Backoff is how long a target that has failed is left alone, doubled each time up to MaxBackoff. They default to a
	// second and a minute.
	Backoff, MaxBackoff time.Duration
	// Timeout ends the work on one target, so that one that hangs counts as down. Defaults to 10 minutes.
	Timeout time.Duration
	// Concurrency is how many targets are worked on at once. Defaults to 4.
	Concurrency int
	// KeepChanges is how many changes stay written down in the source. Where there are more, those that are over are
	// removed, and each target is compared once for it. Defaults to 10,000.
	KeepChanges int64
	// Logger is told of errors and changes of mode. Defaults to silence.
	Logger *slog.Logger
	// Status is told of each target after each work on it, and of the follower, with an empty Target, where its mode
	// changes. It is called from one goroutine and must not block. Defaults to nobody.
	Status func(Status)
}

// Mode is how a follower learns of changes.
type Mode string

// The modes.
const (
	// Standby is a follower beside the one that works.
	Standby Mode = "standby"
	// Refreshing compares tables that have changed.
	Refreshing Mode = "refreshing"
	// Streaming takes changes from the log, and compares what cannot be had from there.
	Streaming Mode = "streaming"
)

// Status is how it stands with a target.
type Status struct {
	// Target is the destination's name. Empty for the follower itself.
	Target string
	// Mode is the follower's.
	Mode Mode
	// Current says that all that was heard of has been written.
	Current bool
	// Err is why the last work on it failed, or nil.
	Err error
	// Failures is how often in a row it has failed, and Retry when it is tried again.
	Failures int
	Retry    time.Time
	// Report is of the Refresh, if there was one.
	Report Report
	// Applied is how many changes from the log were written.
	Applied int
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		value *time.Duration
		or    time.Duration
	}{
		{&c.Poll, 30 * time.Second},
		{&c.Standby, 5 * time.Second},
		{&c.Backoff, time.Second},
		{&c.MaxBackoff, time.Minute},
		{&c.Timeout, 10 * time.Minute},
	} {
		if *d.value <= 0 {
			*d.value = d.or
		}
	}
	if c.Concurrency <= 0 {
		c.Concurrency = 4
	}
	if c.KeepChanges <= 0 {
		c.KeepChanges = 10_000
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Status == nil {
		c.Status = func(Status) {}
	}
	return c
}

// NotifyTargets is a statement by which whoever follows the source is told that there are other targets than before.
const NotifyTargets = `SELECT pg_catalog.pg_notify('stratum.copies', '` + targetsNote + `')`

// targetsNote is no table's name, since it has no schema.
const targetsNote = "targets"

// errLost is the end of a session whose connection has gone.
var errLost = errors.New("stratum: the connection on which changes are heard of was lost")

// Follow keeps targets current until ctx ends, and returns the reason of that. Any number of processes may follow a
// source: one works, and another takes over where its connection ends. Errors on the way are reported by Config.Logger
// and Config.Status, and tried again.
func Follow(ctx context.Context, config Config) error {
	if config.Connect == nil || config.Targets == nil {
		return errors.New("stratum: copies.Config lacks Connect or Targets (set both)")
	}
	config = config.withDefaults()
	pause := config.Backoff
	for ctx.Err() == nil {
		begun := time.Now()
		err := lead(ctx, config)
		if ctx.Err() != nil {
			break
		}
		config.Logger.WarnContext(ctx, "stratum: following the source for copies", "error", err)
		config.Status(Status{Mode: Standby, Err: err})
		if time.Since(begun) > config.MaxBackoff {
			pause = config.Backoff
		}
		wait(ctx, pause)
		pause = min(2*pause, config.MaxBackoff)
	}
	return context.Cause(ctx)
}

// wait returns when the time is over or ctx is.
func wait(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// followLock is the advisory lock of the one follower: "stra", "copi".
const followLock = "SELECT pg_catalog.pg_try_advisory_lock(1937011297, 1668247657)"

// lead waits until this follower is the one, and works until its connection is lost.
func lead(ctx context.Context, config Config) error {
	conn, err := config.Connect(ctx)
	if err != nil {
		return fmt.Errorf("stratum: connecting to the source of copies: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	told := false
	for {
		var mine bool
		// Tried and not waited for: who waits holds a snapshot, and with it back the cleaning of tables.
		if err := conn.QueryRow(ctx, followLock, pgx.QueryExecModeExec).Scan(&mine); err != nil {
			return fmt.Errorf("stratum: taking the lock of the follower: %w", err)
		}
		if mine {
			break
		}
		if !told {
			config.Status(Status{Mode: Standby})
			told = true
		}
		if wait(ctx, config.Standby); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	// First listened, then looked: what changes in between is heard.
	if _, err := conn.Exec(ctx, `LISTEN "stratum.copies"`); err != nil {
		return fmt.Errorf("stratum: listening for changes to copy: %w", err)
	}
	config.Logger.InfoContext(ctx, "stratum: this process keeps copies current")
	return newSession(config, conn).run(ctx)
}
