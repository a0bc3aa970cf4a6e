package desk

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
)

// errFlags is returned for a command line that makes no sense.
var errFlags = errors.New("wrong flags")

// Config is what the command line says.
type Config struct {
	DataDir   string
	DSN       string
	SystemDSN string
	OwnerDSN  string
	KEKFile   string
	Serve     bool
	Addr      string
	Verbose   bool

	// Sabotage takes a protection away before the attempts: the tests make sure that its loss is noticed.
	Sabotage func(ctx context.Context) error
}

const usage = `Usage: %s [flags]

Loads a ticket desk with many tenants, prints a report for each, and tries to reach one tenant's rows as another.
Without flags it starts a PostgreSQL of its own, which is gone at the end.

`

// parseFlags reads the command line. What is wrong with it has been written to stderr when it returns an error.
func (p Program) parseFlags(args []string, stderr io.Writer) (Config, error) {
	var c Config
	flags := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		_, _ = fmt.Fprintf(stderr, usage, p.Name)
		flags.PrintDefaults()
	}
	flags.StringVar(&c.DataDir, "data", "", "read the CSV files in this `folder` instead of the built-in ones")
	flags.StringVar(&c.DSN, "dsn", "", "use the database at this `URL` instead of a throw-away one")
	flags.StringVar(&c.SystemDSN, "system-dsn", "", "with -dsn: the `URL` of the login for work across tenants")
	flags.StringVar(&c.OwnerDSN, "owner-dsn", "", "with -dsn: the `URL` of the login that owns the tables")
	flags.StringVar(&c.KEKFile, "kek-file", "", "with -dsn: the `file` with the key of the tenants' keys, for "+
		"encrypted fields")
	flags.BoolVar(&c.Serve, "serve", false, "serve the desk over HTTP instead of reporting and attacking")
	flags.StringVar(&c.Addr, "addr", "127.0.0.1:8080", "with -serve: the `address` to listen on")
	flags.BoolVar(&c.Verbose, "v", false, "print refusals in full, with their cures")
	if err := flags.Parse(args); err != nil {
		return c, errors.Join(errFlags, err)
	}
	if err := c.check(p.Name, flags.NArg()); err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", p.Name, err)
		return c, err
	}
	return c, nil
}

func (c Config) check(name string, arguments int) error {
	switch {
	case arguments > 0:
		return fmt.Errorf("%w: it takes no arguments (%s -h lists the flags)", errFlags, name)
	case c.DSN == "" && (c.SystemDSN != "" || c.OwnerDSN != ""):
		return fmt.Errorf("%w: -system-dsn and -owner-dsn go with -dsn", errFlags)
	}
	return nil
}
