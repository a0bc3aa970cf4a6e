package run

import (
	"context"
	"errors"
	"runtime/pprof"
	"time"
)

var errProfile = errors.New("a profile is of one variant, one link and one operation " +
	"(give -variants, -links and -ops one value each)")

// profile writes the CPU profile of one variant that does one operation.
func (r *runner) profile(ctx context.Context) (err error) {
	if len(r.Links) != 1 || len(r.Ops) != 1 || len(r.Variants) != 1 {
		return errProfile
	}
	s, err := r.open(ctx, r.Links[0])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	op := r.Ops[0]
	if err := s.warm(ctx, op); err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(r.Profile); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	n := 0
	for end := time.Now().Add(r.Time); time.Now().Before(end); n++ {
		if err := s.variants[0].Do(ctx, op, s.world.Pick(s.random)); err != nil {
			return err
		}
	}
	r.logf("%d operations in %s", n, r.Time)
	return nil
}
