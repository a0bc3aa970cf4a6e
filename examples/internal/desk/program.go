package desk

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/examples/internal/attack"
	"github.com/stratum-hq/stratum-go/examples/internal/dataset"
)

// Exit statuses.
const (
	ExitOK     = 0
	ExitFailed = 1 // an attempt succeeded, or something went wrong
	ExitInput  = 2 // wrong flags or wrong input files
)

// Program is an example.
type Program struct {
	// Name is the command's.
	Name string
	// Open makes the database at options ready for rows.
	Open func(ctx context.Context, options core.Options) (App, error)
}

// App is the desk in one ORM. What a method reads and writes is the tenant's of its ctx, and no method names one.
type App interface {
	attack.ORM

	// Stratum is the handle that the application works with.
	Stratum() *core.Stratum
	// LoadCountries writes a global table, and leaves countries that are there as they are.
	LoadCountries(ctx context.Context, countries []dataset.Country) error
	// LoadRows writes the rows of the tenant of ctx, all or none, and reports whether it has: rows that are there are
	// left as they are.
	LoadRows(ctx context.Context, rows *dataset.Rows) (bool, error)
	// Summarise counts in the scope of ctx.
	Summarise(ctx context.Context) (Summary, error)
	// Next is the next version of the tables, which have a column more, and what it brings.
	Next(ctx context.Context) (title string, next core.Migrations, err error)
	// Handler serves the desk over HTTP.
	Handler() http.Handler
	// Topics are all attempts.
	Topics(ctx context.Context, s *attack.Scene) ([]attack.Topic, error)
	// Close gives everything back.
	Close() error
}

// Main runs the program and exits.
func (p Program) Main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := p.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Run is the whole program; it returns the exit status.
func (p Program) Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	config, err := p.parseFlags(args, stderr)
	if err != nil {
		return ExitCode(err) // the flag package has said what is wrong
	}
	err = p.RunConfig(ctx, config, stdout)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", p.Name, err)
	}
	return ExitCode(err)
}

// RunConfig reads the files before it opens the database, so that wrong input is found at once.
func (p Program) RunConfig(ctx context.Context, config Config, out io.Writer) error {
	data, err := dataset.Read(dataset.Files(config.DataDir))
	if err != nil {
		return err
	}
	d, err := p.open(ctx, config, out)
	if err != nil {
		return err
	}
	return errors.Join(d.work(ctx, config, data), d.close(ctx))
}

// work loads the data and then does what the flags ask for.
func (d *desk) work(ctx context.Context, config Config, data *dataset.Dataset) error {
	if err := d.load(ctx, data); err != nil {
		return err
	}
	if err := d.migrate(ctx); err != nil {
		return err
	}
	if config.Serve {
		return d.serve(ctx, config.Addr)
	}
	if err := d.configure(ctx); err != nil {
		return err
	}
	if err := d.report(ctx); err != nil {
		return err
	}
	if err := d.showField(ctx); err != nil {
		return err
	}
	return d.attack(ctx, config)
}

// ExitCode is the exit status for an error of RunConfig.
func ExitCode(err error) int {
	var input *dataset.InputError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return ExitOK
	case errors.As(err, &input), errors.Is(err, errFlags):
		return ExitInput
	}
	return ExitFailed
}
