package fleet

import (
	"context"
	"errors"
	"sync"
)

// queued is how many targets wait for the workers of one server. When they are that many for one server, no other is
// fed: fleets of several servers are best listed in turn.
const queued = 1024

// lane is one server: its workers, and the targets that wait for them.
type lane struct {
	batches chan []Target
	// next is the batch that is being gathered. All its targets are of one database.
	next []Target
}

// feed hands targets to the workers of their servers.
type feed struct {
	run   *run
	size  int // of batches
	lanes map[string]*lane
	wg    sync.WaitGroup
}

// rest runs all targets that no canary was.
func (r *run) rest(ctx context.Context) error {
	f := &feed{run: r, size: 1, lanes: map[string]*lane{}}
	for _, s := range r.opts.Sources {
		f.size = max(f.size, s.batch())
	}
	err := f.all(ctx)
	for _, l := range f.lanes {
		if err == nil {
			f.flush(l)
		}
		close(l.batches)
	}
	f.wg.Wait()
	return err
}

// all feeds the targets as they come.
func (f *feed) all(ctx context.Context) error {
	for t, err := range f.run.opts.Targets {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		if err := t.validate(); err != nil {
			return err
		}
		if f.run.stopped.Load() {
			return nil
		}
		if f.run.first(t) {
			f.add(ctx, t)
		}
	}
	return nil
}

// add puts a target into its server's batch, which goes out when it is full or when the next is of another database.
func (f *feed) add(ctx context.Context, t Target) {
	l := f.lanes[t.Server]
	if l == nil {
		l = &lane{batches: make(chan []Target, max(1, queued/f.size))}
		f.lanes[t.Server] = l
		for range f.run.opts.PerServer {
			f.wg.Go(func() { f.work(ctx, l) })
		}
	}
	if len(l.next) > 0 && l.next[0].Database.Name != t.Database.Name {
		f.flush(l)
	}
	if l.next = append(l.next, t); len(l.next) == f.size {
		f.flush(l)
	}
}

// flush sends a lane's batch to its workers. They take what comes until the lane is closed, so it never blocks for good.
func (f *feed) flush(l *lane) {
	if len(l.next) > 0 {
		l.batches <- l.next
		l.next = nil
	}
}

// work is a worker until its lane is closed. When the run is over it takes what is left without doing it.
func (f *feed) work(ctx context.Context, l *lane) {
	w := &worker{run: f.run}
	defer w.close(ctx)
	for batch := range l.batches {
		if ctx.Err() == nil && !f.run.stopped.Load() {
			w.do(ctx, batch)
		}
	}
}
