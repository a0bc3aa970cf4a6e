package places

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
	// Rows is how many rows each tenant has that is measured. Required.
	Rows int
	// Time is how long each operation of each kind of tenant is measured. Required.
	Time time.Duration
	// Databases is how many databases are made each way. Required.
	Databases int
	// Out is where the lines go, Log where progress and absolute figures go. Required.
	Out, Log io.Writer
}

// The goals, as ratios to doing it by hand.
const (
	routingGoal   = 1.25
	provisionGoal = 1.30
)

// Main is the program: it reads the flags, and runs.
func Main(ctx context.Context, args []string, out, log io.Writer) error {
	options := Options{Out: out, Log: log}
	flags := flag.NewFlagSet("places", flag.ContinueOnError)
	flags.SetOutput(log)
	flags.IntVar(&options.Rows, "rows", 2000, "rows of each tenant that is measured")
	flags.DurationVar(&options.Time, "time", 4*time.Second,
		"how long each operation is measured for each kind of tenant")
	flags.IntVar(&options.Databases, "databases", 15, "how many databases are made each way")
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
	if options.Rows < 1 || options.Databases < 1 || options.Time <= 0 {
		return errors.New("too little to measure (take a row and a database at least, and some time)")
	}
	b := &bench{Options: options, random: rand.New(rand.NewPCG(1, 2))} //nolint:gosec // the order of work is no secret
	w, err := start(ctx, options.Rows)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close(ctx)) }()
	b.logf("%s: a tenant of each kind with %d rows", w.server.Source(), options.Rows)
	if err := b.routing(ctx, w); err != nil {
		return fmt.Errorf("routing: %w", err)
	}
	if err := b.provision(ctx, w); err != nil {
		return fmt.Errorf("provisioning: %w", err)
	}
	return nil
}

func (b *bench) line(name string, ratio float64, goal sample.Goal) {
	_, _ = fmt.Fprintln(b.Out, sample.Line{Name: name, Value: ratio, Goal: goal})
}

func (b *bench) logf(format string, args ...any) {
	_, _ = fmt.Fprintf(b.Log, format+"\n", args...) // whoever has closed it wants no more
}
