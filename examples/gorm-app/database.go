package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/examples/internal/attack"
	"github.com/stratum-hq/stratum-go/examples/internal/desk"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// app is the open application.
type app struct {
	st *core.Stratum
	db *gorm.DB
}

// open is what an application of your own does, line by line. The options have three logins, as a production set-up
// should have: one for tenants' statements, one for work across tenants, and one that owns the tables.
func open(ctx context.Context, options core.Options) (_ desk.App, err error) {
	a := &app{}
	options.ConfigKeys = desk.Keys() // the settings that tenants can make
	if a.st, err = core.Open(ctx, options); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if err = a.st.Migrate(ctx); err != nil { // Stratum's own schema
		return nil, err
	}
	// Errors are returned to whoever caused them, so GORM need not log them as well.
	if a.db, err = gorm.Open(gormstratum.Open(a.st), &gorm.Config{
		Logger:         logger.Discard,
		TranslateError: true,
	}); err != nil {
		return nil, err
	}
	if err = a.db.Use(gormstratum.New(a.st, gormstratum.Options{
		Models: models(),
	})); err != nil {
		return nil, err
	}
	err = gormstratum.Migrate(ctx, a.db, gormstratum.MigrateOptions{}) // instead of a.db.AutoMigrate
	return a, err
}

// Close gives the connections back.
func (a *app) Close() error { return a.st.Close() }

// Stratum is the handle.
func (a *app) Stratum() *core.Stratum { return a.st }

// Tickets finds all tickets, for the attempts.
func (a *app) Tickets(ctx context.Context) (attack.Reached, error) {
	return find[Ticket](a.db.WithContext(ctx))
}

// ExecContext runs SQL through GORM, for the attempts.
func (a *app) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	result := a.db.WithContext(ctx).Exec(query, args...)
	return driver.RowsAffected(result.RowsAffected), result.Error
}

// QueryContext runs a query through GORM, for the attempts.
func (a *app) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return a.db.WithContext(ctx).Raw(query, args...).Rows()
}
