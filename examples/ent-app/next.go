package main

import (
	"context"
	"embed"

	"github.com/stratum-hq/stratum-go/core"
)

// migrations are files for goose, as ent's versioned migrations write them. Names of tables in them have no schema:
// each file runs in the shared tables, in each schema and in each database by itself.
//
//go:embed migrations/*.sql
var migrations embed.FS

// Next is what the next version of the program does at its start. ent.StratumMigrations would do as well, with the
// client that is generated from the next version of the schemas.
func (a *app) Next(ctx context.Context) (string, core.Migrations, error) {
	next, err := core.Goose(ctx, migrations, "migrations", core.GooseOptions{})
	const title = "Adding the column comments.internal to the shared tables, and to each schema and database of a tenant"
	return title, next, err
}
