package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// embedded are the CSV files in this folder, so that the program runs from anywhere.
//
//go:embed data/*.csv
var embedded embed.FS

// errFlags is returned for a command line that makes no sense.
var errFlags = errors.New("wrong flags")

// config is what the command line says.
type config struct {
	dataDir   string
	dsn       string
	systemDSN string
	ownerDSN  string
	serve     bool
	addr      string
	verbose   bool

	// sabotage takes a protection away before the attempts: the tests make sure that its loss is noticed.
	sabotage func(ctx context.Context) error
}

const usage = `Usage: gorm-app [flags]

Loads a ticket desk with many tenants, prints a report for each, and tries to reach one tenant's rows as another.
Without flags it starts a PostgreSQL of its own, which is gone at the end.

`

// parseFlags reads the command line. What is wrong with it has been written to stderr when it returns an error.
func parseFlags(args []string, stderr io.Writer) (config, error) {
	var c config
	flags := flag.NewFlagSet("gorm-app", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		_, _ = fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&c.dataDir, "data", "", "read the CSV files in this `folder` instead of the built-in ones")
	flags.StringVar(&c.dsn, "dsn", "", "use the database at this `URL` instead of a throw-away one")
	flags.StringVar(&c.systemDSN, "system-dsn", "", "with -dsn: the `URL` of the login for work across tenants")
	flags.StringVar(&c.ownerDSN, "owner-dsn", "", "with -dsn: the `URL` of the login that owns the tables")
	flags.BoolVar(&c.serve, "serve", false, "serve the desk over HTTP instead of reporting and attacking")
	flags.StringVar(&c.addr, "addr", "127.0.0.1:8080", "with -serve: the `address` to listen on")
	flags.BoolVar(&c.verbose, "v", false, "print refusals in full, with their cures")
	if err := flags.Parse(args); err != nil {
		return c, errors.Join(errFlags, err)
	}
	if err := c.check(flags.NArg()); err != nil {
		_, _ = fmt.Fprintln(stderr, "gorm-app:", err)
		return c, err
	}
	return c, nil
}

func (c config) check(arguments int) error {
	switch {
	case arguments > 0:
		return fmt.Errorf("%w: it takes no arguments (gorm-app -h lists the flags)", errFlags)
	case c.dsn == "" && (c.systemDSN != "" || c.ownerDSN != ""):
		return fmt.Errorf("%w: -system-dsn and -owner-dsn go with -dsn", errFlags)
	}
	return nil
}

// files is where the CSV files are.
func (c config) files() fs.FS {
	if c.dataDir != "" {
		return os.DirFS(c.dataDir)
	}
	data, err := fs.Sub(embedded, "data")
	if err != nil {
		panic(err) // the folder's name is a constant
	}
	return data
}
