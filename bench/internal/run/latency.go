package run

import (
	"context"
	"runtime"
	"time"

	"github.com/stratum-hq/stratum-go/bench/internal/sample"
	"github.com/stratum-hq/stratum-go/bench/internal/variant"
)

// times are what one variant took, in microseconds.
type times struct {
	// p50 has a value for each slice; those of the same index were measured in the same turn.
	p50 []float64
	// all are the times of single operations.
	all []float64
}

// settleOps are not counted at the beginning of a slice: they find the processor's caches full of somebody else's
// work, and the driver looks at a connection that has been idle.
const settleOps = 3

// minOps is how often an operation is timed in a slice at least.
const minOps = 10

// latency times one operation of each variant at a time.
func (s *stand) latency(ctx context.Context, op variant.Op, length time.Duration) (map[variant.Kind]*times, error) {
	measured := map[variant.Kind]*times{}
	for _, v := range s.variants {
		measured[v.Kind] = &times{}
	}
	err := s.turns(ctx, length, func(v *variant.Variant) error {
		slice, err := s.timeSlice(ctx, v, op)
		t := measured[v.Kind]
		t.all = append(t.all, slice...)
		t.p50 = append(t.p50, sample.Percentile(slice, 50))
		return err
	})
	return measured, err
}

// timeSlice times a variant until the slice is over.
func (s *stand) timeSlice(ctx context.Context, v *variant.Variant, op variant.Op) ([]float64, error) {
	// Whoever goes next does not pay for the garbage of who went before.
	runtime.GC()
	for range settleOps {
		if err := v.Do(ctx, op, s.world.Pick(s.random)); err != nil {
			return nil, err
		}
	}
	var taken []float64
	begun := time.Now()
	for now := begun; len(taken) < minOps || now.Sub(begun) < s.slice; {
		pick := s.world.Pick(s.random)
		from := time.Now()
		err := v.Do(ctx, op, pick)
		now = time.Now()
		if err != nil {
			return nil, err
		}
		taken = append(taken, float64(now.Sub(from).Nanoseconds())/1e3)
	}
	return taken, nil
}
