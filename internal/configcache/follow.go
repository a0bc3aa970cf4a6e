package configcache

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// Source is the database in which config is changed.
type Source struct {
	// Connect opens a connection to listen on. Required.
	Connect func(ctx context.Context) (*pgx.Conn, error)
	// On reads on such a connection. Required.
	On func(conn *pgx.Conn) Reader
	// Read reads on whatever connection there is. It serves while there is none to listen on. Required.
	Read Reader
	// Also is called with what is notified on other channels, by their names, while changes are listened for. What is
	// notified at other times is not heard of.
	Also map[string]func(payload string)
	// Logger hears when listening begins, ends and is not possible. Required.
	Logger *slog.Logger
}

// Follower tells a cache what has changed.
type Follower struct {
	Source

	cache *Cache
	hub   *Hub
	since mark // of the goroutine that runs
	known atomic.Pointer[mark]

	listening atomic.Bool
	told      string // the last reason for not listening that was logged
}

// NewFollower returns a follower for a cache. Changes go to hub as well.
func NewFollower(cache *Cache, hub *Hub, source Source) *Follower {
	return &Follower{Source: source, cache: cache, hub: hub}
}

// Pauses between tries to listen.
const (
	minPause = 5 * time.Millisecond
	maxPause = 15 * time.Second
)

// Run listens until ctx ends. While it has no connection to listen on, it looks at the database twice in the time for
// which a look is trusted.
func (f *Follower) Run(ctx context.Context) {
	pause, retry := minPause, time.Now()
	for ctx.Err() == nil {
		if !time.Now().Before(retry) {
			heard, err := f.listen(ctx)
			f.listening.Store(false)
			f.cache.Distrust()
			f.report(ctx, err)
			if heard {
				// Most likely it can be listened again, at once. Until then everything is loaded.
				pause = minPause
				wait(ctx, minPause)
				continue
			}
			retry = time.Now().Add(pause)
			pause = min(2*pause, maxPause)
		}
		// An error leaves everything to be loaded.
		_ = f.look(ctx, f.Read)
		wait(ctx, min(time.Until(retry), f.cache.options.MaxStale/2))
	}
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

// report logs why nothing is listened on, each reason once.
func (f *Follower) report(ctx context.Context, err error) {
	if ctx.Err() != nil || err.Error() == f.told {
		return
	}
	f.told = err.Error()
	f.Logger.WarnContext(ctx, "stratum: not listening for changes of config, looking for them instead", "error", err)
}

// listen is one connection's time. It reports whether anything could be heard on it.
func (f *Follower) listen(ctx context.Context) (heard bool, err error) {
	conn, err := f.connect(ctx)
	if err != nil {
		return false, err
	}
	defer hangUp(ctx, conn)
	// First listened, then looked: what changes in between is heard.
	if err := f.look(ctx, f.On(conn)); err != nil {
		return false, err
	}
	f.told = ""
	f.listening.Store(true)
	f.Logger.DebugContext(ctx, "stratum: listening for changes of config")
	return true, f.hear(ctx, conn)
}

// connect returns a connection that listens.
func (f *Follower) connect(ctx context.Context) (_ *pgx.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, max(f.cache.options.MaxStale, connectTimeout))
	defer cancel()
	conn, err := f.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			hangUp(ctx, conn)
		}
	}()
	// A pooler gives another process id than the server does.
	var pid uint32
	err = conn.QueryRow(ctx, "SELECT pg_catalog.pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&pid)
	if err != nil {
		return nil, fmt.Errorf("stratum: connecting to listen for changes of config: %w", err)
	}
	if pid != conn.PgConn().PID() {
		return nil, ErrPooled
	}
	if _, err := conn.Exec(ctx, f.channels(), pgx.QueryExecModeSimpleProtocol); err != nil {
		return nil, fmt.Errorf("stratum: listening for changes of config: %w", err)
	}
	return conn, nil
}

// channel is where changes of config are notified.
const channel = "stratum.config"

// channels listens on all of them.
func (f *Follower) channels() string {
	listen := "LISTEN " + pgx.Identifier{channel}.Sanitize()
	for other := range f.Also {
		listen += "; LISTEN " + pgx.Identifier{other}.Sanitize()
	}
	return listen
}

// hangUp closes a connection, and does not wait for one that leads nowhere.
func hangUp(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = conn.Close(ctx) // it is of no use any more
}

const (
	connectTimeout = 5 * time.Second
	closeTimeout   = 200 * time.Millisecond
)

// hear takes notifications, and looks at the database twice in the time for which that is trusted: a connection that
// leads nowhere any more is silent.
func (f *Follower) hear(ctx context.Context, conn *pgx.Conn) error {
	for {
		until, cancel := context.WithTimeout(ctx, f.cache.options.MaxStale/2)
		err := f.hearUntil(until, conn)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		if err := f.look(ctx, f.On(conn)); err != nil {
			return err
		}
	}
}

// hearUntil takes notifications until ctx ends, which is no error.
func (f *Follower) hearUntil(ctx context.Context, conn *pgx.Conn) error {
	for {
		n, err := conn.WaitForNotification(ctx)
		switch {
		case err == nil && n.Channel != channel:
			if tell := f.Also[n.Channel]; tell != nil {
				tell(n.Payload)
			}
		case err == nil:
			f.apply(parseChange(n.Payload))
		case ctx.Err() != nil && !conn.IsClosed():
			return nil
		default:
			return fmt.Errorf("stratum: the connection on which changes of config are heard was lost: %w", err)
		}
	}
}

// look finds out what has changed since the last look, and from then on trusts what is kept.
func (f *Follower) look(ctx context.Context, read Reader) error {
	ctx, cancel := context.WithTimeout(ctx, f.cache.options.MaxStale)
	defer cancel()
	asked := f.cache.now()
	found, err := ask(ctx, read, f.since)
	if err != nil {
		return err
	}
	if found.lost {
		f.apply(Change{})
	}
	for _, c := range found.changes {
		f.apply(c)
	}
	f.since = found.mark
	f.known.Store(&found.mark)
	f.cache.trust(asked)
	return nil
}

// apply has the cache forget first: whoever hears of a change must not find what was before it.
func (f *Follower) apply(c Change) {
	f.cache.Invalidate(c.Label)
	f.hub.Tell(c)
}

// Listening tells whether notifications are heard at the moment.
func (f *Follower) Listening() bool { return f.listening.Load() }

// CatchUp has the cache forget what has changed since the follower's last look. A change that was committed before is
// seen by each Get that begins afterwards. Where the database cannot be asked everything is forgotten.
func (f *Follower) CatchUp(ctx context.Context) {
	known := f.known.Load()
	if known == nil {
		// Nothing has been trusted yet, and the first look drops all.
		return
	}
	found, err := ask(ctx, f.Read, *known)
	if err != nil || found.lost {
		f.cache.Invalidate("")
		return
	}
	for _, c := range found.changes {
		f.cache.Invalidate(c.Label)
	}
}
