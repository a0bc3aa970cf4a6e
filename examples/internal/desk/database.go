package desk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/examples/internal/attack"
	"github.com/stratum-hq/stratum-go/examples/internal/dataset"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// desk is the open application.
type desk struct {
	out    io.Writer
	app    App
	server *stratumtest.Server // nil with -dsn

	systemRole string // what work across tenants runs as
}

// open starts or reaches the database and makes it ready for rows.
func (p Program) open(ctx context.Context, config Config, out io.Writer) (*desk, error) {
	d := &desk{out: out}
	options, err := d.database(ctx, config)
	if err == nil {
		d.app, err = p.Open(ctx, options)
	}
	if err != nil {
		return nil, errors.Join(err, d.close(ctx))
	}
	return d, nil
}

const systemConns = 8

// database returns three logins, as a production set-up should have: one for tenants' statements, which owns nothing
// and can become nobody else; one for work across tenants; one that owns the tables. With -dsn alone all are the same.
func (d *desk) database(ctx context.Context, config Config) (core.Options, error) {
	d.systemRole = "stratum_system"
	options := core.Options{
		DSN: config.DSN, SystemDSN: config.SystemDSN, OwnerDSN: config.OwnerDSN,
		// The attempts look at all databases again and again.
		SystemMaxConns: systemConns,
		Logger:         slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	var err error
	if options.KEK, err = kek(config); err != nil || config.DSN != "" {
		return options, err
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
	if err := AllowDatabases(ctx, database); err != nil {
		return core.Options{}, err
	}
	d.printf("%s, started in %s\n", server.Source(), since(started))
	// Roles are shared by all databases of a server. These begin with the database's name, and go when it goes.
	options.RolePrefix = database.Name + "_stratum"
	options.DSN, options.SystemDSN, options.OwnerDSN = database.DSN, database.SystemDSN, database.OwnerDSN
	d.systemRole = options.RolePrefix + "_system"
	return options, nil
}

// kek is what the tenants' keys are wrapped with. A throw-away database has a throw-away key; that of another one is
// kept where no backup of the database is.
func kek(config Config) (fieldcrypt.KEK, error) {
	switch {
	case config.KEKFile != "":
		return fieldcrypt.ReadKeyfile(config.KEKFile)
	case config.DSN != "":
		return nil, nil //nolint:nilnil // an application with encrypted fields says that it is missing
	}
	return fieldcrypt.LocalKEK(fieldcrypt.NewKey())
}

// AllowDatabases lets the login that owns the tables make databases for tenants: the one right that it needs for them.
func AllowDatabases(ctx context.Context, database *stratumtest.Database) error {
	owner, err := pgx.ParseConfig(database.OwnerDSN)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, database.AdminDSN)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "ALTER ROLE "+pgx.Identifier{owner.User}.Sanitize()+" CREATEDB")
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

// close gives everything back, also when ctx has ended.
func (d *desk) close(ctx context.Context) error {
	var errs []error
	if d.app != nil {
		errs = append(errs, d.app.Close())
	}
	if d.server != nil {
		errs = append(errs, d.server.Close(ctx))
	}
	return errors.Join(errs...)
}

// attack makes all attempts of the application, and the ones that every application makes.
func (d *desk) attack(ctx context.Context, config Config) error {
	tree, err := d.tree(ctx, uuid.Nil)
	if err != nil {
		return err
	}
	scene, err := attack.NewScene(ctx, d.app.Stratum(), d.app, d.systemRole, tree)
	if errors.Is(err, attack.ErrCast) {
		return &dataset.InputError{File: "tenants.csv", Reason: err.Error()}
	}
	if err != nil {
		return err
	}
	topics, err := d.app.Topics(ctx, scene)
	if err != nil {
		return err
	}
	if config.Sabotage != nil {
		if err := config.Sabotage(ctx); err != nil {
			return err
		}
	}
	return attack.Run(ctx, scene, topics, d.out, config.Verbose)
}

// printf writes to the program's output. Where that cannot be written there is nobody to tell.
func (d *desk) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(d.out, format, args...)
}

// since is how long something took, for people.
func since(start time.Time) time.Duration { return time.Since(start).Round(10 * time.Millisecond) }
