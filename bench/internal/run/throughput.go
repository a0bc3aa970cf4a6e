package run

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/stratum-hq/stratum-go/bench/internal/variant"
)

// rateSlices is how many times longer than a slice of one worker one of many is.
const rateSlices = 5

// throughput measures operations per second of all workers together, for each variant a value by turn.
func (s *stand) throughput(
	ctx context.Context, op variant.Op, length time.Duration,
) (map[variant.Kind][]float64, error) {
	measured := map[variant.Kind][]float64{}
	err := s.turns(ctx, length, func(v *variant.Variant) error {
		rate, err := s.rateSlice(ctx, v, op)
		measured[v.Kind] = append(measured[v.Kind], rate)
		return err
	})
	return measured, err
}

// rateSlice has all workers do one variant's operation until the slice is over, and finish what they have begun.
func (s *stand) rateSlice(ctx context.Context, v *variant.Variant, op variant.Op) (float64, error) {
	runtime.GC()
	var done atomic.Int64
	begun := time.Now()
	err := s.together(ctx, func(ctx context.Context, random *rand.Rand) error {
		for time.Since(begun) < rateSlices*s.slice {
			if err := v.Do(ctx, op, s.world.Pick(random)); err != nil {
				return err
			}
			done.Add(1)
		}
		return nil
	})
	return float64(done.Load()) / time.Since(begun).Seconds(), err
}
