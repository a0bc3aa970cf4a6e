package core

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
)

// Refusals by the methods of Tenants, for errors.Is.
var (
	// ErrTenantNotFound is returned for a tenant that does not exist, or that the tenant of ctx does not reach: which
	// of the two is not said.
	ErrTenantNotFound = errors.New("stratum: no such tenant (check the id, slug or external id; a tenant's ctx " +
		"reaches itself and its descendants only; in a batch, put a parent before its children)")
	// ErrTenantExists is returned for an id, slug or external id that another tenant has; see ExistsError.
	ErrTenantExists = errors.New("stratum: the tenant exists already (choose another id, slug or external id)")
	// ErrHasChildren is returned where an active child must not be left beneath a tenant that is not active.
	ErrHasChildren = errors.New("stratum: the tenant has active children (suspend or archive them first, or all at " +
		"once with Tenants.SuspendSubtree)")
	// ErrCycle is returned for a move of a tenant beneath itself.
	ErrCycle = errors.New("stratum: a tenant cannot be moved beneath itself or its descendants (choose a parent " +
		"outside of its subtree)")
	// ErrDepth is returned where a tenant would be deeper in the tree than MaxDepth.
	ErrDepth = errors.New("stratum: the tree would have more than 20 levels (choose a parent further up)")
	// ErrTenantState is returned for an operation that a tenant's status does not allow; see StateError.
	ErrTenantState = errors.New("stratum: the tenant's status does not allow this (see Tenants.Resume and " +
		"Tenants.Restore)")
	// ErrForbidden is returned for an operation on roots with a tenant's ctx.
	ErrForbidden = errors.New("stratum: a tenant may not make, order or list roots (use a ctx without a tenant, or " +
		"core.AsSystem with a reason)")
	// ErrInvalidTenant is returned for a value that no tenant can have, and for options of List that make no sense; see
	// InvalidError.
	ErrInvalidTenant = errors.New("stratum: invalid value (correct the field)")
	// ErrOrder is returned by Reorder; see OrderError.
	ErrOrder = errors.New("stratum: the order must have each child exactly once (list them with Tenants.Children)")
)

// ExistsError says which key of a new or changed tenant is taken.
type ExistsError struct {
	// Field is "ID", "Slug" or "ExternalID".
	Field string
}

// Error names the field, and not whose the key is.
func (e *ExistsError) Error() string {
	return "stratum: another tenant has this " + e.Field + " (choose another one)"
}

// Unwrap returns ErrTenantExists.
func (e *ExistsError) Unwrap() error { return ErrTenantExists }

// StateError says which status stood in the way of what.
type StateError struct {
	// Operation is the verb, for example "resume" or "create a tenant beneath".
	Operation string
	// Status is that of the tenant the verb applies to, or empty where the database alone saw it.
	Status Status
}

// Error names both and how to get out of the status.
func (e *StateError) Error() string {
	status := string(e.Status)
	if status == "" {
		status = "not active"
	}
	return fmt.Sprintf("stratum: cannot %s one that is %s (%s)", e.subject(), status, e.cure())
}

// subject makes a sentence of verbs with and without an object: "resume a tenant, one that is ...".
func (e *StateError) subject() string {
	if strings.Contains(e.Operation, " ") {
		return e.Operation
	}
	return e.Operation + " a tenant,"
}

func (e *StateError) cure() string {
	switch e.Status {
	case StatusSuspended:
		return "resume it first with Tenants.Resume"
	case StatusArchived:
		return "restore it first with Tenants.Restore"
	case StatusProvisioning, StatusMoving:
		return "wait until it is active"
	case StatusActive:
		return "only a tenant that is not active can be resumed or restored"
	default:
		return "resume or restore it first"
	}
}

// Unwrap returns ErrTenantState.
func (e *StateError) Unwrap() error { return ErrTenantState }

// InvalidError says which value was refused before the database was asked. It leaves the value out.
type InvalidError struct {
	// Field is the Go name of the field, for example "Slug".
	Field string
	// Reason says what the value must be.
	Reason string
}

// Error names the field and what it must be.
func (e *InvalidError) Error() string { return "stratum: " + e.Field + " " + e.Reason }

// Unwrap returns ErrInvalidTenant.
func (e *InvalidError) Unwrap() error { return ErrInvalidTenant }

// BatchError says which element of a batch was refused. Nothing of the batch was kept.
type BatchError struct {
	// Index is the element's place in the slice, from 0.
	Index int
	// Slug is the element's slug.
	Slug string
	// Err is what Create would have returned for it.
	Err error
}

// Error names the element and its error.
func (e *BatchError) Error() string { return fmt.Sprintf("tenant %d, %q: %v", e.Index, e.Slug, e.Err) }

// Unwrap returns Err.
func (e *BatchError) Unwrap() error { return e.Err }

// OrderError says how the ids given to Reorder differ from the children there are.
type OrderError struct {
	// Missing are children that were not given.
	Missing []uuid.UUID
	// Unknown were given and are no children.
	Unknown []uuid.UUID
	// Repeated were given more than once.
	Repeated []uuid.UUID
}

// Error counts them; the ids are in the fields.
func (e *OrderError) Error() string {
	return fmt.Sprintf("%v: %d missing, %d unknown, %d repeated",
		ErrOrder, len(e.Missing), len(e.Unknown), len(e.Repeated))
}

// Unwrap returns ErrOrder.
func (e *OrderError) Unwrap() error { return ErrOrder }

// DatabaseError is an error of the database that the caller has not caused. Its text has the SQLSTATE and neither the
// statement nor any data; errors.As finds the server's *pgconn.PgError, which may have both.
type DatabaseError struct {
	// Code is the SQLSTATE.
	Code string

	cause *pgconn.PgError
}

// Error has the code, and a cure where there is one.
func (e *DatabaseError) Error() string {
	return fmt.Sprintf("stratum: the database refused with SQLSTATE %s (%s)", e.Code, e.cure())
}

func (e *DatabaseError) cure() string {
	switch e.Code {
	case codePrivilege:
		return "the system role lacks a right on schema stratum: run Stratum.Migrate with OwnerDSN"
	case codeNoTable, codeNoSchema, codeNoFunction:
		return "schema stratum is incomplete: run Stratum.Migrate with OwnerDSN"
	case codeSerialization, codeDeadlock:
		return "another program changes stratum.tenants at the same time: try again"
	case codeWrongPath:
		return "another program changed stratum.tenants: change it with Tenants only"
	default:
		return "errors.As with *pgconn.PgError has the server's own words"
	}
}

// Unwrap returns the server's error.
func (e *DatabaseError) Unwrap() error { return e.cause }

// SQLSTATEs that mean something here. Those of class ST are raised by the table's triggers.
const (
	codeUnique        = "23505"
	codeCheck         = "23514"
	codeForeignKey    = "23503"
	codePrivilege     = "42501"
	codeNoTable       = "42P01"
	codeNoFunction    = "42883"
	codeNoSchema      = "3F000"
	codeSerialization = "40001"
	codeDeadlock      = "40P01"
	codeNoParent      = "ST005"
	codeWrongPath     = "ST006"
	classData         = "22"
)

// hasCode reports whether the server refused with this SQLSTATE.
func hasCode(err error, code string) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == code
}

// isTransient reports whether the same operation may well succeed when it is tried again.
func isTransient(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && (pgErr.Code == codeSerialization || pgErr.Code == codeDeadlock)
}

// operationError names the operation in front of an error that a caller may see.
func operationError(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", op, err)
}

// statementError returns err without a raw error of the server. Errors from further down that merely contain one, such
// as ErrNotInstalled, have words of their own and must be passed on as they are: it is not for them.
func statementError(ctx context.Context, err error) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || errors.As(err, new(*DatabaseError)) {
		return err
	}
	// A server that was told to stop says so in its own words; the context knows why.
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	return databaseError(pgErr)
}

// databaseError returns what a server's error means. Most of it is found out before; what comes this way lost a race,
// or is another program's doing.
func databaseError(e *pgconn.PgError) error {
	switch {
	case e.Code == codeUnique || e.Code == codeCheck || e.Code == codeForeignKey:
		if err := constraintError(e.ConstraintName); err != nil {
			return err
		}
	case e.Code == codeNoParent:
		return &StateError{Operation: "have an active tenant beneath"}
	case strings.HasPrefix(e.Code, classData):
		return &InvalidError{Field: "Metadata", Reason: "has a value that the database cannot store"}
	}
	return &DatabaseError{Code: e.Code, cause: e}
}

// constraintError returns what the violation of a constraint of stratum.tenants or stratum.config means, or nil.
func constraintError(constraint string) error {
	switch constraint {
	case "tenants_pkey":
		return &ExistsError{Field: "ID"}
	case "tenants_slug_key":
		return &ExistsError{Field: "Slug"}
	case "tenants_external_id_key":
		return &ExistsError{Field: "ExternalID"}
	case "tenants_slug_check":
		return &InvalidError{Field: "Slug", Reason: "does not match what the database allows"}
	case "tenants_name_check":
		return &InvalidError{Field: "Name", Reason: "does not match what the database allows"}
	case "tenants_external_id_check":
		return &InvalidError{Field: "ExternalID", Reason: "does not match what the database allows"}
	case "tenants_metadata_check":
		return &InvalidError{Field: "Metadata", Reason: "does not match what the database allows"}
	case "tenants_parent_id_fkey", "config_tenant_id_fkey":
		return ErrTenantNotFound
	case "tenants_depth_check":
		return ErrDepth
	default:
		return nil
	}
}
