package fleet

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync/atomic"
)

// Run brings targets to the newest step of each source. A target is done by the steps that it lacks; where it lacks
// none it costs a look at its ledger. Run may be called by any number of processes at once, and again after whatever
// ended it: only what is left is run.
//
// It returns *Error where targets have failed, with the report of all others; the error of ctx, or of Targets, where
// the run ended early; and ErrCanary where the named canary is not among the targets.
func Run(ctx context.Context, opts Options) (Report, error) {
	if err := opts.validate(); err != nil {
		return Report{}, err
	}
	opts = opts.withDefaults()
	r := &run{opts: opts, tally: newTally(opts), seen: map[[sha256.Size / 2]byte]struct{}{}}
	err := r.canary(ctx)
	if err == nil {
		err = r.rest(ctx)
	}
	if s := r.spare.Swap(nil); s != nil {
		s.close(ctx)
	}
	return r.close(ctx, err)
}

// run is one call of Run.
type run struct {
	opts  Options
	tally *tally
	// seen holds the hash of each target's ID that was begun. It is what grows with the fleet: 16 bytes for each.
	seen map[[sha256.Size / 2]byte]struct{}
	// spare is the canary's session, for the first worker that needs one.
	spare atomic.Pointer[session]
	// stopped is set when no further target may be begun.
	stopped atomic.Bool
}

// first reports whether a target comes for the first time.
func (r *run) first(t Target) bool {
	sum := sha256.Sum256([]byte(t.ID))
	key := [sha256.Size / 2]byte(sum[:sha256.Size/2])
	if _, twice := r.seen[key]; twice {
		return false
	}
	r.seen[key] = struct{}{}
	r.tally.seen()
	return true
}

// canary runs those that go first, one after the other. Shared tables are no canary unless named: everybody uses them.
func (r *run) canary(ctx context.Context) error {
	c := r.opts.Canary
	if c.None || r.opts.DryRun {
		return nil
	}
	w := newWorker(r)
	left := c.Count
	defer w.close(ctx)
	for t, err := range r.opts.Targets {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		if c.Target != "" && t.ID != c.Target || c.Target == "" && (t.Kind == KindShared || !r.opts.Fit(ctx, t)) {
			continue
		}
		if err := t.validate(); err != nil {
			return err
		}
		if !r.first(t) {
			continue
		}
		w.do(ctx, []Target{t})
		if r.tally.failures() > 0 {
			return ErrCanary
		}
		if left--; left == 0 || c.Target != "" {
			return nil
		}
	}
	if c.Target != "" {
		return errNoCanary
	}
	return nil
}

// close reports, and makes an error of what ended the run and of what failed.
func (r *run) close(ctx context.Context, ended error) (Report, error) {
	report := r.tally.close()
	if ctx.Err() != nil {
		// Targets that were under way failed for this reason alone.
		return report, errors.Join(ctx.Err(), ended)
	}
	if ended != nil && !errors.Is(ended, ErrCanary) || report.Failed == 0 {
		return report, ended
	}
	if ended == nil && r.stopped.Load() {
		ended = ErrStopped
	}
	return report, &Error{Failed: report.Failed, Failures: report.Failures, Stopped: ended}
}
