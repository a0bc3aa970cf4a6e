package core

import (
	"context"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/internal/scope"
)

// Actor is who acts: a person, a job, an API key. It reaches the database with every statement, as the setting
// stratum.context, for triggers to record.
type Actor = scope.Actor

// WithTenant returns a context whose statements belong to the tenant id: they see and write its rows and no others.
// uuid.Nil is no tenant; statements under it are refused with ErrNoTenant.
//
// The innermost of WithTenant, WithSubtree and AsSystem wins.
func WithTenant(ctx context.Context, id uuid.UUID) context.Context {
	return scope.With(ctx, scope.Scope{Kind: scope.Tenant, Tenant: id})
}

// WithSubtree returns a context whose reads see the rows of the tenant id and of its descendants, archived ones left
// out. Writes reach the rows of the tenant itself only: an UPDATE or DELETE passes over a descendant's rows.
func WithSubtree(ctx context.Context, id uuid.UUID) context.Context {
	return scope.With(ctx, scope.Scope{Kind: scope.Subtree, Tenant: id})
}

// WithActor returns a context whose statements are done by a. It goes with any scope, and stays when the scope
// changes.
func WithActor(ctx context.Context, a Actor) context.Context { return scope.WithActor(ctx, a) }

// AsSystem returns a context whose statements bypass the boundary between tenants: they see and write all rows. The
// reason is for the record, so it must not be empty: statements under an empty one are refused with ErrNoReason.
// Inserting a row as the system needs an explicit tenant_id.
func AsSystem(ctx context.Context, reason string) context.Context {
	return scope.With(ctx, scope.Scope{Kind: scope.System, Reason: reason})
}

// AsSystemAt is AsSystem at the place of a tenant: in the schema or the database that it may have of its own, or in the
// shared tables where it lives. AsSystem alone works in the shared tables of the registry's database, and sees nothing
// of tenants that are elsewhere.
func AsSystemAt(ctx context.Context, reason string, tenant uuid.UUID) context.Context {
	return scope.With(ctx, scope.Scope{Kind: scope.System, Reason: reason, At: tenant})
}

// TenantFrom returns the tenant that statements under ctx belong to. It reports false where ctx names none, and under
// AsSystem.
func TenantFrom(ctx context.Context) (uuid.UUID, bool) {
	s, err := scope.Check(ctx)
	if err != nil || s.Kind == scope.System {
		return uuid.Nil, false
	}
	return s.Tenant, true
}

// ActorFrom returns the actor of ctx, or the zero Actor where it names none.
func ActorFrom(ctx context.Context) Actor { return scope.ActorFrom(ctx) }

// Detach returns a context for work that outlives ctx, such as a goroutine or a job: it is not cancelled with ctx and
// has no deadline, but keeps tenant and actor. What AsSystem allowed is not kept: say it again, with its reason, where
// the work is done.
func Detach(ctx context.Context) context.Context { return scope.Detach(ctx) }
