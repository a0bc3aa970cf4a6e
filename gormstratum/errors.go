package gormstratum

import (
	"errors"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// Refusals of this package, for errors.Is. Those of the database are in package core.
var (
	// ErrModel is returned by Use for a model that Stratum cannot place, and for a statement on an unknown table.
	ErrModel = errors.New("gormstratum: model")
	// ErrDialector is returned by Use for a database that is not PostgreSQL through gorm.io/driver/postgres.
	ErrDialector = errors.New("gormstratum: the dialector is not gorm.io/driver/postgres (open the database with " +
		"gormstratum.Open(st) or postgres.Open(dsn))")
	// ErrPool is returned for a statement on a connection pool or transaction that the plugin did not put there.
	ErrPool = errors.New("gormstratum: this session's connection is not guarded (make sessions and transactions " +
		"after db.Use, and set no ConnPool of your own)")
	// ErrAutoMigrate is returned by AutoMigrate and the other methods of the Migrator that change the schema.
	ErrAutoMigrate = errors.New("gormstratum: the schema is changed by its owner, not on a tenant's connection " +
		"(call gormstratum.Migrate(ctx, db, gormstratum.MigrateOptions{}) instead of db.AutoMigrate)")
	// ErrTenantID is returned for a new row whose tenant is missing as the system, or not the tenant of ctx.
	ErrTenantID = errors.New("gormstratum: tenant id of a new row")
	// ErrNotUsed is returned by Migrate for a db without the plugin.
	ErrNotUsed = errors.New("gormstratum: the plugin is not in use (call db.Use(gormstratum.New(st, ...)) first)")
	// ErrExistingRows is returned by Migrate for a table with rows when MigrateOptions.ExistingRows does not say whose
	// they are.
	ErrExistingRows = tables.ErrExistingRows
)
