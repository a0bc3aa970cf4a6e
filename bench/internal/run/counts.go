package run

import (
	"context"
	"errors"
	"math/rand/v2"

	"github.com/stratum-hq/stratum-go/bench/internal/link"
	"github.com/stratum-hq/stratum-go/bench/internal/variant"
	"github.com/stratum-hq/stratum-go/bench/internal/world"
)

// counts counts what does not depend on how fast the machine is: round trips and allocations, over a unix socket.
func (r *runner) counts(ctx context.Context) error {
	w, err := r.world(ctx, link.Unix)
	if err != nil {
		return err
	}
	if err := r.roundTrips(ctx, w); err != nil {
		return err
	}
	return r.allocations(ctx, w)
}

// figures are what was counted, by operation and variant.
type figures map[variant.Op]map[variant.Kind]float64

func (f figures) set(op variant.Op, kind variant.Kind, value float64) {
	if f[op] == nil {
		f[op] = map[variant.Kind]float64{}
	}
	f[op][kind] = value
}

// has reports whether a variant was counted, for compared.
func (f figures) has(op variant.Op) func(variant.Kind) bool {
	return func(kind variant.Kind) bool {
		_, ok := f[op][kind]
		return ok
	}
}

// eachAlone opens the variants one after the other on a single connection and has count count each operation, after
// the operation has been prepared.
func (r *runner) eachAlone(
	ctx context.Context, target variant.Target, ops []variant.Op, count func(v *variant.Variant, op variant.Op) error,
) error {
	target.Conns = 1
	for _, kind := range r.Variants {
		v, err := variant.Open(ctx, kind, target)
		if err != nil {
			return err
		}
		for _, op := range ops {
			if err == nil {
				err = prepareAndCount(ctx, v, op, target.World, count)
			}
		}
		if err := errors.Join(err, v.Close()); err != nil {
			return err
		}
	}
	return nil
}

func prepareAndCount(
	ctx context.Context, v *variant.Variant, op variant.Op, w *world.World,
	count func(v *variant.Variant, op variant.Op) error,
) error {
	random := newRandom()
	for range warmOps {
		if err := v.Do(ctx, op, w.PickOf(w.Big, random)); err != nil {
			return err
		}
	}
	return count(v, op)
}

// newRandom gives each variant the same sequence of rows.
func newRandom() *rand.Rand {
	return rand.New(rand.NewPCG(1, 2)) //nolint:gosec // which row is read is no secret
}
