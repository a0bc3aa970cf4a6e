package run

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/stratum-hq/stratum-go/bench/internal/link"
	"github.com/stratum-hq/stratum-go/bench/internal/variant"
)

// given are the flags.
type given struct {
	links, ops, variants string
	seconds              float64
	workers              int
	counts               bool
	profile              string
}

var errFlags = errors.New("flags")

// Main is the program: it reads the flags, measures and reports. It fails where something could not be measured, not
// where a goal is missed.
func Main(ctx context.Context, args []string, out, log io.Writer) error {
	given, err := parse(args, log)
	if err != nil {
		return err
	}
	options := given.options(out, log)
	if given.profile == "" {
		return Run(ctx, options)
	}
	file, err := os.Create(given.profile)
	if err != nil {
		return err
	}
	options.Profile = file
	return errors.Join(Run(ctx, options), file.Close())
}

// parse reads the flags. Those that are left out measure everything.
func parse(args []string, log io.Writer) (given, error) {
	var g given
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(log)
	flags.StringVar(&g.links, "links", join(link.Kinds()), "ways to the server")
	flags.StringVar(&g.ops, "ops", join(variant.Ops()), "operations")
	flags.StringVar(&g.variants, "variants", join(variant.Kinds()), "variants; their baselines are added")
	flags.Float64Var(&g.seconds, "seconds", 12, "how long each operation is measured on each link")
	flags.IntVar(&g.workers, "workers", 8, "how many work at once where throughput is measured")
	flags.BoolVar(&g.counts, "counts", true, "count allocations and round trips, too")
	flags.StringVar(&g.profile, "cpuprofile", "", "write the CPU profile of one variant, operation and link "+
		"to this file, instead of measuring")
	if err := flags.Parse(args); err != nil {
		return g, err
	}
	return g, g.check(flags.NArg())
}

func (g given) check(arguments int) error {
	switch {
	case arguments > 0:
		return fmt.Errorf("%w: arguments without a flag (see -help)", errFlags)
	case g.seconds <= 0 || g.workers < 1:
		return fmt.Errorf("%w: -seconds and -workers must be positive", errFlags)
	}
	return errors.Join(
		known("links", g.links, link.Kinds()),
		known("ops", g.ops, variant.Ops()),
		known("variants", g.variants, variant.Kinds()),
	)
}

func (g given) options(out, log io.Writer) Options {
	return Options{
		Links: split[link.Kind](g.links), Ops: split[variant.Op](g.ops), Variants: split[variant.Kind](g.variants),
		Time: time.Duration(g.seconds * float64(time.Second)), Workers: g.workers, Counts: g.counts,
		Out: out, Log: log,
	}
}

func join[T ~string](values []T) string {
	words := make([]string, len(values))
	for i, value := range values {
		words[i] = string(value)
	}
	return strings.Join(words, ",")
}

func split[T ~string](list string) []T {
	var values []T
	for word := range strings.SplitSeq(list, ",") {
		values = append(values, T(strings.TrimSpace(word)))
	}
	return values
}

// known refuses a list with a word that is none of values.
func known[T ~string](name, list string, values []T) error {
	for _, value := range split[T](list) {
		if !slices.Contains(values, value) {
			return fmt.Errorf("%w: -%s: %q is none of %s", errFlags, name, value, join(values))
		}
	}
	return nil
}
