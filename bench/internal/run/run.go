package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/stratum-hq/stratum-go/bench/internal/link"
	"github.com/stratum-hq/stratum-go/bench/internal/variant"
	"github.com/stratum-hq/stratum-go/bench/internal/world"
)

// Options say what to measure and for how long.
type Options struct {
	// Links, Ops and Variants are what is measured. The baselines of Variants are added. Required.
	Links    []link.Kind
	Ops      []variant.Op
	Variants []variant.Kind
	// Time is how long each operation is measured on each link, two thirds of it with one worker. Required.
	Time time.Duration
	// Slice is how long one variant is measured at a stretch. Several workers go on for five times
	// that. Defaults to 10 ms.
	Slice time.Duration
	// Workers is how many work at once where throughput is measured. Defaults to 8.
	Workers int
	// Counts has allocations and round trips counted, too.
	Counts bool
	// Repeats is how often an operation is done while its allocations are counted. Defaults to 100.
	Repeats int
	// Size is how much there is in the database. Defaults to world.Default.
	Size world.Size
	// Out is where the lines go, Log where progress and absolute figures go. Required.
	Out, Log io.Writer
	// Profile is where the CPU profile of the one variant of Variants goes, on the first link and operation, instead
	// of measuring. Defaults to nil: no profile.
	Profile io.Writer
}

const (
	defaultSlice   = 10 * time.Millisecond
	defaultWorkers = 8
	defaultRepeats = 100
)

func (o Options) withDefaults() Options {
	if o.Slice == 0 {
		o.Slice = defaultSlice
	}
	if o.Workers == 0 {
		o.Workers = defaultWorkers
	}
	if o.Repeats == 0 {
		o.Repeats = defaultRepeats
	}
	if o.Size == (world.Size{}) {
		o.Size = world.Default()
	}
	for _, kind := range o.Variants {
		if !slices.Contains(o.Variants, kind.Baseline()) && o.Profile == nil {
			o.Variants = append(slices.Clone(o.Variants), kind.Baseline())
		}
	}
	if !slices.Contains(o.Variants, variant.SearchPath) {
		o.Size.Schemas = 0 // they take some seconds to make
	}
	return o
}

// runner is one run. It keeps a server for each of the two ways to listen, once it is needed.
type runner struct {
	Options
	worlds map[bool]*world.World // by whether it listens on TCP
}

// Run measures and reports. That a goal is missed is no error.
func Run(ctx context.Context, options Options) (err error) {
	r := &runner{Options: options.withDefaults(), worlds: map[bool]*world.World{}}
	defer func() {
		for _, w := range r.worlds {
			err = errors.Join(err, w.Close(ctx))
		}
	}()
	if r.Profile != nil {
		return r.profile(ctx)
	}
	for _, kind := range r.Links {
		if err := r.measure(ctx, kind); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	if !r.Counts {
		return nil
	}
	return r.counts(ctx)
}

// world returns the server for a kind of link, filled.
func (r *runner) world(ctx context.Context, kind link.Kind) (*world.World, error) {
	tcp := kind == link.TCP
	if w, ok := r.worlds[tcp]; ok {
		return w, nil
	}
	started := time.Now()
	w, err := world.Start(ctx, tcp, r.Size)
	if err != nil {
		return nil, err
	}
	r.worlds[tcp] = w
	r.logf("%s: %d tenants, %d rows, filled in %s", w.Source(), r.Size.Tenants,
		(r.Size.Tenants-1)*r.Size.Rows+r.Size.BigRows, time.Since(started).Round(time.Second/10))
	return w, nil
}

// measure does all operations on one link.
func (r *runner) measure(ctx context.Context, kind link.Kind) (err error) {
	s, err := r.open(ctx, kind)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, op := range r.Ops {
		if err := s.warm(ctx, op); err != nil {
			return err
		}
		times, err := s.latency(ctx, op, r.Time*2/3)
		if err != nil {
			return err
		}
		r.reportLatency(s, op, times)
		rates, err := s.throughput(ctx, op, r.Time/3)
		if err != nil {
			return err
		}
		r.reportThroughput(s, op, rates)
	}
	return nil
}

func (r *runner) logf(format string, args ...any) {
	_, _ = fmt.Fprintf(r.Log, format+"\n", args...) // whoever has closed it wants no more
}
