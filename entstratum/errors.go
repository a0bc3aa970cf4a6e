package entstratum

import (
	"errors"

	"github.com/stratum-hq/stratum-go/internal/script"
	"github.com/stratum-hq/stratum-go/internal/stamp"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// Refusals of this package, for errors.Is. Those of the database are in package core.
var (
	// ErrGenerated is returned where the generated code is not that of the extension, or older than this package.
	ErrGenerated = errors.New("entstratum: the client was generated without Stratum (add codegen.NewExtension() to " +
		"entc.go and run go generate)")
	// ErrDriver is returned by Migrate for a client that was not made by OpenStratum.
	ErrDriver = errors.New("entstratum: the client is not on a guarded pool (make it with ent.OpenStratum(st), or " +
		"with ent.Driver(entstratum.Driver(st)))")
	// ErrSchemaCreate is returned by the Schema.Create of a guarded client.
	ErrSchemaCreate = errors.New("entstratum: Schema.Create on a guarded client, whose tenants may not change tables " +
		"(call ent.StratumMigrate(ctx, client))")
	// ErrTenantID is returned for a new row whose tenant is missing as the system, or not the tenant of ctx.
	ErrTenantID = stamp.ErrTenantID
	// ErrTenantChange is returned for an update that sets or clears the tenant.
	ErrTenantChange = errors.New("entstratum: a row stays with its tenant (create it as the other tenant, and delete " +
		"it as this one)")
	// ErrEncrypted is returned for what cannot be done with an encrypted column. It names the column and the cure.
	ErrEncrypted = errors.New("entstratum: encrypted field")
	// ErrConflict is returned for an ON CONFLICT clause that cannot be read.
	ErrConflict = errors.New("entstratum: the ON CONFLICT clause cannot be read (this version of ent is not supported)")
	// ErrView is returned by Migrate for a view that does not check policies as whoever asks it.
	ErrView = errors.New("entstratum: a view shows the rows of all tenants")
	// ErrScript is returned by Script for options that name no file that could be run.
	ErrScript = script.ErrOptions
)

// Refusals of Migrate and Script, for errors.Is. Each is in a *TableError, and nothing was changed.
var (
	// ErrExistingRows is returned for a table with rows when MigrateOptions.ExistingRows does not say whose they are.
	ErrExistingRows = tables.ErrExistingRows
	// ErrTenantUnknown is returned where MigrateOptions.ExistingRows is needed and is the id of no tenant.
	ErrTenantUnknown = tables.ErrTenantUnknown
	// ErrDeclaration is returned for schemas that contradict each other or the database.
	ErrDeclaration = tables.ErrDeclaration
	// ErrColumn is returned for a tenant column that is not a uuid.
	ErrColumn = tables.ErrColumn
	// ErrDependent is returned where a foreign key that no schema declares stands on a key that must go.
	ErrDependent = tables.ErrDependent
	// ErrReference is returned where existing rows refer to rows of another tenant, or to none.
	ErrReference = tables.ErrReference
	// ErrDuplicate is returned where existing rows of one tenant violate a unique key.
	ErrDuplicate = tables.ErrDuplicate
	// ErrPolicy is returned for a policy that is not Stratum's and shows rows to the wrong role.
	ErrPolicy = tables.ErrPolicy
	// ErrKind is returned for a table that is protected as tenant-owned and is declared global.
	ErrKind = tables.ErrKind
	// ErrGrant is returned for a right that the table's owner cannot revoke, since another role granted it.
	ErrGrant = tables.ErrGrant
	// ErrNotOwner is returned where the login of core.Options.OwnerDSN does not own a table.
	ErrNotOwner = tables.ErrNotOwner
	// ErrNoTable is returned for a schema of something else than a table.
	ErrNoTable = tables.ErrNoTable
	// ErrMissing is returned for a table or an index that the database does not have.
	ErrMissing = tables.ErrMissing
	// ErrCitus is returned for a table that Citus cannot have as it is declared, or as it is.
	ErrCitus = tables.ErrCitus
)

// TableError is a refusal of Migrate: the table and object concerned, what is wrong, and what cures it.
type TableError = tables.TableError
