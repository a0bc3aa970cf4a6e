package config

import (
	"context"
	"errors"
	"math"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/stratum-hq/stratum-go/core"

	"github.com/stratum-hq/stratum-go/bench/internal/sample"
)

const (
	slice  = 10 * time.Millisecond
	settle = 3 // operations at the beginning of a slice that do not count
	warm   = 12
)

// cold compares resolving a tenant's config with fetching the rows of one tenant.
func (b *bench) cold(ctx context.Context, w *world) error {
	key := core.Key[int]{Name: keyOf(0)}
	const rowsSQL = `SELECT key, value, locked, sensitive, version, updated_at FROM stratum.config WHERE tenant_id = $1`
	sides := []func() error{
		func() error {
			_, err := key.GetFor(system(ctx), w.writer, w.leaf())
			return err
		},
		func() error { return w.fetch(ctx, rowsSQL, b.Keys) },
	}
	for range warm {
		if err := errors.Join(sides[0](), sides[1]()); err != nil {
			return err
		}
	}
	var times [2][]float64
	err := sample.Turns(ctx, b.random, len(sides), b.Time, func(i int) error {
		median, err := timed(sides[i])
		times[i] = append(times[i], median)
		return err
	})
	if err != nil {
		return err
	}
	b.logf("config/cold: resolve %.0f us, one tenant's rows %.0f us", sample.Median(times[0]), sample.Median(times[1]))
	b.line("config/cold", sample.PairedRatio(times[0], times[1]), sample.AtMost(coldGoal))
	return nil
}

// fetch reads rows as a program would that knows nothing of inheritance.
func (w *world) fetch(ctx context.Context, query string, want int) error {
	rows, err := w.bare.Query(ctx, query, w.leaf())
	if err != nil {
		return err
	}
	defer rows.Close()
	var (
		key               string
		value             []byte
		locked, sensitive bool
		version           int64
		updated           time.Time
		n                 int
	)
	for rows.Next() {
		if err := rows.Scan(&key, &value, &locked, &sensitive, &version, &updated); err != nil {
			return err
		}
		n++
	}
	if err := rows.Err(); err != nil || n == want {
		return err
	}
	return errors.New("rows are missing")
}

// timed returns the median time of an operation, in microseconds.
func timed(do func() error) (float64, error) {
	runtime.GC() // whoever goes next does not pay for the garbage of who went before
	var taken []float64
	for n, begun := 0, time.Now(); len(taken) < settle || time.Since(begun) < slice; n++ {
		from := time.Now()
		if err := do(); err != nil {
			return 0, err
		}
		if n >= settle {
			taken = append(taken, float64(time.Since(from).Nanoseconds())/1e3)
		}
	}
	return sample.Median(taken), nil
}

// memory reads a typed key from the cache and from a ctx.
func (b *bench) memory(ctx context.Context, w *world) error {
	key := core.Key[int]{Name: keyOf(b.Keys / 2)}
	tenant := core.WithTenant(ctx, w.leaf())
	if err := w.isKept(tenant, key); err != nil {
		return err
	}
	pinned, err := w.reader.Config.Pin(tenant)
	if err != nil {
		return err
	}
	if err := b.read(tenant, w, key, "config/cached", cachedGoal); err != nil {
		return err
	}
	return b.read(pinned, w, key, "config/pinned", pinnedGoal)
}

// read measures what a typed key costs with a ctx.
func (b *bench) read(ctx context.Context, w *world, key core.Key[int], name string, goal float64) error {
	var failed error
	read := func() {
		if _, err := key.Get(ctx, w.reader); err != nil {
			failed = err
		}
	}
	median, ratio := b.nanoseconds(read)
	b.line(name+"/ns", median, sample.AtMost(goal))
	b.line(name+"/x-map", ratio, sample.Goal{})
	b.line(name+"/allocations", allocations(read), sample.Exactly(0))
	return failed
}

// allocations is how often a read allocates, the least of some counts: the rest of the process allocates too.
func allocations(read func()) float64 {
	const counts = 5
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	least := math.Inf(1)
	for range counts {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range batch {
			read()
		}
		runtime.ReadMemStats(&after)
		least = min(least, float64(after.Mallocs-before.Mallocs)/batch)
	}
	return least
}

// batch is how many reads are timed together: one alone takes no longer than reading the clock.
const batch = 500

// nanoseconds is the median of many batches, and by how much that is more than a read of a plain map. On a virtual
// machine whose core is shared, all that the two have in common takes up to twice as long from one moment to the next.
func (b *bench) nanoseconds(read func()) (median, ratio float64) {
	values := make(map[string]int, b.Keys)
	for n := range b.Keys {
		values[keyOf(n)] = n
	}
	key, sum := keyOf(b.Keys/2), 0
	plain := func() { sum += values[key] }
	var taken, plainTaken []float64
	for end := time.Now().Add(b.Time); time.Now().Before(end) || len(taken) == 0; {
		taken, plainTaken = append(taken, batchOf(read)), append(plainTaken, batchOf(plain))
	}
	median = sample.Median(taken)
	b.logf("median of %d batches %.1f ns, the fastest %.1f ns; a plain map's %.1f and %.1f ns", len(taken), median,
		sample.Percentile(taken, 0), sample.Median(plainTaken), sample.Percentile(plainTaken, 0))
	return median, sample.PairedRatio(taken, plainTaken)
}

// batchOf returns how many nanoseconds one read of a batch takes.
func batchOf(read func()) float64 {
	from := time.Now()
	for range batch {
		read()
	}
	return float64(time.Since(from).Nanoseconds()) / batch
}

// isKept waits until reads come from memory, which shows in the time they take.
func (w *world) isKept(ctx context.Context, key core.Key[int]) error {
	for {
		from := time.Now()
		for range batch {
			if _, err := key.Get(ctx, w.reader); err != nil {
				return err
			}
		}
		if time.Since(from) < batch*5*time.Microsecond {
			return nil
		}
	}
}
