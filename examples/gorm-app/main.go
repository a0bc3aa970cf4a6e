package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1 // an attempt succeeded, or something went wrong
	exitInput  = 2 // wrong flags or wrong input files
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program; it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	config, err := parseFlags(args, stderr)
	if err != nil {
		return exitCode(err) // the flag package has said what is wrong
	}
	err = runDesk(ctx, config, stdout)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "gorm-app:", err)
	}
	return exitCode(err)
}

// runDesk reads the files before it opens the database, so that wrong input is found at once.
func runDesk(ctx context.Context, config config, out io.Writer) error {
	data, err := readDataset(config.files())
	if err != nil {
		return err
	}
	d, err := openDesk(ctx, config, out)
	if err != nil {
		return err
	}
	return errors.Join(d.work(ctx, config, data), d.close(ctx))
}

// work loads the data and then does what the flags ask for.
func (d *desk) work(ctx context.Context, config config, data *dataset) error {
	if err := d.load(ctx, data); err != nil {
		return err
	}
	if config.serve {
		return d.serve(ctx, config.addr)
	}
	if err := d.report(ctx); err != nil {
		return err
	}
	return d.attack(ctx, config)
}

// exitCode is the exit status for an error of parseFlags or runDesk.
func exitCode(err error) int {
	var input *inputError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.As(err, &input), errors.Is(err, errFlags):
		return exitInput
	}
	return exitFailed
}
