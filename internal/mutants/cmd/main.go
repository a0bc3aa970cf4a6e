// Command cmd removes the refusals of the guard and of the plugin one by one and runs the tests that are named for them
// in internal/mutants/refusals.txt; see package mutants. It must be run in the root of the module:
//
//	go run ./internal/mutants/cmd            # all of them: exits 1 if one survives
//	go run ./internal/mutants/cmd -list      # prints the refusals and does nothing
//	go run ./internal/mutants/cmd -only conn # those whose key contains the text
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/stratum-hq/stratum-go/internal/mutants"
)

func main() {
	//nolint:forbidigo // a program's main has no context to pass on
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	only := flags.String("only", "", "only refusals whose key contains this text")
	list := flags.Bool("list", false, "print the refusals and do nothing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	refusals, entries, err := mutants.Load(root)
	if err != nil {
		return err
	}
	chosen := make([]mutants.Refusal, 0, len(refusals))
	for _, r := range refusals {
		if strings.Contains(r.Key(), *only) {
			chosen = append(chosen, r)
		}
	}
	if *list {
		for _, r := range chosen {
			condition := strings.Join(strings.Fields(r.Condition), " ")
			if _, err := fmt.Fprintf(out, "%s\t%d\t%s\n", r.Key(), r.Line, condition); err != nil {
				return err
			}
		}
		return nil
	}
	if err := errors.Join(mutants.Compare(refusals, entries), mutants.CheckTests(root, entries)); err != nil {
		return err
	}
	return mutants.Run(ctx, mutants.Config{Root: root, Refusals: chosen, Entries: entries, Out: out})
}
