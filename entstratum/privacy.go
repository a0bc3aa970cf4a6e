package entstratum

import (
	"context"
	"errors"

	"entgo.io/ent"
	"entgo.io/ent/privacy"

	"github.com/stratum-hq/stratum-go/internal/scope"
)

// DenyIfNoTenant returns a privacy rule that denies whatever has neither a tenant nor the system in its context, and
// skips otherwise. Its error is core.ErrNoTenant or core.ErrNoReason as well as privacy.Deny.
func DenyIfNoTenant() privacy.QueryMutationRule {
	return privacy.ContextQueryMutationRule(func(ctx context.Context) error {
		if _, err := scope.Check(ctx); err != nil {
			return errors.Join(err, privacy.Deny)
		}
		return privacy.Skip
	})
}

// AllowSystem returns a privacy rule that allows whatever runs under core.AsSystem, and skips otherwise.
func AllowSystem() privacy.QueryMutationRule {
	return privacy.ContextQueryMutationRule(func(ctx context.Context) error {
		if s, err := scope.Check(ctx); err == nil && s.Kind == scope.System {
			return privacy.Allow
		}
		return privacy.Skip
	})
}

// AllowDescendants returns a privacy rule that allows queries under core.WithSubtree, which read the rows of a tenant
// and of its descendants, and skips otherwise. Writes reach the tenant itself only, and are left to other rules.
func AllowDescendants() privacy.QueryRule { return allowDescendants{} }

type allowDescendants struct{}

// EvalQuery allows a subtree's queries.
func (allowDescendants) EvalQuery(ctx context.Context, _ ent.Query) error {
	if s, err := scope.Check(ctx); err == nil && s.Kind == scope.Subtree {
		return privacy.Allow
	}
	return privacy.Skip
}

// denyIfNoTenant is the policy of the mixins.
func denyIfNoTenant() ent.Policy {
	return privacy.Policy{
		Query:    privacy.QueryPolicy{DenyIfNoTenant()},
		Mutation: privacy.MutationPolicy{DenyIfNoTenant()},
	}
}
