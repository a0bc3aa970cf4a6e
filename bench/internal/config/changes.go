package config

import (
	"context"
	"time"

	"github.com/stratum-hq/stratum-go/core"

	"github.com/stratum-hq/stratum-go/bench/internal/sample"
)

// follow is how long one change took: by itself, commit included, and, from its begin as well, until the other process
// served the old value no more and until it served the new one. In between it reads from the registry.
type follow struct{ commit, gone, arrived float64 }

// changes has one process change a key and another one read it from its cache until it sees the change.
func (b *bench) changes(ctx context.Context, w *world) error {
	key := core.Key[int]{Name: keyOf(0)}
	var commits, gone, arrivals []float64
	for n := range b.Changes {
		f, err := b.follow(ctx, w, key, n+1_000_000)
		if err != nil {
			return err
		}
		commits, gone, arrivals = append(commits, f.commit), append(gone, f.gone), append(arrivals, f.arrived)
	}
	b.logf("config/change: commit %.0f us, the old value gone after %.0f us, the new one there after %.0f us",
		sample.Median(commits), sample.Median(gone), sample.Median(arrivals))
	b.line("config/change/gone/p50", sample.PairedRatio(gone, commits), sample.AtMost(changeGoal))
	b.line("config/change/p50", sample.PairedRatio(arrivals, commits), sample.AtMost(changeGoal))
	return nil
}

// follow makes one change.
func (b *bench) follow(ctx context.Context, w *world, key core.Key[int], value int) (f follow, err error) {
	tenant := core.WithTenant(ctx, w.leaf())
	if err := w.isKept(tenant, key); err != nil {
		return f, err
	}
	begun := time.Now()
	since := func(t time.Time) float64 { return float64(t.Sub(begun).Nanoseconds()) / 1e3 }
	seen := make(chan error, 1)
	go func() {
		for {
			called := time.Now()
			got, err := key.Get(tenant, w.reader)
			if err != nil || got == value {
				// The last call that was answered with the old value began before this one.
				f.gone, f.arrived = since(called), since(time.Now())
				seen <- err
				return
			}
			// A look each some microseconds, so that the one who reads leaves the machine to the one who writes.
			wait(ctx, 20*time.Microsecond)
		}
	}()
	if err := key.Set(system(ctx), w.writer, w.leaf(), value); err != nil {
		return f, err
	}
	commit := since(time.Now())
	err = <-seen
	f.commit = commit
	return f, err
}

func wait(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
