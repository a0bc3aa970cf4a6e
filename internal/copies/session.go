package copies

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// session is the time for which a follower is the one. All that it knows is one goroutine's; what takes time is done by
// others, who report to it.
type session struct {
	Config

	conn    *pgx.Conn // listens
	targets map[string]*target
	running int

	// What the helpers report.
	heard  chan string
	loaded chan listing
	done   chan result
	events chan event
	// reload asks for the targets before it is time: a change concerns those that are new, too.
	reload chan struct{}

	streamed   map[[2]string]streamedTable // by name in the source; nil without a stream
	wanted     []Table                     // what is to be streamed
	stopStream context.CancelFunc
	noStream   bool // the server or the login cannot
	restart    time.Time
	recent     []entry // transactions of the stream that may be invisible to a snapshot yet
	position   uint64  // of the stream

	// What the stream is told.
	acknowledged atomic.Uint64
	dirty        atomic.Bool
}

func newSession(config Config, conn *pgx.Conn) *session {
	return &session{
		Config: config, conn: conn, targets: map[string]*target{}, noStream: config.NoStream,
		heard: make(chan string), loaded: make(chan listing), done: make(chan result), events: make(chan event),
		reload: make(chan struct{}, 1),
	}
}

// run ends when a helper that cannot be spared ends, and then waits for all of them.
func (s *session) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.listen(ctx) })
	group.Go(func() error { return s.load(ctx) })
	group.Go(func() error { return s.loop(ctx, group) })
	return group.Wait()
}

// listen passes on what is notified: the name of a table.
func (s *session) listen(ctx context.Context) error {
	for {
		n, err := s.conn.WaitForNotification(ctx)
		if err != nil {
			return fmt.Errorf("%w: %w", errLost, err)
		}
		if err := send(ctx, s.heard, n.Payload); err != nil {
			return err
		}
	}
}

// listing is what there is to be kept current.
type listing struct {
	found []Destination
	// whole says that all are to be looked at, whether something was heard or not.
	whole bool
}

// load asks for the targets, each Poll, and sooner where a change was heard, which those that are new must learn of.
func (s *session) load(ctx context.Context) error {
	next := time.Now()
	for {
		whole := !time.Now().Before(next)
		found, err := s.Targets(ctx)
		if whole {
			next = time.Now().Add(s.Poll)
		}
		if err != nil {
			s.Logger.WarnContext(ctx, "stratum: listing targets of copies", "error", err)
			s.report(Status{Err: err})
			next = time.Now().Add(min(s.Poll, s.MaxBackoff))
		} else if err := send(ctx, s.loaded, listing{found, whole}); err != nil {
			return err
		}
		if whole {
			if err := s.prune(ctx); err != nil && ctx.Err() == nil {
				s.Logger.WarnContext(ctx, "stratum: removing changes that are copied", "error", err)
			}
		}
		if err := s.rest(ctx, next); err != nil {
			return err
		}
	}
}

// rest waits until next or for a change, of which several in a row count as one.
func (s *session) rest(ctx context.Context, next time.Time) error {
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-s.reload:
		wait(ctx, min(s.Backoff, time.Until(next)))
	}
	return ctx.Err()
}

// prune keeps what is written down of changes short. A target that has not seen all that goes is found behind by it.
func (s *session) prune(ctx context.Context) error {
	conn, err := s.Connect(ctx)
	if err != nil {
		return fmt.Errorf("stratum: connecting to the source of copies: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var count int64
	var now string
	// No more is counted than matters.
	err = conn.QueryRow(ctx, `SELECT count(*), pg_catalog.pg_current_snapshot()::text
		FROM (SELECT FROM stratum.copy_changes LIMIT $1) c`, pgx.QueryExecModeExec, s.KeepChanges+1).Scan(&count, &now)
	if err != nil || count <= s.KeepChanges {
		return notInstalled(err)
	}
	removed, err := Prune(ctx, conn, []string{now})
	if removed > 0 {
		s.dirty.Store(true)
	}
	return err
}

func send[T any](ctx context.Context, to chan<- T, what T) error {
	select {
	case to <- what:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// loop takes one report after the other, and sends helpers out. It waits for nothing else.
func (s *session) loop(ctx context.Context, group *errgroup.Group) error {
	s.report(Status{})
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(s.dispatch(ctx, group))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case name := <-s.heard:
			s.onChange(name)
		case l := <-s.loaded:
			s.onTargets(l)
		case e := <-s.events:
			s.onEvent(ctx, e)
		case r := <-s.done:
			s.onDone(ctx, r)
		}
	}
}

func (s *session) mode() Mode {
	if s.streamed != nil {
		return Streaming
	}
	return Refreshing
}

func (s *session) report(status Status) {
	status.Mode = s.mode()
	s.Status(status)
}

// onChange marks who has a copy of a table that has changed. What the stream brings is only made certain by it: an
// empty change brings nothing.
func (s *session) onChange(name string) {
	select {
	case s.reload <- struct{}{}:
	default: // asked for already
	}
	if name == targetsNote {
		return
	}
	if name == "" {
		// Tables themselves have changed: see Install.
		s.dirty.Store(true)
		for _, t := range s.targets {
			t.stale = max(t.stale, partly)
		}
		return
	}
	for key := range s.streamed {
		if key[0]+"."+key[1] == name {
			s.dirty.Store(true)
			return
		}
	}
	for _, t := range s.targets {
		if slices.ContainsFunc(t.Tables, func(table Table) bool { return table.Schema+"."+table.Name == name }) {
			t.stale = max(t.stale, partly)
		}
	}
}

// onTargets takes up new targets and forgets others. Of a whole listing it has all looked at: a notification may have
// been lost.
func (s *session) onTargets(l listing) {
	names := map[string]bool{}
	for _, d := range l.found {
		names[d.Name] = true
		t := s.targets[d.Name]
		if t == nil {
			// What has been streamed just now may not be visible yet to the snapshot that is taken for it.
			t = &target{stale: wholly, queue: stripped(s.recent), acknowledged: s.position}
			s.targets[d.Name] = t
		}
		if t.Name != "" && !slices.Equal(t.Tables, d.Tables) {
			t.stale = wholly
		}
		t.Destination = d
		if l.whole {
			t.stale = max(t.stale, partly)
		}
	}
	maps.DeleteFunc(s.targets, func(name string, _ *target) bool { return !names[name] })
	s.want(l.found)
}

// want settles which tables are to be streamed. Where they are others than before, the stream begins anew.
func (s *session) want(found []Destination) {
	var tables []Table
	for _, d := range found {
		for _, t := range d.Tables {
			if t.TenantColumn == "" && !slices.Contains(tables, t) {
				tables = append(tables, t)
			}
		}
	}
	slices.SortFunc(tables, func(a, b Table) int {
		return slices.Compare([]string{a.Schema, a.Name}, []string{b.Schema, b.Name})
	})
	if slices.Equal(tables, s.wanted) {
		return
	}
	s.wanted, s.restart = tables, time.Time{}
	if s.stopStream != nil {
		s.stopStream()
	}
}

// onDone takes note of what became of the work on a target.
func (s *session) onDone(ctx context.Context, r result) {
	s.running--
	t := r.target
	t.running = false
	if r.epoch == t.epoch {
		t.settle(r, s.Config)
	}
	if r.err != nil && ctx.Err() == nil && t.failures > 0 {
		s.Logger.WarnContext(ctx, "stratum: keeping copies current", "target", t.Name, "error", r.err,
			"failures", t.failures)
	}
	s.acknowledge()
	s.report(Status{
		Target: t.Name, Err: r.err, Failures: t.failures, Retry: t.retry, Report: r.report, Applied: r.applied,
		Current: r.err == nil && !t.busy(),
	})
}

// acknowledge tells the stream what it need not keep: what all targets that can be reached have.
func (s *session) acknowledge() {
	position := s.position
	for _, t := range s.targets {
		if t.failures == 0 && (t.running || t.busy()) {
			position = min(position, t.acknowledged)
		}
	}
	s.acknowledged.Store(position)
}
