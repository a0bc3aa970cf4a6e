package scope_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stratum-hq/stratum-go/internal/scope"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCheck(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	for name, test := range map[string]struct {
		scope scope.Scope
		want  error
	}{
		"nothing":              {scope.Scope{}, scope.ErrNoTenant},
		"a kind that is none":  {scope.Scope{Kind: 99, Tenant: id}, scope.ErrNoTenant},
		"a tenant of no kind":  {scope.Scope{Tenant: id, Reason: "r"}, scope.ErrNoTenant},
		"a tenant":             {scope.Scope{Kind: scope.Tenant, Tenant: id}, nil},
		"the nil tenant":       {scope.Scope{Kind: scope.Tenant}, scope.ErrNoTenant},
		"a subtree":            {scope.Scope{Kind: scope.Subtree, Tenant: id}, nil},
		"the nil subtree":      {scope.Scope{Kind: scope.Subtree}, scope.ErrNoTenant},
		"the system":           {scope.Scope{Kind: scope.System, Reason: "r"}, nil},
		"no reason":            {scope.Scope{Kind: scope.System}, scope.ErrNoReason},
		"a reason of nothing":  {scope.Scope{Kind: scope.System, Reason: " \t\n\u00a0"}, scope.ErrNoReason},
		"a tenant's no reason": {scope.Scope{Kind: scope.System, Tenant: id}, scope.ErrNoReason},
	} {
		got, err := scope.Check(scope.With(t.Context(), test.scope))
		require.ErrorIs(t, err, test.want, name)
		if test.want == nil {
			require.Equal(t, test.scope, got, name)
		} else {
			require.Equal(t, scope.Scope{}, got, name)
		}
	}
	_, err := scope.Check(t.Context())
	require.ErrorIs(t, err, scope.ErrNoTenant)
}

func TestTheInnermostWins(t *testing.T) {
	t.Parallel()
	first, second := uuid.New(), uuid.New()
	ctx := scope.With(t.Context(), scope.Scope{Kind: scope.System, Reason: "r"})
	ctx = scope.With(ctx, scope.Scope{Kind: scope.Tenant, Tenant: first})
	require.Equal(t, first, scope.From(ctx).Tenant)
	require.Equal(t, second, scope.From(scope.With(ctx, scope.Scope{Kind: scope.Subtree, Tenant: second})).Tenant)
	require.Equal(t, first, scope.From(ctx).Tenant, "the outer context is as it was")
	_, err := scope.Check(scope.With(ctx, scope.Scope{}))
	require.ErrorIs(t, err, scope.ErrNoTenant, "an empty scope hides the one around it")
}

func TestActor(t *testing.T) {
	t.Parallel()
	require.Equal(t, scope.Actor{}, scope.ActorFrom(t.Context()))
	actor := scope.Actor{ID: "u", Kind: "user"}
	ctx := scope.WithActor(t.Context(), actor)
	require.Equal(t, actor, scope.ActorFrom(ctx))
	ctx = scope.With(ctx, scope.Scope{Kind: scope.Tenant, Tenant: uuid.New()})
	require.Equal(t, actor, scope.ActorFrom(ctx), "it goes with any scope")
}

func TestDetach(t *testing.T) {
	t.Parallel()
	id, actor := uuid.New(), scope.Actor{ID: "u"}
	for kind, want := range map[scope.Kind]scope.Kind{
		scope.Tenant: scope.Tenant, scope.Subtree: scope.Subtree, scope.System: scope.None, scope.None: scope.None,
	} {
		ctx, cancel := context.WithTimeout(scope.WithActor(t.Context(), actor), time.Hour)
		ctx = scope.With(ctx, scope.Scope{Kind: kind, Tenant: id, Reason: "r"})
		detached := scope.Detach(ctx)
		cancel()
		require.NoError(t, detached.Err())
		_, limited := detached.Deadline()
		require.False(t, limited)
		require.Equal(t, want, scope.From(detached).Kind)
		require.Equal(t, actor, scope.ActorFrom(detached))
	}
}
