package core

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/scope"
	"github.com/stratum-hq/stratum-go/ltree"
)

// caller is whom an operation is for: a tenant, or with the zero value the operator or the system.
type caller struct {
	id    uuid.UUID
	label ltree.Label
}

// scopeOf returns the scope of ctx. Unlike a statement on data, an operation on the tree needs none.
func scopeOf(ctx context.Context) (scope.Scope, error) {
	if scope.From(ctx).Kind == scope.None {
		return scope.Scope{}, nil
	}
	return scope.Check(ctx)
}

// findCaller returns whom a scope that passed scopeOf stands for.
func findCaller(ctx context.Context, tx pgx.Tx, s scope.Scope) (caller, error) {
	if s.Kind != scope.Tenant && s.Kind != scope.Subtree {
		return caller{}, nil
	}
	who := caller{id: s.Tenant}
	var status Status
	const query = `SELECT label, status FROM stratum.tenants WHERE id = $1`
	err := tx.QueryRow(ctx, query, who.id).Scan(&who.label, &status)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return caller{}, ErrTenantNotFound
	case err != nil:
		return caller{}, err
	case status != StatusActive:
		return caller{}, ErrTenantNotActive
	default:
		return who, nil
	}
}

// isTenant reports whether the caller is bound to a subtree.
func (c caller) isTenant() bool { return c.id != uuid.Nil }

// reaches reports whether the caller may know of t. It looks for the caller's label in t's path instead of comparing
// two paths: a label never changes, so a move between two reads cannot make the answer wrong.
func (c caller) reaches(t Tenant) bool {
	return !c.isTenant() || slices.Contains(t.Path.Labels(), c.label)
}

// checkRoots returns ErrForbidden unless the caller may make, order and list roots.
func (c caller) checkRoots() error {
	if c.isTenant() {
		return ErrForbidden
	}
	return nil
}
