package places

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/stratum-hq/stratum-go/bench/internal/link"
	"github.com/stratum-hq/stratum-go/bench/internal/sample"
)

// Options say how much there is, and for how long it is measured.
type Options struct {
	// Links are the ways to the server, link.TCP and link.Unix. Required.
	Links []link.Kind
	// Rows is how many rows each tenant has that is measured. Required.
	Rows int
	// Time is how long each operation of each kind of tenant is measured by each link. Required.
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
	links := flags.String("links", "tcp,unix", "ways to the server")
	flags.IntVar(&options.Rows, "rows", 2000, "rows of each tenant that is measured")
	flags.DurationVar(&options.Time, "time", 4*time.Second,
		"how long each operation is measured for each kind of tenant")
	flags.IntVar(&options.Databases, "databases", 15, "how many databases are made each way")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for name := range strings.SplitSeq(*links, ",") {
		options.Links = append(options.Links, link.Kind(name))
	}
	return Run(ctx, options)
}

// bench is one run.
type bench struct {
	Options
	random *rand.Rand
}

// Run measures and reports. That a goal is missed is no error.
func Run(ctx context.Context, options Options) error {
	other := func(k link.Kind) bool { return k != link.TCP && k != link.Unix }
	if len(options.Links) == 0 || slices.ContainsFunc(options.Links, other) {
		return errors.New("unknown links (take tcp, unix or both)")
	}
	if options.Rows < 1 || options.Databases < 1 || options.Time <= 0 {
		return errors.New("too little to measure (take a row and a database at least, and some time)")
	}
	b := &bench{Options: options, random: rand.New(rand.NewPCG(1, 2))} //nolint:gosec // the order of work is no secret
	for i, kind := range options.Links {
		if err := b.by(ctx, kind, i == 0); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

// by measures on a server of its own that is reached by this link.
func (b *bench) by(ctx context.Context, kind link.Kind, provision bool) (err error) {
	w, err := start(ctx, kind, b.Rows)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close(ctx)) }()
	b.logf("%s, %s: a tenant of each kind with %d rows", w.server.Source(), kind, b.Rows)
	if err := b.routing(ctx, w); err != nil {
		return fmt.Errorf("routing: %w", err)
	}
	if !provision {
		return nil
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
