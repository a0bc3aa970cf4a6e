package entstratum_test

import (
	"context"
	"errors"
	"testing"

	entgo "entgo.io/ent"
	entprivacy "entgo.io/ent/privacy"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/privacy"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/ticket"
)

// contexts are one of each kind.
func contexts(t *testing.T) map[string]context.Context {
	t.Helper()
	return map[string]context.Context{
		"nothing":    t.Context(),
		"nil tenant": core.WithTenant(t.Context(), uuid.Nil),
		"no reason":  core.AsSystem(t.Context(), ""),
		"tenant":     core.WithTenant(t.Context(), uuid.New()),
		"subtree":    core.WithSubtree(t.Context(), uuid.New()),
		"system":     asSystem(t),
	}
}

// Each rule decides for some kinds of context and skips the others, so that it goes anywhere in a policy.
func TestRules(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		query, mutation func(context.Context) error
		decided         map[string]error // the others are skipped
		mutations       map[string]error
	}{
		"DenyIfNoTenant": {
			query:    func(ctx context.Context) error { return entstratum.DenyIfNoTenant().EvalQuery(ctx, nil) },
			mutation: func(ctx context.Context) error { return entstratum.DenyIfNoTenant().EvalMutation(ctx, nil) },
			decided:  map[string]error{"nothing": privacy.Deny, "nil tenant": privacy.Deny, "no reason": privacy.Deny},
			mutations: map[string]error{
				"nothing": core.ErrNoTenant, "nil tenant": core.ErrNoTenant, "no reason": core.ErrNoReason,
			},
		},
		"AllowSystem": {
			query:     func(ctx context.Context) error { return entstratum.AllowSystem().EvalQuery(ctx, nil) },
			mutation:  func(ctx context.Context) error { return entstratum.AllowSystem().EvalMutation(ctx, nil) },
			decided:   map[string]error{"system": privacy.Allow},
			mutations: map[string]error{"system": privacy.Allow},
		},
		"AllowDescendants": {
			query:    func(ctx context.Context) error { return entstratum.AllowDescendants().EvalQuery(ctx, nil) },
			mutation: func(context.Context) error { return privacy.Skip }, // it is no rule for mutations
			decided:  map[string]error{"subtree": privacy.Allow},
		},
	} {
		for kind, ctx := range contexts(t) {
			for _, side := range []struct {
				err  error
				want error
			}{{test.query(ctx), test.decided[kind]}, {test.mutation(ctx), test.mutations[kind]}} {
				if side.want == nil {
					side.want = privacy.Skip
				}
				require.ErrorIs(t, side.err, side.want, name+", "+kind)
			}
		}
	}
	err := entstratum.DenyIfNoTenant().EvalQuery(t.Context(), nil)
	require.ErrorIs(t, err, core.ErrNoTenant)
	require.ErrorIs(t, err, privacy.Deny)
	require.ErrorIs(t, entstratum.DenyIfNoTenant().EvalQuery(core.AsSystem(t.Context(), ""), nil), core.ErrNoReason)
}

// policyOf is a schema's own policy, behind the mixin's as ent puts it.
func policyOf(query entprivacy.QueryPolicy, mutation entprivacy.MutationPolicy) entgo.Policy {
	return entprivacy.NewPolicies(entstratum.Mixin{}, schemaWith{policy: entprivacy.Policy{Query: query, Mutation: mutation}})
}

type schemaWith struct {
	entgo.Schema

	policy entgo.Policy
}

// Policy is the schema's own.
func (s schemaWith) Policy() entgo.Policy { return s.policy }

// The rules go into an application's own policy beside ent's. The mixin's comes first: nothing behind it allows what has
// no tenant.
func TestComposition(t *testing.T) {
	t.Parallel()
	errOwn := errors.New("an application's own reason")
	policy := policyOf(
		entprivacy.QueryPolicy{
			entstratum.AllowSystem(), entstratum.AllowDescendants(),
			privacy.TicketQueryRuleFunc(func(context.Context, *ent.TicketQuery) error { return errOwn }),
		},
		entprivacy.MutationPolicy{entstratum.AllowSystem(), entprivacy.AlwaysDenyRule()},
	)
	allowing := policyOf(
		entprivacy.QueryPolicy{entprivacy.AlwaysAllowRule()}, entprivacy.MutationPolicy{entprivacy.AlwaysAllowRule()},
	)
	for kind, want := range map[string]struct{ query, mutation error }{
		"nothing":    {core.ErrNoTenant, core.ErrNoTenant},
		"nil tenant": {core.ErrNoTenant, core.ErrNoTenant},
		"no reason":  {core.ErrNoReason, core.ErrNoReason},
		"tenant":     {errOwn, privacy.Deny},
		"subtree":    {nil, privacy.Deny},
		"system":     {nil, nil},
	} {
		ctx := contexts(t)[kind]
		require.ErrorIs(t, policy.EvalQuery(ctx, &ent.TicketQuery{}), want.query, kind)
		require.ErrorIs(t, policy.EvalMutation(ctx, &ent.TicketMutation{}), want.mutation, kind)
		_, hasScope := map[string]bool{"tenant": true, "subtree": true, "system": true}[kind]
		if hasScope {
			require.NoError(t, allowing.EvalQuery(ctx, &ent.TicketQuery{}), kind)
			require.NoError(t, allowing.EvalMutation(ctx, &ent.TicketMutation{}), kind)
			continue
		}
		require.ErrorIs(t, allowing.EvalQuery(ctx, &ent.TicketQuery{}), privacy.Deny, kind)
		require.ErrorIs(t, allowing.EvalMutation(ctx, &ent.TicketMutation{}), privacy.Deny, kind)
	}
}

// ent's way around policies is one around the part that is in Go: the interceptor, the hook and the database are not
// asked whether they agree.
func TestDecisionContext(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	allow := func(ctx context.Context) context.Context { return privacy.DecisionContext(ctx, privacy.Allow) }
	_, err := n.client.Ticket.Query().All(allow(t.Context()))
	require.ErrorIs(t, err, core.ErrNoTenant)
	require.NotErrorIs(t, err, privacy.Deny)
	require.ErrorIs(t, n.client.Ticket.Create().SetNumber("x").Exec(allow(t.Context())), core.ErrNoTenant)
	require.ErrorIs(t, n.client.Ticket.Update().SetTitle("x").Exec(allow(t.Context())), core.ErrNoTenant)
	_, err = n.client.Country.Query().All(t.Context())
	require.ErrorIs(t, err, core.ErrNoTenant, "a global schema has no policy: the guard refuses")
	require.Empty(t, n.log.take()[1:], "nothing else was sent")

	require.Equal(t, 1, n.client.Ticket.Query().CountX(allow(n.ctx)), "a tenant reads its own, as ever")
	require.Equal(t, 1, n.client.Ticket.Update().SetTitle("x").SaveX(allow(n.ctx)))
	require.Equal(t, "a", n.client.Ticket.GetX(n.other, n.foreign.ID).Title)
	deny := privacy.DecisionContext(n.ctx, privacy.Deny)
	_, err = n.client.Ticket.Query().Where(ticket.Title("x")).All(deny)
	require.ErrorIs(t, err, privacy.Deny)
}

// What the mixin's policy denies is told apart by both errors on each way to a client.
func TestPolicyOfMixins(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	for name, err := range map[string]error{
		"create":   n.client.Ticket.Create().SetNumber("x").Exec(t.Context()),
		"update":   n.client.Template.Update().SetBody("x").Exec(t.Context()),
		"delete":   func() error { _, err := n.client.Watcher.Delete().Exec(t.Context()); return err }(),
		"mutation": entstratum.OwnOrGlobal{}.Policy().EvalMutation(t.Context(), nil),
		"query":    entstratum.OwnOrGlobal{}.Policy().EvalQuery(t.Context(), nil),
	} {
		require.ErrorIs(t, err, core.ErrNoTenant, name)
		require.ErrorIs(t, err, privacy.Deny, name)
	}
	require.Empty(t, n.log.take(), "nothing was sent")
}
