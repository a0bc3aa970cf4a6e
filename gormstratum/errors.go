package gormstratum

import (
	"errors"
	"fmt"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/script"
	"github.com/stratum-hq/stratum-go/internal/stamp"
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
	// ErrResolver is returned by Use beside gorm.io/plugin/dbresolver, and for a statement that it has led to a
	// connection of its own.
	ErrResolver = errors.New("gormstratum: gorm.io/plugin/dbresolver leads statements to connections that are not " +
		"guarded (remove it; to read from a replica open a second handle with core.Open on the replica's DSN, and a " +
		"*gorm.DB of its own with gormstratum.Open)")
	// ErrForEach is returned by ForEachTenant for options that make no sense, and in a transaction.
	ErrForEach = core.ErrForEach
	// ErrAutoMigrate is returned by AutoMigrate and the other methods of the Migrator that change the schema.
	ErrAutoMigrate = errors.New("gormstratum: the schema is changed by its owner, not on a tenant's connection " +
		"(call gormstratum.Migrate(ctx, db, gormstratum.MigrateOptions{}) instead of db.AutoMigrate)")
	// ErrTenantID is returned for a new row whose tenant is missing as the system, or not the tenant of ctx.
	ErrTenantID = stamp.ErrTenantID
	// ErrEncrypted is returned for what cannot be done with an encrypted column. It names the column and the cure.
	ErrEncrypted = errors.New("gormstratum: encrypted field")
	// ErrPlain is returned by Migrate for an encrypted column that has values in the clear, and says what to do.
	ErrPlain = errors.New("gormstratum: values in the clear")
	// ErrScript is returned by MigrateScript for ScriptOptions that name no file that could be run.
	ErrScript = script.ErrOptions
	// ErrNotUsed is returned by Migrate for a db without the plugin.
	ErrNotUsed = errors.New("gormstratum: the plugin is not in use (call db.Use(gormstratum.New(st, ...)) first)")
)

var errNothingPlain = fmt.Errorf("%w: no model has a column to be encrypted in place (tag the field stratum:%q, and "+
	"call Migrate first)", ErrPlain, tagPlain)

// Refusals of Migrate and MigrateScript, for errors.Is. Each is in a *TableError, and nothing was changed.
var (
	// ErrExistingRows is returned for a table with rows when MigrateOptions.ExistingRows does not say whose they are.
	ErrExistingRows = tables.ErrExistingRows
	// ErrTenantUnknown is returned where MigrateOptions.ExistingRows is needed and is the id of no tenant.
	ErrTenantUnknown = tables.ErrTenantUnknown
	// ErrDeclaration is returned for models that contradict each other or the database, such as by a foreign key to an
	// OwnOrGlobal model.
	ErrDeclaration = tables.ErrDeclaration
	// ErrColumn is returned for a tenant column that is not a uuid.
	ErrColumn = tables.ErrColumn
	// ErrDependent is returned where a foreign key that no model declares stands on a key that must go.
	ErrDependent = tables.ErrDependent
	// ErrPolicy is returned for a policy that is not Stratum's and shows rows to the wrong role.
	ErrPolicy = tables.ErrPolicy
	// ErrKind is returned for a table that is protected as tenant-owned and is declared global.
	ErrKind = tables.ErrKind
	// ErrGrant is returned for a right that the table's owner cannot revoke, since another role granted it.
	ErrGrant = tables.ErrGrant
	// ErrNotOwner is returned where the login of core.Options.OwnerDSN does not own a table.
	ErrNotOwner = tables.ErrNotOwner
	// ErrNoTable is returned for a model of something else than a table, such as a view.
	ErrNoTable = tables.ErrNoTable
	// ErrMissing is returned for a table, or an index in Options.GlobalUnique, that the database does not have.
	ErrMissing = tables.ErrMissing
	// ErrCitus is returned for a table that Citus cannot have as it is declared, or as it is.
	ErrCitus = tables.ErrCitus
)

// TableError is a refusal of Migrate: the table and object concerned, what is wrong, and what cures it.
type TableError = tables.TableError
