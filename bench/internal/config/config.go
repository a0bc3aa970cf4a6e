package config

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/stratum-hq/stratum-go/bench/internal/sample"
)

// Options say how much there is, and for how long it is measured.
type Options struct {
	// Levels is how deep the tenant is that is asked for, and Keys how many each tenant above it has set. Required.
	Levels, Keys int
	// Time is how long each comparison takes. Required.
	Time time.Duration
	// Changes is how many changes are followed to another process. Required.
	Changes int
	// Out is where the lines go, Log where progress and absolute figures go. Required.
	Out, Log io.Writer
}

// The goals: ratios, nanoseconds and numbers of allocations.
const (
	coldGoal   = 3
	cachedGoal = 100
	pinnedGoal = 20
	changeGoal = 1.5
)

// Main is the program: it reads the flags, and runs.
func Main(ctx context.Context, args []string, out, log io.Writer) error {
	options := Options{Out: out, Log: log}
	flags := flag.NewFlagSet("config", flag.ContinueOnError)
	flags.SetOutput(log)
	flags.IntVar(&options.Levels, "levels", 8, "levels of tenants")
	flags.IntVar(&options.Keys, "keys", 100, "keys that each tenant has set")
	flags.DurationVar(&options.Time, "time", 5*time.Second, "how long each comparison takes")
	flags.IntVar(&options.Changes, "changes", 1000, "changes that are followed to another process")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return Run(ctx, options)
}

// bench is one run.
type bench struct {
	Options
	random *rand.Rand
}

// Run measures and reports. That a goal is missed is no error.
func Run(ctx context.Context, options Options) (err error) {
	if options.Levels < 1 || options.Keys < 1 || options.Time <= 0 || options.Changes < 1 {
		return errors.New("too little to measure (take a level, a key and a change at least, and some time)")
	}
	b := &bench{Options: options, random: rand.New(rand.NewPCG(1, 2))} //nolint:gosec // the order of work is no secret
	w, err := start(ctx, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close(ctx)) }()
	b.logf("%s: %d keys on each of %d levels", w.server.Source(), options.Keys, options.Levels)
	for _, part := range []func(context.Context, *world) error{b.cold, b.memory, b.changes} {
		if err := part(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) line(name string, value float64, goal sample.Goal) {
	_, _ = fmt.Fprintln(b.Out, sample.Line{Name: name, Value: value, Goal: goal})
}

func (b *bench) logf(format string, args ...any) {
	_, _ = fmt.Fprintf(b.Log, format+"\n", args...) // whoever has closed it wants no more
}
