package scope

import (
	"context"
	"strings"

	"github.com/google/uuid"
)

// Kind says how far a scope reaches.
type Kind uint8

// The kinds of scope. The zero value reaches nothing.
const (
	None    Kind = iota // no scope: every statement is refused
	Tenant              // exactly one tenant
	Subtree             // reads see descendants too, writes only the tenant itself
	System              // bypass, with a reason
)

// Scope is what a statement belongs to. Scopes are comparable: a transaction is pinned to one, and a statement whose
// own scope differs is refused.
type Scope struct {
	Kind   Kind
	Tenant uuid.UUID // the tenant, where Kind is Tenant or Subtree
	Reason string    // why the boundary is bypassed, where Kind is System
	// At is the tenant at whose place the system works, in the schema or database that it may have of its own. The nil
	// uuid stands for the shared tables of the registry's database.
	At uuid.UUID
}

// Actor is who acts: a person, a job, an API key.
type Actor struct {
	// ID is the actor's stable identifier in the application, for example a user id.
	ID string `json:"id"`
	// Kind says what sort of actor it is, for example "user", "service" or "job".
	Kind string `json:"kind,omitempty"`
}

type (
	scopeKey struct{}
	actorKey struct{}
)

// held is a scope in a ctx, and what was attached to it.
type held struct {
	Scope

	attached any
}

// With returns ctx with s as its scope. The innermost scope wins.
func With(ctx context.Context, s Scope) context.Context {
	return context.WithValue(ctx, scopeKey{}, &held{Scope: s})
}

// From returns the scope of ctx, or the zero Scope where there is none.
func From(ctx context.Context) Scope {
	if h, ok := ctx.Value(scopeKey{}).(*held); ok {
		return h.Scope
	}
	return Scope{}
}

// Attach returns ctx with something that holds for its scope alone: another scope further in hides it.
func Attach(ctx context.Context, attached any) context.Context {
	return context.WithValue(ctx, scopeKey{}, &held{Scope: From(ctx), attached: attached})
}

// Look returns the scope of ctx, or nil, and what was attached to it, for whoever cannot spare the time for a copy. The
// scope must not be changed.
func Look(ctx context.Context) (s *Scope, attached any) {
	if h, ok := ctx.Value(scopeKey{}).(*held); ok {
		return &h.Scope, h.attached
	}
	return nil, nil
}

// Check returns the scope of ctx, or the refusal that a statement under ctx deserves: ErrNoTenant or ErrNoReason.
func Check(ctx context.Context) (Scope, error) {
	s := From(ctx)
	switch s.Kind {
	case Tenant, Subtree:
		// The nil uuid is what a forgotten assignment looks like, so it counts as no tenant at all.
		if s.Tenant == uuid.Nil {
			return Scope{}, ErrNoTenant
		}
		return s, nil
	case System:
		if strings.TrimSpace(s.Reason) == "" {
			return Scope{}, ErrNoReason
		}
		return s, nil
	case None:
	}
	return Scope{}, ErrNoTenant
}

// WithActor returns ctx with a as its actor.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorFrom returns the actor of ctx, or the zero Actor where there is none.
func ActorFrom(ctx context.Context) Actor {
	a, _ := ctx.Value(actorKey{}).(Actor)
	return a
}

// Detach returns a context that outlives ctx: not cancelled with it, no deadline, but the same tenant and actor. A
// system scope is dropped, because a bypass is stated where it is used and does not travel.
func Detach(ctx context.Context) context.Context {
	detached := context.WithoutCancel(ctx)
	if From(ctx).Kind == System {
		return With(detached, Scope{})
	}
	return detached
}
