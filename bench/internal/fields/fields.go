package fields

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/stratum-hq/stratum-go/bench/internal/sample"
)

// Options say for how long it is measured.
type Options struct {
	// Time is how long each operation is measured for each size. Required.
	Time time.Duration
	// Out is where the lines go, Log where absolute figures go. Required.
	Out, Log io.Writer
}

// Main is the program: it reads the flags, and runs.
func Main(ctx context.Context, args []string, out, log io.Writer) error {
	options := Options{Out: out, Log: log}
	flags := flag.NewFlagSet("fields", flag.ContinueOnError)
	flags.SetOutput(log)
	flags.DurationVar(&options.Time, "time", 3*time.Second, "how long each operation is measured for each size")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return Run(ctx, options)
}

// perTurn is how many times an operation is done in a row.
const perTurn = 200

// goals are ratios to the standard library's, by size in bytes.
func sealGoal(size int) sample.Goal {
	if size >= 4096 {
		return sample.AtMost(1.1)
	}
	return sample.AtMost(1.6)
}

func openGoal(size int) sample.Goal {
	switch {
	case size >= 4096:
		return sample.AtMost(1.05)
	case size >= 256:
		return sample.AtMost(1.4)
	default:
		return sample.AtMost(1.6)
	}
}

// bench is one run.
type bench struct {
	Options
	random *rand.Rand
}

// Run measures and reports. That a goal is missed is no error.
func Run(ctx context.Context, options Options) (err error) {
	if options.Time <= 0 {
		return errors.New("too little to measure (take some time)")
	}
	b := &bench{Options: options, random: rand.New(rand.NewPCG(1, 2))} //nolint:gosec // the order of work is no secret
	w, err := start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close(ctx)) }()
	for _, size := range []int{32, 256, 4096} {
		subjects, err := w.subjects(ctx, size)
		if err != nil {
			return err
		}
		err = errors.Join(
			b.compare(ctx, fmt.Sprintf("fields/seal/%d", size), sealGoal(size), pick(subjects, "seal")),
			b.compare(ctx, fmt.Sprintf("fields/open/%d", size), openGoal(size), pick(subjects, "open")),
		)
		if err != nil {
			return err
		}
	}
	index, err := w.indexes(ctx)
	if err != nil {
		return err
	}
	return b.compare(ctx, "fields/index", sample.AtMost(1.3), index)
}

// operation is one of a subject's.
type operation struct {
	name string
	goal bool // whether the goal is this one's
	run  func() error
}

// compare runs operations in turns, and reports each as a ratio to the first.
func (b *bench) compare(ctx context.Context, name string, goal sample.Goal, operations []operation) error {
	times := make([][]float64, len(operations))
	err := sample.Turns(ctx, b.random, len(operations), b.Time, func(i int) error {
		begun := time.Now()
		for range perTurn {
			if err := operations[i].run(); err != nil {
				return fmt.Errorf("%s/%s: %w", name, operations[i].name, err)
			}
		}
		times[i] = append(times[i], float64(time.Since(begun).Nanoseconds())/perTurn)
		return nil
	})
	if err != nil {
		return err
	}
	for i, o := range operations {
		_, _ = fmt.Fprintf(b.Log, "%s/%s: %.0f ns, %.2f allocations\n", name, o.name, sample.Median(times[i]),
			allocations(o))
		if i == 0 {
			continue
		}
		own := sample.Goal{}
		if o.goal {
			own = goal
		}
		_, _ = fmt.Fprintln(b.Out, sample.Line{
			Name: name + "/" + o.name, Value: sample.PairedRatio(times[i], times[0]), Goal: own,
		})
		if o.goal {
			_, _ = fmt.Fprintln(b.Out, sample.Line{
				Name: name + "/" + o.name + "/allocations", Value: allocations(o), Goal: sample.Exactly(0),
			})
		}
	}
	return nil
}

// allocations are those of one operation.
func allocations(o operation) float64 {
	const runs = 1000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		_ = o.run() // it was run before
	}
	runtime.ReadMemStats(&after)
	// What else the process does now and then is not counted.
	return float64((after.Mallocs - before.Mallocs) / runs)
}
