package guard

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stratum-hq/stratum-go/internal/scope"
)

// Refusals of the guard and, through it, of the database. Package core gives them to users under the same names.
var (
	ErrTenantMismatch = errors.New("stratum: the transaction belongs to another tenant than ctx (use the ctx that " +
		"began the transaction, or begin another one)")
	ErrTenantUnknown = errors.New("stratum: unknown tenant (create it with Tenants.Create, or check the id in " +
		"core.WithTenant)")
	ErrTenantNotActive = errors.New("stratum: the tenant is not active (resume it with Tenants.Resume or " +
		"Tenants.Restore)")
	ErrCrossTenant = errors.New("stratum: the row would belong to another tenant than ctx, or leave it (write it " +
		"with that tenant's ctx, or with core.AsSystem and a reason)")
	ErrPermission = errors.New("stratum: the scope of ctx has no right to do this (a global table is written with " +
		"core.AsSystem; a table unknown to Stratum must be declared as tenant-owned, global or external; TRUNCATE " +
		"and changes of the schema are the owner's, with the login of OwnerDSN)")
	ErrOwner = errors.New("stratum: the owner of a tenant-owned table does not see its rows (use a tenant's ctx, or " +
		"core.AsSystem with a reason)")
	// The words of these two are also PostgreSQL's: ent, for one, knows a violation by them.
	ErrDuplicateKey = errors.New("stratum: duplicate key value violates unique constraint")
	ErrForeignKey   = errors.New("stratum: row violates foreign key constraint (it refers to one that is not there " +
		"or is another tenant's, or others refer to it)")
	ErrConflictTarget = errors.New("stratum: no unique index has just the columns of this ON CONFLICT (the unique " +
		"indexes of a tenant-owned table begin with its tenant column: write ON CONFLICT (tenant_id, number), or " +
		"name the constraint)")
	ErrSchemaMissing = errors.New("stratum: the schema of the tenant is missing (restore it from a backup)")
	ErrSchemaTable   = errors.New("stratum: the schema of the tenant lacks a table (Fleet.Drift says which, and " +
		"Fleet.Migrate makes it)")
	ErrDatabaseMissing = errors.New("stratum: the database of the tenant is missing (restore it from a backup)")
	ErrDatabaseDown    = errors.New("stratum: the database that the tenant lives in cannot be reached " +
		"(Placements.Health looks at all of them; a statement that has met this error has not been run)")
	ErrTableMissing = errors.New("stratum: the database that the tenant lives in has no such table (external tables " +
		"are in the registry's database alone, where core.AsSystem reaches them; whether one of the others is " +
		"missing, Fleet.Drift says)")
	ErrLogin = errors.New("stratum: the server does not accept the login or its password (look where the DSN comes " +
		"from: a rotated password is read again with each new connection of a placement)")
	ErrElsewhere = errors.New("stratum: the data of the tenant is elsewhere (as the system, write it at its place " +
		"with core.AsSystemAt; as the tenant, try again: it is being moved)")
	ErrSubtreeElsewhere = errors.New("stratum: the subtree has tenants whose data is in a schema or a database of " +
		"their own, and one statement cannot read them all (visit each with Tenants.ForEach, or " +
		"gormstratum.ForEachTenant)")
	ErrLookupElsewhere = errors.New("stratum: a lookup reads a tenant-owned table, and there are tenants whose " +
		"rows are " +
		"in a schema or a database of their own (keep what must be found before the tenant is known, such as " +
		"logins, in " +
		"a global table)")
	ErrRowsOpen = errors.New("stratum: rows of an earlier query are still open on this transaction (read them to " +
		"the end or close them before the next statement)")
	ErrCommand  = errors.New("stratum: this command is not possible on a tenant's connection")
	ErrUnsigned = errors.New("stratum: this database admits tenants by signature only (set core.Options.Hardened)")
	ErrProof    = errors.New("stratum: the database does not accept the application's key (DSN and SystemDSN must " +
		"lead to one database)")
	ErrProtocol = errors.New("stratum: the server answered a command that was not sent, so the connection was closed " +
		"(report this, with the statement)")
	ErrConfig = errors.New("stratum: unusable connection setting")
	ErrClosed = errors.New("stratum: the handle is closed (open another one with core.Open)")
	ErrInUse  = errors.New("stratum: connections were still in use when the handle was closed (close rows, and " +
		"commit or roll back transactions)")
)

// SQLSTATEs that the guard translates. Those of class ST are raised by the functions of schema stratum.
const (
	codeNoTenant          = "ST001"
	codeUnknown           = "ST002"
	codeNotActive         = "ST003"
	codeOwner             = "ST004"
	codeUnsigned          = "ST007"
	codeProof             = "ST008"
	codeEpoch             = "ST009"
	codeElsewhere         = "ST010"
	codeNoSchema          = "ST011"
	codeOtherSchema       = "ST012"
	codeSubtreeElsewhere  = "ST013"
	codeNoSchemaTable     = "ST014"
	codeLookupElsewhere   = "ST015"
	codeNoDatabase        = "3D000"
	codeNotAccepting      = "55000"
	codeShutdown          = "57P01"
	codeNotNow            = "57P03"
	codePassword          = "28P01"
	codeLogin             = "28000"
	codePrivilege         = "42501"
	codeUniqueness        = "23505"
	codeForeignKey        = "23503"
	codeNoConflictTarget  = "42P10"
	codePlanChanged       = "0A000"
	codeNoStatement       = "26000"
	codeHasStatement      = "42P05"
	codeProtocolError     = "08P01"
	codeUndefinedTable    = "42P01"
	codeUndefinedFunction = "42883"
	codeTypeMismatch      = "42804"
	classData             = "22"

	// messageEntered is what stratum.enter says to a connection that has switched its role already.
	messageEntered = "this transaction has entered a scope already"
)

// StatementError is a refusal by the database, with the server's error underneath. It is one of the sentinels of this
// package to errors.Is, and a *pgconn.PgError to errors.As.
type StatementError struct {
	// Code is the SQLSTATE.
	Code string
	// Constraint is the constraint that was violated, or "".
	Constraint string

	sentinel error
	also     error  // what it is besides, or nil
	note     string // what else is to be said, or ""
	cause    *pgconn.PgError
}

// Error says what was refused and how to cure it. It leaves out the server's detail, which quotes keys.
func (e *StatementError) Error() string {
	switch {
	case e.Constraint != "":
		return fmt.Sprintf("%s: %q", e.sentinel, e.Constraint)
	case e.also != nil:
		return fmt.Sprintf("%s: %s", e.also, e.sentinel)
	case e.note != "":
		return fmt.Sprintf("%s: %s", e.sentinel, e.note)
	}
	return e.sentinel.Error()
}

// Unwrap returns the refusal and the server's error.
func (e *StatementError) Unwrap() []error {
	if e.also != nil {
		return []error{e.sentinel, e.also, e.cause}
	}
	return []error{e.sentinel, e.cause}
}

// commandError names a command that is refused, and what to do instead.
func commandError(what, cure string) error {
	return fmt.Errorf("%w: %s (%s)", ErrCommand, what, cure)
}

// translate turns a server's error into the refusal that it means, and takes out of others what their text must not
// tell. The rest passes as it is.
func translate(err error) error {
	var (
		pgErr     *pgconn.PgError
		explained *StatementError
	)
	if errors.As(err, &explained) {
		return err
	}
	if !errors.As(err, &pgErr) {
		return redactLost(err)
	}
	sentinel := sentinelFor(pgErr)
	if sentinel == nil {
		return redactValue(err, pgErr)
	}
	e := &StatementError{Code: pgErr.Code, sentinel: sentinel, cause: pgErr}
	if pgErr.Code == codeUniqueness || pgErr.Code == codeForeignKey {
		e.Constraint = pgErr.ConstraintName
	}
	return e
}

func sentinelFor(pgErr *pgconn.PgError) error {
	switch pgErr.Code {
	case codeNoTenant:
		return scope.ErrNoTenant
	case codeUnknown:
		return ErrTenantUnknown
	case codeNotActive:
		return ErrTenantNotActive
	case codeOwner:
		return ErrOwner
	case codeUnsigned:
		return ErrUnsigned
	case codeProof:
		return ErrProof
	case codeUniqueness:
		return ErrDuplicateKey
	case codeForeignKey:
		return ErrForeignKey
	case codeNoConflictTarget:
		return conflictTarget(pgErr)
	case codePrivilege:
		// PostgreSQL gives a policy's refusal the code of a missing privilege; the routine tells them apart in every
		// language of the messages.
		if pgErr.Routine == "ExecWithCheckOptions" || strings.Contains(pgErr.Message, "row-level security") {
			return ErrCrossTenant
		}
		return ErrPermission
	}
	return misplaced(pgErr.Code)
}

// misplaced is the refusal of a statement whose tenant's data, or a part of it, is not where it was looked for.
func misplaced(code string) error {
	switch code {
	case codeElsewhere:
		return ErrElsewhere
	case codeNoSchema:
		return ErrSchemaMissing
	case codeOtherSchema:
		return ErrCrossTenant
	case codeSubtreeElsewhere:
		return ErrSubtreeElsewhere
	case codeLookupElsewhere:
		return ErrLookupElsewhere
	case codeNoSchemaTable:
		return ErrSchemaTable
	}
	return nil
}

// conflictTarget tells ON CONFLICT from the other invalid references to columns, such as ORDER BY 9, that have its
// code.
func conflictTarget(pgErr *pgconn.PgError) error {
	if pgErr.Routine == "infer_arbiter_indexes" {
		return ErrConflictTarget
	}
	return nil
}

// sqlState returns the SQLSTATE of err, or "".
func sqlState(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}
