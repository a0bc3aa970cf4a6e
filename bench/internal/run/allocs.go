package run

import (
	"context"
	"math"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/stratum-hq/stratum-go/bench/internal/sample"
	"github.com/stratum-hq/stratum-go/bench/internal/variant"
	"github.com/stratum-hq/stratum-go/bench/internal/world"
)

const (
	// allocRuns is how often allocations are counted. The least counts: what else the program does only adds to it.
	allocRuns = 5
	// moreRows is how many rows ListMany reads more than ListOne.
	moreRows = 999
)

// allocations prints how many more a variant needs than its baseline: by statement of each operation, and by row.
func (r *runner) allocations(ctx context.Context, w *world.World) error {
	ops := slices.Concat(r.Ops, []variant.Op{variant.ListOne, variant.ListMany})
	target := variant.Target{World: w, DSN: w.Database.DSN, SystemDSN: w.Database.SystemDSN}
	allocs := figures{}
	err := r.eachAlone(ctx, target, ops, func(v *variant.Variant, op variant.Op) error {
		n, err := r.allocsOf(ctx, v, op, w)
		allocs.set(op, v.Kind, n)
		r.logf("allocations/%s/%s: %.1f", op, v.Kind, n)
		return err
	})
	if err != nil {
		return err
	}
	for _, op := range r.Ops {
		for _, kind := range r.compared(allocs.has(op)) {
			more := (allocs[op][kind] - allocs[op][kind.Baseline()]) / statements(op)
			goal := ours(kind, sample.AtMost(allocsMore))
			r.line(more, goal, "allocations", string(op), string(kind), "more-by-statement")
		}
	}
	for _, kind := range r.compared(allocs.has(variant.ListMany)) {
		perRow := func(kind variant.Kind) float64 {
			return (allocs[variant.ListMany][kind] - allocs[variant.ListOne][kind]) / moreRows
		}
		more := perRow(kind) - perRow(kind.Baseline())
		r.line(more, ours(kind, sample.AtMost(0)), "allocations", "list", string(kind), "more-by-row")
	}
	return nil
}

// statements is how many statements of the application an operation has, for the goal is by statement.
func statements(op variant.Op) float64 {
	if op == variant.Transaction {
		return 3
	}
	return 1
}

// allocsOf counts the allocations of an operation.
func (r *runner) allocsOf(
	ctx context.Context, v *variant.Variant, op variant.Op, w *world.World,
) (float64, error) {
	repeats := r.Repeats
	if op == variant.ListMany {
		repeats = max(1, repeats/4) // it takes long, and its thousand rows are a mean by themselves
	}
	// A collection empties the pools that allocations are saved with.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	least := math.Inf(1)
	for range allocRuns {
		runtime.GC()
		if _, err := mallocs(ctx, v, op, w, settleOps); err != nil { // fills the pools again
			return 0, err
		}
		n, err := mallocs(ctx, v, op, w, repeats)
		if err != nil {
			return 0, err
		}
		least = min(least, n)
	}
	// What is left of the rest of the program is less than that.
	return math.Round(least*10) / 10, nil
}

// mallocs returns how often the program allocates for each of n operations.
func mallocs(ctx context.Context, v *variant.Variant, op variant.Op, w *world.World, n int) (float64, error) {
	random := newRandom()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		if err := v.Do(ctx, op, w.PickOf(w.Big, random)); err != nil {
			return 0, err
		}
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(n), nil
}
