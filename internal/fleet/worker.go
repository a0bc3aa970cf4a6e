package fleet

import (
	"context"
	"math/rand/v2"
	"time"
)

// worker does targets over one connection.
type worker struct {
	run     *run
	session *session
	// size is how many targets it takes at once, as long as these are done in no time, and limit the most.
	size, limit int
}

func newWorker(r *run) *worker {
	w := &worker{run: r, size: firstBatch, limit: 1}
	for _, s := range r.opts.Sources {
		w.limit = max(w.limit, s.batch())
	}
	return w
}

// A batch should take about this long: many small migrations share their round trips, and large ones are shared out.
const (
	firstBatch = 4
	shortBatch = 100 * time.Millisecond
	longBatch  = 400 * time.Millisecond
)

// pace is how many targets to take next.
func (w *worker) pace() int { return w.size }

func (w *worker) adapt(took time.Duration) {
	switch {
	case took < shortBatch:
		w.size = min(2*w.size, w.limit)
	case took > longBatch:
		w.size = max(w.size/2, 1)
	}
}

// task is a target of a batch.
type task struct {
	target Target
	worked bool
	failed bool
}

// do runs all sources on a batch of one database, each source on all targets before the next: so it can look at them
// together.
func (w *worker) do(ctx context.Context, batch []Target) {
	began := w.run.opts.Clock.Now()
	defer func() { w.adapt(w.run.opts.Clock.Now().Sub(began)) }()
	tasks := make([]*task, len(batch))
	for i, t := range batch {
		tasks[i] = &task{target: t}
		w.run.tally.begin(t)
	}
	for i, source := range w.run.opts.Sources {
		known := w.prepare(ctx, source, tasks)
		for _, t := range tasks {
			if t.failed || ctx.Err() != nil || w.run.stopped.Load() && !t.worked && !known[t.target.ID].settled {
				continue
			}
			w.one(ctx, source, t, known[t.target.ID])
			if t.failed || i == len(w.run.opts.Sources)-1 {
				w.end(ctx, t)
			}
		}
	}
}

func (w *worker) end(ctx context.Context, t *task) {
	o := Skipped
	switch {
	case t.failed:
		o = Failed
	case t.worked:
		o = Done
	}
	if t.failed && ctx.Err() == nil && w.run.opts.StopOnError {
		w.run.stopped.Store(true)
	}
	w.run.tally.end(t.target, o)
}

// prepare lets a source look at all targets of a batch that have not failed.
func (w *worker) prepare(ctx context.Context, source Source, tasks []*task) prepared {
	var targets []Target
	for _, t := range tasks {
		if !t.failed {
			targets = append(targets, t.target)
		}
	}
	if len(targets) == 0 || w.connect(ctx, targets[0].Database) != nil {
		return nil
	}
	return source.prepare(ctx, w.session, w.run.opts, targets)
}

// one runs a source on a target.
func (w *worker) one(ctx context.Context, source Source, t *task, known planned) {
	plan := Plan{Target: t.target.ID, Source: source.Name()}
	v := &visit{target: t.target, opts: w.run.opts, planned: known, tell: func(s Step) {
		plan.Steps = append(plan.Steps, s)
	}}
	if known.settled {
		t.worked = t.worked || known.worked
		return
	}
	err := w.persist(ctx, source, v)
	t.worked = t.worked || v.worked
	if err == nil {
		if len(plan.Steps) > 0 {
			w.run.tally.plan(plan)
		}
		return
	}
	t.failed = true
	if v.session != nil && ctx.Err() == nil && !v.opts.DryRun {
		source.failed(ctx, v, err)
	}
	w.run.tally.fail(ctx, &TargetError{Target: t.target.ID, Source: source.Name(), Version: v.step, Err: err})
}

// persist visits a target, again where the error passes by itself.
func (w *worker) persist(ctx context.Context, source Source, v *visit) error {
	pause := firstPause
	for try := 0; ; try++ {
		err := w.visit(ctx, source, v)
		if err == nil || ctx.Err() != nil || try == v.opts.Retries || !passes(err) {
			return err
		}
		w.run.tally.retried()
		v.opts.Logger.WarnContext(ctx, "stratum: trying a target again", "target", v.target.ID, "version", v.step,
			"cause", message(err), "pause", pause)
		if err := v.opts.Clock.Sleep(ctx, jitter(pause)); err != nil {
			return err
		}
		pause = min(2*pause, maxPause)
	}
}

// visit is one try. Afterwards the session is outside of a transaction, or gone.
func (w *worker) visit(ctx context.Context, source Source, v *visit) error {
	v.session = nil
	if err := w.connect(ctx, v.target.Database); err != nil {
		return err
	}
	v.session = w.session
	err := source.visit(ctx, v)
	if err != nil && !w.session.usable(ctx) {
		w.close(ctx)
		v.session = nil
	}
	return err
}

// connect makes sure that the worker has a connection to a database.
func (w *worker) connect(ctx context.Context, d Database) (err error) {
	if w.session == nil {
		w.session = w.run.spare.Swap(nil)
	}
	if s := w.session; s != nil {
		if s.uses++; s.database == d.Name && s.uses <= maxUses && !s.pg.IsClosed() {
			return nil
		}
		w.close(ctx)
	}
	w.session, err = openSession(ctx, d)
	return err
}

func (w *worker) close(ctx context.Context) {
	if w.session != nil {
		w.session.close(ctx)
		w.session = nil
	}
}

// jitter is between a half and the whole of d, so that those who met do not meet again.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1) //nolint:gosec // no secret
}
