package core_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

func TestTenantFromTheInnermostScopeWins(t *testing.T) {
	t.Parallel()
	a, b := uuid.New(), uuid.New()
	ctx := t.Context()
	cases := map[string]struct {
		ctx  context.Context //nolint:containedctx // it is what is tested
		want uuid.UUID       // uuid.Nil: none
	}{
		"no scope":                     {ctx, uuid.Nil},
		"a tenant":                     {core.WithTenant(ctx, a), a},
		"a subtree":                    {core.WithSubtree(ctx, a), a},
		"a tenant within another":      {core.WithTenant(core.WithTenant(ctx, a), b), b},
		"a subtree within a tenant":    {core.WithSubtree(core.WithTenant(ctx, a), b), b},
		"the nil tenant":               {core.WithTenant(ctx, uuid.Nil), uuid.Nil},
		"the nil tenant within one":    {core.WithTenant(core.WithTenant(ctx, a), uuid.Nil), uuid.Nil},
		"the system":                   {core.AsSystem(ctx, "a reason"), uuid.Nil},
		"the system within a tenant":   {core.AsSystem(core.WithTenant(ctx, a), "a reason"), uuid.Nil},
		"a tenant within the system":   {core.WithTenant(core.AsSystem(ctx, "a reason"), a), a},
		"an actor changes nothing":     {core.WithActor(core.WithTenant(ctx, a), core.Actor{ID: "u"}), a},
		"a detached tenant":            {core.Detach(core.WithTenant(ctx, a)), a},
		"a detached subtree":           {core.Detach(core.WithSubtree(ctx, a)), a},
		"a detached system":            {core.Detach(core.AsSystem(ctx, "a reason")), uuid.Nil},
		"a detached context of nobody": {core.Detach(ctx), uuid.Nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := core.TenantFrom(c.ctx)
			require.Equal(t, c.want, got)
			require.Equal(t, c.want != uuid.Nil, ok)
		})
	}
}

func TestDetachOutlivesItsContextAndKeepsTheActor(t *testing.T) {
	t.Parallel()
	actor := core.Actor{ID: "u-17", Kind: "user"}
	ctx, cancel := context.WithTimeout(core.WithActor(core.WithTenant(t.Context(), uuid.New()), actor), time.Hour)
	detached := core.Detach(ctx)
	cancel()
	require.ErrorIs(t, ctx.Err(), context.Canceled)
	require.NoError(t, detached.Err())
	_, hasDeadline := detached.Deadline()
	require.False(t, hasDeadline)
	require.Equal(t, actor, core.ActorFrom(detached))
}

func TestActorFromIsEmptyWhereNobodyActs(t *testing.T) {
	t.Parallel()
	require.Equal(t, core.Actor{}, core.ActorFrom(t.Context()))
}

// A bypass that was not said again after Detach does not work: the statement has no tenant.
func TestDetachDropsTheBypass(t *testing.T) {
	t.Parallel()
	st := openStratum(t)
	ctx := core.AsSystem(t.Context(), "a reason")
	_, err := st.DB().ExecContext(ctx, "SELECT 1")
	require.NoError(t, err)
	_, err = st.DB().ExecContext(core.Detach(ctx), "SELECT 1")
	require.ErrorIs(t, err, core.ErrNoTenant)
}

func TestAsSystemNeedsAReason(t *testing.T) {
	t.Parallel()
	st := openStratum(t)
	for _, reason := range []string{"", "  ", "\n\t"} {
		_, err := st.DB().ExecContext(core.AsSystem(t.Context(), reason), "SELECT 1")
		require.ErrorIs(t, err, core.ErrNoReason)
		_, err = st.Tenants.List(core.AsSystem(t.Context(), reason), core.ListOptions{})
		require.ErrorIs(t, err, core.ErrNoReason)
	}
}

func TestActorAndReasonReachTheDatabase(t *testing.T) {
	t.Parallel()
	st := openStratum(t)
	ctx := core.WithActor(core.AsSystem(t.Context(), `it's "due"`), core.Actor{ID: "u'17", Kind: "user"})
	var id, kind, reason string
	err := st.DB().QueryRowContext(ctx, `SELECT c #>> '{actor,id}', c #>> '{actor,kind}', c ->> 'reason'
		FROM (SELECT current_setting('stratum.context')::jsonb) AS x(c)`).Scan(&id, &kind, &reason)
	require.NoError(t, err)
	require.Equal(t, []string{"u'17", "user", `it's "due"`}, []string{id, kind, reason})
}
