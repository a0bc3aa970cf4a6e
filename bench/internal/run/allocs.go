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
	allocRuns = 3
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
			r.line(more, ours(kind, sample.AtMost(allocsMore)), "allocations", string(op), string(kind), "more-by-statement")
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
		repeats = max(1, repeats/10) // it takes long, and its thousand rows are a mean by themselves
	}
	// A collection empties the pools that allocations are saved with.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	least := math.Inf(1)
	for range allocRuns {
		runtime.GC()
		random := newRandom()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range repeats {
			if err := v.Do(ctx, op, w.PickOf(w.Big, random)); err != nil {
				return 0, err
			}
		}
		runtime.ReadMemStats(&after)
		least = min(least, float64(after.Mallocs-before.Mallocs)/float64(repeats))
	}
	// What is left of the rest of the program is less than that.
	return math.Round(least*10) / 10, nil
}
