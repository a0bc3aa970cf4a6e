package fleet

import (
	"context"
	"errors"
	"sync"
)

// queued is how many targets wait for the workers of one server. When they are that many for one server, no other is
// fed: fleets of several servers are best listed in turn.
const queued = 1024

// feed hands targets to the workers of their servers.
type feed struct {
	run   *run
	lanes map[string]chan Target
	wg    sync.WaitGroup
}

// rest runs all targets that no canary was.
func (r *run) rest(ctx context.Context) error {
	f := &feed{run: r, lanes: map[string]chan Target{}}
	err := f.all(ctx)
	for _, lane := range f.lanes {
		close(lane)
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
			f.lane(ctx, t.Server) <- t
		}
	}
	return nil
}

// lane is the queue of a server. Its workers take what comes until it is closed, so that it never blocks for good.
func (f *feed) lane(ctx context.Context, server string) chan Target {
	lane := f.lanes[server]
	if lane == nil {
		lane = make(chan Target, queued)
		f.lanes[server] = lane
		for range f.run.opts.PerServer {
			f.wg.Go(func() { f.work(ctx, lane) })
		}
	}
	return lane
}

// work is a worker until its lane is closed. When the run is over it takes what is left without doing it.
func (f *feed) work(ctx context.Context, lane chan Target) {
	w := newWorker(f.run)
	defer w.close(ctx)
	g := gatherer{lane: lane}
	for {
		// Not more than a fair share of what waits: at the end nobody should have much while others have nothing.
		batch := g.gather(min(w.pace(), 1+len(lane)/(2*f.run.opts.PerServer)))
		if len(batch) == 0 {
			return
		}
		if ctx.Err() == nil && !f.run.stopped.Load() {
			w.do(ctx, batch)
		}
	}
}

// gatherer takes targets of one database at a time from a lane.
type gatherer struct {
	lane chan Target
	next *Target // taken, and of another database
}

// gather waits for a target, and takes what is there of the same database up to a number.
func (g *gatherer) gather(size int) []Target {
	var batch []Target
	if g.next != nil {
		batch, g.next = append(batch, *g.next), nil
	} else if t, open := <-g.lane; open {
		batch = append(batch, t)
	}
	for len(batch) > 0 && len(batch) < size {
		select {
		case t, open := <-g.lane:
			if !open {
				return batch
			}
			if t.Database.Name != batch[0].Database.Name {
				g.next = &t
				return batch
			}
			batch = append(batch, t)
		default:
			return batch
		}
	}
	return batch
}
