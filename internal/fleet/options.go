package fleet

import (
	"cmp"
	"context"
	"iter"
	"log/slog"
	"time"
)

// Options say what to run where, and how gently.
type Options struct {
	// Targets are what to migrate. They are ranged over twice if there is a canary, and never held in memory as a
	// whole. Targets of one database go fastest next to each other. An error of it ends the run. Required.
	Targets iter.Seq2[Target, error]
	// Total is how many targets there are, for progress. Defaults to as many as have been seen.
	Total int
	// Sources are run on each target one after the other. Required.
	Sources []Source
	// PerServer is how many targets of one server are worked on at once, each over a connection. Defaults to 2.
	PerServer int
	// Canary is who goes first. Defaults to the first schema or database of a tenant.
	Canary Canary
	// Fit reports whether a target may be a canary that nobody has named: where its place is gone, it says nothing of
	// the migration. Defaults to all.
	Fit func(context.Context, Target) bool
	// LockTimeout is how long a migration waits for a table that somebody uses, with everybody else behind it, before
	// it steps back. Rounded up to milliseconds. Defaults to 2 s.
	LockTimeout time.Duration
	// Retries is how often a target is tried again after a lock that was not to be had, a deadlock or a lost
	// connection, with a pause that doubles from 100 ms to 5 s. Negative is never. Defaults to 5.
	Retries int
	// StopOnError has no further target begun after one has failed. Those under way are finished. Defaults to false.
	StopOnError bool
	// DryRun changes nothing and reports what would be run. Defaults to false.
	DryRun bool
	// Verify has the catalogs of targets compared with the model also where their ledgers say that they are the same;
	// together with DryRun that is a report of drift. It concerns no versioned source. Defaults to false.
	Verify bool
	// Rerun has migrations outside of transactions run again that were interrupted before. Defaults to false, which
	// fails these targets with ErrInterrupted.
	Rerun bool
	// Progress is told of each target that is begun or ended, by one goroutine at a time. Defaults to silence.
	Progress func(Progress)
	// Ended is told what became of each target, by one goroutine at a time. Defaults to silence.
	Ended func(Target, Outcome)
	// Plans is told what a dry run found on a target, by one goroutine at a time. Defaults to Report.Plans alone.
	Plans func(Plan)
	// Logger is told of failures and of what is tried again. Defaults to silence.
	Logger *slog.Logger
	// Clock is the time. Defaults to the system's.
	Clock Clock
}

// Canary says which targets go first, alone and one after the other. If one of them fails the run ends. A dry run has
// none.
type Canary struct {
	// Target is the ID of the only canary.
	Target string
	// Count is how many schemas or databases of tenants go first. Defaults to 1.
	Count int
	// None lets all begin at once.
	None bool
}

// Clock is the time, for tests.
type Clock interface {
	// Now is the time.
	Now() time.Time
	// Sleep waits until d is over or ctx has ended, and returns the error of ctx.
	Sleep(ctx context.Context, d time.Duration) error
}

const (
	defaultPerServer   = 2
	defaultLockTimeout = 2 * time.Second
	defaultRetries     = 5
	firstPause         = 100 * time.Millisecond
	maxPause           = 5 * time.Second
)

func (o Options) withDefaults() Options {
	o.PerServer = cmp.Or(o.PerServer, defaultPerServer)
	o.LockTimeout = cmp.Or(o.LockTimeout, defaultLockTimeout)
	o.Retries = max(cmp.Or(o.Retries, defaultRetries), 0)
	o.Canary.Count = cmp.Or(o.Canary.Count, 1)
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Fit == nil {
		o.Fit = func(context.Context, Target) bool { return true }
	}
	if o.Ended == nil {
		o.Ended = func(Target, Outcome) {}
	}
	if o.Plans == nil {
		o.Plans = func(Plan) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = systemClock{}
	}
	return o
}

func (o Options) validate() error {
	switch {
	case o.Targets == nil:
		return errNoTargets
	case len(o.Sources) == 0:
		return errNoSources
	case o.PerServer < 0 || o.LockTimeout < 0 || o.Canary.Count < 0:
		return errNegative
	}
	names := map[string]bool{}
	for _, s := range o.Sources {
		if names[s.Name()] {
			return errSameName
		}
		names[s.Name()] = true
	}
	return nil
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
