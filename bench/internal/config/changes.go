package config

import (
	"context"
	"time"

	"github.com/stratum-hq/stratum-go/core"

	"github.com/stratum-hq/stratum-go/bench/internal/sample"
)

// changes has one process change a key and another one read it from its cache until it sees the change. The time from
// the begin of the change until then is compared with the time that the change took by itself, commit included.
func (b *bench) changes(ctx context.Context, w *world) error {
	key := core.Key[int]{Name: keyOf(0)}
	tenant := core.WithTenant(ctx, w.leaf())
	var commits, arrivals []float64
	for n := range b.Changes {
		if err := w.isKept(tenant, key); err != nil {
			return err
		}
		begun := time.Now()
		seen := make(chan error, 1)
		arrived := time.Duration(0)
		go func() {
			for {
				value, err := key.Get(tenant, w.reader)
				if err != nil || value == n+1_000_000 {
					arrived = time.Since(begun)
					seen <- err
					return
				}
				// A look each some microseconds, so that the one who reads leaves the machine to the one who writes.
				wait(ctx, 20*time.Microsecond)
			}
		}()
		if err := key.Set(system(ctx), w.writer, w.leaf(), n+1_000_000); err != nil {
			return err
		}
		commit := time.Since(begun)
		if err := <-seen; err != nil {
			return err
		}
		commits = append(commits, float64(commit.Nanoseconds())/1e3)
		arrivals = append(arrivals, float64(arrived.Nanoseconds())/1e3)
	}
	b.logf("config/change: commit %.0f us, in the other cache after %.0f us",
		sample.Median(commits), sample.Median(arrivals))
	b.line("config/change/p50", sample.PairedRatio(arrivals, commits), sample.AtMost(changeGoal))
	return nil
}

func wait(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
