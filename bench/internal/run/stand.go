package run

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stratum-hq/stratum-go/bench/internal/link"
	"github.com/stratum-hq/stratum-go/bench/internal/sample"
	"github.com/stratum-hq/stratum-go/bench/internal/variant"
	"github.com/stratum-hq/stratum-go/bench/internal/world"
)

// stand is a link with the variants connected through it.
type stand struct {
	kind     link.Kind
	world    *world.World
	variants []*variant.Variant
	link     *link.Link
	random   *rand.Rand
	slice    time.Duration
	workers  int
}

// open connects the variants by a kind of link, except those that are unsafe on it.
func (r *runner) open(ctx context.Context, kind link.Kind) (*stand, error) {
	w, err := r.world(ctx, kind)
	if err != nil {
		return nil, err
	}
	way, err := link.Open(ctx, kind, w.Database, r.Workers)
	if err != nil {
		return nil, err
	}
	s := &stand{
		kind: kind, world: w, link: way, slice: r.Slice, workers: r.Workers,
		random: rand.New(rand.NewPCG(1, 2)), //nolint:gosec // the order of work is no secret
	}
	for _, name := range r.Variants {
		if kind.Pooled() && name.NeedsSession() {
			r.logf("%s: %s is left out: behind a pooler in transaction mode it reads other tenants' rows", kind, name)
			continue
		}
		v, err := variant.Open(ctx, name, s.target(r.Workers))
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		s.variants = append(s.variants, v)
	}
	return s, nil
}

func (s *stand) target(conns int) variant.Target {
	return variant.Target{World: s.world, DSN: s.link.DSN, SystemDSN: s.link.SystemDSN, Conns: conns}
}

func (s *stand) close() error {
	var errs []error
	for _, v := range s.variants {
		errs = append(errs, v.Close())
	}
	return errors.Join(append(errs, s.link.Close())...)
}

// warmOps is how often each worker does an operation before it counts: PostgreSQL plans a prepared statement anew five
// times before it keeps a plan.
const warmOps = 12

// warm has every connection of every variant prepare what the operation needs.
func (s *stand) warm(ctx context.Context, op variant.Op) error {
	for _, v := range s.variants {
		if err := s.together(ctx, func(ctx context.Context, random *rand.Rand) error {
			for range warmOps {
				if err := v.Do(ctx, op, s.world.Pick(random)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// together runs work on all workers at once.
func (s *stand) together(ctx context.Context, work func(ctx context.Context, random *rand.Rand) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for range s.workers {
		random := rand.New(rand.NewPCG(s.random.Uint64(), 0)) //nolint:gosec // which row is read is no secret
		group.Go(func() error { return work(ctx, random) })
	}
	return group.Wait()
}

// turns has each variant do its part by turns until the time is over.
func (s *stand) turns(ctx context.Context, length time.Duration, part func(v *variant.Variant) error) error {
	return sample.Turns(ctx, s.random, len(s.variants), length, func(i int) error { return part(s.variants[i]) })
}
