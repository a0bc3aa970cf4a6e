package main

import (
	"context"
	"database/sql"
	"errors"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent"
	_ "github.com/stratum-hq/stratum-go/examples/ent-app/ent/runtime" // the hooks and policies of the schemas
	"github.com/stratum-hq/stratum-go/examples/internal/attack"
	"github.com/stratum-hq/stratum-go/examples/internal/desk"
)

// app is the open application. One client serves every tenant.
type app struct {
	st     *core.Stratum
	client *ent.Client
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
	a.client = ent.OpenStratum(a.st)
	err = ent.StratumMigrate(ctx, a.client) // instead of a.client.Schema.Create
	return a, err
}

// Close gives the connections back.
func (a *app) Close() error { return a.st.Close() }

// Stratum is the handle.
func (a *app) Stratum() *core.Stratum { return a.st }

// Tickets finds all tickets, for the attempts.
func (a *app) Tickets(ctx context.Context) (attack.Reached, error) {
	return tickets(a.client.Ticket.Query().All(ctx))
}

// ExecContext runs SQL through ent, for the attempts.
func (a *app) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return a.client.ExecContext(ctx, query, args...)
}

// QueryContext runs a query through ent, for the attempts.
func (a *app) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return a.client.QueryContext(ctx, query, args...)
}

// inTx runs fn in a transaction, which belongs to the tenant of ctx. It is committed unless fn fails.
func inTx(ctx context.Context, client *ent.Client, fn func(tx *ent.Client) error) error {
	tx, err := client.Tx(ctx)
	if err != nil {
		return err
	}
	if err := fn(tx.Client()); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
