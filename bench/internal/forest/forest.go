package forest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/stratumtest"

	"github.com/stratum-hq/stratum-go/bench/internal/sample"
	"github.com/stratum-hq/stratum-go/bench/internal/world"
)

// Options say how large the tree is, and for how long it is measured.
type Options struct {
	// Levels is how many levels the tree has, at least MinLevels. Seven are 1,111,111 tenants. Required.
	Levels int
	// Moves is how many subtrees are moved. Required.
	Moves int
	// Time is how long ancestors are read. Required.
	Time time.Duration
	// Out is where the lines go, Log where progress and absolute figures go. Required.
	Out, Log io.Writer
}

const (
	// MinLevels leaves room for something to move, and somewhere to move it to.
	MinLevels = 4
	// subtreeLevels are those of a subtree that is moved: 11,111 tenants, where the tree is deep enough.
	subtreeLevels = 5
	// topLevel is the highest level that a subtree's top is on: it needs a parent, and that one siblings.
	topLevel = 3
)

// grove is a tree in a database.
type grove struct {
	Options
	st     *core.Stratum
	bare   *pgx.Conn // as the superuser, whom no policy stops and no role slows down
	random *rand.Rand
}

// Main is the program: it reads the flags, and runs.
func Main(ctx context.Context, args []string, out, log io.Writer) error {
	options := Options{Out: out, Log: log}
	flags := flag.NewFlagSet("tree", flag.ContinueOnError)
	flags.SetOutput(log)
	flags.IntVar(&options.Levels, "levels", 7, "levels of the tree, each ten times as wide as the one above")
	flags.IntVar(&options.Moves, "moves", 20, "how many subtrees are moved")
	flags.DurationVar(&options.Time, "time", 10*time.Second, "how long ancestors are read")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return Run(ctx, options)
}

// Run makes the tree, measures and reports. That a goal is missed is no error.
func Run(ctx context.Context, options Options) (err error) {
	if options.Levels < MinLevels || options.Moves < 1 {
		return fmt.Errorf("too little to measure (take a tree of %d levels at least, and a move)", MinLevels)
	}
	server, err := stratumtest.Start(ctx, stratumtest.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close(ctx)) }()
	database, err := server.CreateDatabase(ctx, "")
	if err != nil {
		return err
	}
	if err := world.Install(ctx, database); err != nil {
		return err
	}
	g := &grove{Options: options, random: rand.New(rand.NewPCG(1, 2))} //nolint:gosec // no secret
	started := time.Now()
	if err := load(ctx, database.AdminDSN, options.Levels); err != nil {
		return err
	}
	g.logf("%s: %d tenants, loaded in %s", server.Source(), sizeOf(options.Levels),
		time.Since(started).Round(time.Second/10))
	return g.measure(ctx, database)
}

func (g *grove) measure(ctx context.Context, database *stratumtest.Database) (err error) {
	if g.st, err = core.Open(ctx, database.Options()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.st.Close()) }()
	if g.bare, err = pgx.Connect(ctx, database.AdminDSN); err != nil {
		return fmt.Errorf("connect without Stratum: %w", err)
	}
	defer func() { err = errors.Join(err, g.bare.Close(ctx)) }()
	if err := g.ancestors(ctx); err != nil {
		return fmt.Errorf("ancestors: %w", err)
	}
	if err := g.moves(ctx); err != nil {
		return fmt.Errorf("move: %w", err)
	}
	return nil
}

// side is one of several ways to do the same.
type side struct {
	name string
	// goal is what its time should be in relation to the first side's.
	goal sample.Goal
	// times has a value for each slice, in microseconds.
	times []float64
}

// report prints every side but the first, which is the baseline.
func (g *grove) report(what string, sides []side) {
	for _, s := range sides {
		g.logf("%s/%s: %.0f us, median of %d", what, s.name, sample.Median(s.times), len(s.times))
	}
	for _, s := range sides[1:] {
		ratio := sample.PairedRatio(s.times, sides[0].times)
		_, _ = fmt.Fprintln(g.Out, sample.Line{Name: what + "/" + s.name, Value: ratio, Goal: s.goal})
	}
}

// timed returns how many microseconds do takes.
func timed(do func() error) (float64, error) {
	from := time.Now()
	err := do()
	return float64(time.Since(from).Nanoseconds()) / 1e3, err
}

func (g *grove) logf(format string, args ...any) {
	_, _ = fmt.Fprintf(g.Log, format+"\n", args...) // whoever has closed it wants no more
}
