package core

import (
	"github.com/stratum-hq/stratum-go/internal/fleet"
	"github.com/stratum-hq/stratum-go/internal/guard"
	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// Refusals of a statement, for errors.Is. The error that carries them says how to cure it; errors.As finds the server's
// *pgconn.PgError in it where the database was the one to refuse.
var (
	// ErrNoTenant is returned for a statement whose ctx names no tenant.
	ErrNoTenant = scope.ErrNoTenant
	// ErrNoReason is returned for a statement under AsSystem with an empty reason.
	ErrNoReason = scope.ErrNoReason
	// ErrTenantUnknown is returned for a statement whose tenant does not exist.
	ErrTenantUnknown = guard.ErrTenantUnknown
	// ErrTenantNotActive is returned for a statement whose tenant is suspended, archived or otherwise not active, and
	// by Tenants for a caller that is such a tenant.
	ErrTenantNotActive = guard.ErrTenantNotActive
	// ErrTenantMismatch is returned for a statement in a transaction that belongs to another tenant.
	ErrTenantMismatch = guard.ErrTenantMismatch
	// ErrCrossTenant is returned for a statement that would write a row of another tenant or give a row away.
	ErrCrossTenant = guard.ErrCrossTenant
	// ErrPermission is returned for a statement that its scope has no right to, such as a write to a global table.
	ErrPermission = guard.ErrPermission
	// ErrOwner is returned for a statement by a tenant-owned table's owner on its rows.
	ErrOwner = guard.ErrOwner
	// ErrDuplicateKey is returned for a row whose key is taken. Whose row it is, is not said.
	ErrDuplicateKey = guard.ErrDuplicateKey
	// ErrForeignKey is returned for a row that refers to one that its tenant does not have, and for one that cannot go
	// because others refer to it.
	ErrForeignKey = guard.ErrForeignKey
	// ErrConflictTarget is returned for an ON CONFLICT whose columns are no longer unique by themselves.
	ErrConflictTarget = guard.ErrConflictTarget
	// ErrUnsigned is returned for a tenant's statement on a hardened database by a handle that is not.
	ErrUnsigned = guard.ErrUnsigned
	// ErrProof is returned where a hardened database does not accept that this program admits a tenant.
	ErrProof = guard.ErrProof
	// ErrSubtreeElsewhere is returned under WithSubtree where a descendant's data is in a schema or a database of its
	// own.
	ErrSubtreeElsewhere = guard.ErrSubtreeElsewhere
	// ErrLookupElsewhere is returned by a Lookup in tenant-owned tables while there are tenants whose rows are
	// elsewhere.
	ErrLookupElsewhere = guard.ErrLookupElsewhere
	// ErrSchemaMissing is returned for a statement whose tenant's own schema is not there.
	ErrSchemaMissing = guard.ErrSchemaMissing
	// ErrSchemaTable is returned for a statement at a tenant's own schema that lacks a table: for each of the system,
	// and outside of a transaction also for the one of a tenant that is refused because of it, which is an
	// ErrPermission too.
	ErrSchemaTable = guard.ErrSchemaTable
	// ErrDatabaseMissing is returned for a statement whose tenant's own database is not there.
	ErrDatabaseMissing = guard.ErrDatabaseMissing
	// ErrDatabaseDown is returned for a statement whose tenant lives in another database than the registry's, which
	// does not answer or lets nobody in. The error is a *PlacementError, too.
	ErrDatabaseDown = guard.ErrDatabaseDown
	// ErrTableMissing is returned for a statement that names a table which is not in the database its tenant lives
	// in, as external ones are not.
	ErrTableMissing = guard.ErrTableMissing
	// ErrElsewhere is returned for a statement whose tenant's data was not where it was looked for, twice.
	ErrElsewhere = guard.ErrElsewhere
	// ErrLogin is returned where a server does not accept the login of a DSN.
	ErrLogin = guard.ErrLogin
	// ErrRowsOpen is returned for a statement in a transaction while rows of an earlier one are not read to the end.
	ErrRowsOpen = guard.ErrRowsOpen
	// ErrCommand is returned for a command that would outlive its statement, such as SET, LISTEN or COMMIT.
	ErrCommand = guard.ErrCommand
	// ErrTenantBusy is returned for a statement or a transaction of a tenant that is at its Limit.
	ErrTenantBusy = guard.ErrTenantBusy
	// ErrTxAborted is returned by Commit for a transaction that the server rolled back.
	ErrTxAborted = guard.ErrTxAborted
	// ErrProtocol is returned where the server's answer does not fit; the connection is closed.
	ErrProtocol = guard.ErrProtocol
)

// Refusals of Open and Migrate, for errors.Is.
var (
	// ErrConfig is returned for Options that cannot work.
	ErrConfig = guard.ErrConfig
	// ErrNotInstalled is returned while the database has no schema stratum.
	ErrNotInstalled = install.ErrNotInstalled
	// ErrOutdated is returned while the schema stratum is older than this program needs.
	ErrOutdated = install.ErrOutdated
	// ErrIncompatible is returned while the schema stratum no longer serves a program as old as this one.
	ErrIncompatible = install.ErrIncompatible
	// ErrPrefix is returned where the schema was installed with another Options.RolePrefix.
	ErrPrefix = install.ErrPrefix
	// ErrClosed is returned by a Stratum after Close.
	ErrClosed = guard.ErrClosed
)

// Refusals of Fleet.Migrate, for errors.Is. Failures of single targets are in a *FleetError.
var (
	// ErrCanary is returned after the canary has failed: nothing else was begun.
	ErrCanary = fleet.ErrCanary
	// ErrStopped is returned where StopOnError has ended a run.
	ErrStopped = fleet.ErrStopped
	// ErrOutOfOrder is of a target that lacks a migration older than its newest.
	ErrOutOfOrder = fleet.ErrOutOfOrder
	// ErrInterrupted is of a target on which a migration without a transaction has begun and not ended.
	ErrInterrupted = fleet.ErrInterrupted
	// ErrDown is of a target that is past GooseOptions.To.
	ErrDown = fleet.ErrDown
)

// LoginError is returned by Open and Migrate for a login that cannot be made safe. It has the SQL that cures it.
type LoginError = install.LoginError

// PlacementError names the placement that could not be reached.
type PlacementError = guard.PlacementError

// PrivilegeError is returned by Migrate where its login lacks privileges. It lists all of them; nothing was changed.
type PrivilegeError = install.PrivilegeError

// MissingPrivilege is one entry of a PrivilegeError.
type MissingPrivilege = install.Missing
