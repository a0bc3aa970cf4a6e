package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// desk is the open application.
type desk struct {
	out    io.Writer
	st     *core.Stratum
	db     *gorm.DB
	server *stratumtest.Server // nil with -dsn

	systemRole string // what work across tenants runs as
}

// openDesk starts or reaches the database and makes it ready for rows.
func openDesk(ctx context.Context, config config, out io.Writer) (*desk, error) {
	d := &desk{out: out}
	options, err := d.database(ctx, config)
	if err == nil {
		err = d.open(ctx, options)
	}
	if err != nil {
		return nil, errors.Join(err, d.close(ctx))
	}
	return d, nil
}

// open is what an application of your own does, line by line.
func (d *desk) open(ctx context.Context, options core.Options) (err error) {
	options.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if d.st, err = core.Open(ctx, options); err != nil {
		return err
	}
	if err = d.st.Migrate(ctx); err != nil { // Stratum's own schema
		return err
	}
	// Errors are returned to whoever caused them, so GORM need not log them as well.
	if d.db, err = gorm.Open(gormstratum.Open(d.st), &gorm.Config{
		Logger:         logger.Discard,
		TranslateError: true,
	}); err != nil {
		return err
	}
	if err = d.db.Use(gormstratum.New(d.st, gormstratum.Options{
		Models: models(),
	})); err != nil {
		return err
	}
	return gormstratum.Migrate(ctx, d.db, gormstratum.MigrateOptions{}) // instead of d.db.AutoMigrate
}

// database returns three logins, as a production set-up should have: one for tenants' statements, which owns nothing
// and can become nobody else; one for work across tenants; one that owns the tables. With -dsn alone all are the same.
func (d *desk) database(ctx context.Context, config config) (core.Options, error) {
	d.systemRole = "stratum_system"
	if config.dsn != "" {
		return core.Options{DSN: config.dsn, SystemDSN: config.systemDSN, OwnerDSN: config.ownerDSN}, nil
	}
	started := time.Now()
	server, err := stratumtest.Start(ctx, stratumtest.Options{})
	if err != nil {
		return core.Options{}, err
	}
	d.server = server
	database, err := server.CreateDatabase(ctx, "")
	if err != nil {
		return core.Options{}, err
	}
	d.printf("%s, started in %s\n", server.Source(), since(started))
	// Roles are shared by all databases of a server. These begin with the database's name, and go when it goes.
	prefix := database.Name + "_stratum"
	d.systemRole = prefix + "_system"
	return core.Options{
		DSN: database.DSN, SystemDSN: database.SystemDSN, OwnerDSN: database.OwnerDSN, RolePrefix: prefix,
	}, nil
}

// close gives everything back, also when ctx has ended.
func (d *desk) close(ctx context.Context) error {
	var errs []error
	if d.st != nil {
		errs = append(errs, d.st.Close())
	}
	if d.server != nil {
		errs = append(errs, d.server.Close(ctx))
	}
	return errors.Join(errs...)
}

// printf writes to the program's output. Where that cannot be written there is nobody to tell.
func (d *desk) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(d.out, format, args...)
}

// since is how long something took, for people.
func since(start time.Time) time.Duration { return time.Since(start).Round(10 * time.Millisecond) }
