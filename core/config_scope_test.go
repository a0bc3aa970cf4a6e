package core_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// configOperations are all that reaches the config of one tenant.
func configOperations(st *core.Stratum) (reads, writes map[string]func(ctx context.Context, at uuid.UUID) error) {
	c := st.Config
	change := core.ConfigChange{Key: key, Value: 5}
	typed := core.Key[int]{Name: key}
	reads = map[string]func(ctx context.Context, at uuid.UUID) error{
		"get":     func(ctx context.Context, at uuid.UUID) error { return second(c.Get(ctx, at, key)) },
		"resolve": func(ctx context.Context, at uuid.UUID) error { return second(c.Resolve(ctx, at)) },
		"own":     func(ctx context.Context, at uuid.UUID) error { return second(c.Own(ctx, at)) },
		"explain": func(ctx context.Context, at uuid.UUID) error { return second(c.Explain(ctx, at, key)) },
		"diff":    func(ctx context.Context, at uuid.UUID) error { return second(c.Diff(ctx, at, at)) },
		"drift":   func(ctx context.Context, at uuid.UUID) error { return second(c.Drift(ctx, at)) },
		"a key":   func(ctx context.Context, at uuid.UUID) error { return second(typed.GetFor(ctx, st, at)) },
	}
	writes = map[string]func(ctx context.Context, at uuid.UUID) error{
		"set": func(ctx context.Context, at uuid.UUID) error { return second(c.Set(ctx, at, change)) },
		"set batch": func(ctx context.Context, at uuid.UUID) error {
			return second(c.SetBatch(ctx, at, []core.ConfigChange{change}, core.ConfigBatch{BestEffort: true}))
		},
		"lock":   func(ctx context.Context, at uuid.UUID) error { return second(c.Lock(ctx, at, key)) },
		"unlock": func(ctx context.Context, at uuid.UUID) error { return c.Unlock(ctx, at, key) },
		"a key":  func(ctx context.Context, at uuid.UUID) error { return typed.Set(ctx, st, at, 5) },
		"delete": func(ctx context.Context, at uuid.UUID) error { return c.Delete(ctx, at, key) },
	}
	return reads, writes
}

// TestConfigPermissions is operation x caller x tenant. Each write is on an entry that is there.
func TestConfigPermissions(t *testing.T) {
	t.Parallel()
	f, st := newConfigForest(t)
	reads, writes := configOperations(st)
	for name, operation := range reads {
		t.Run("read/"+name, func(t *testing.T) {
			t.Parallel()
			checkPermissions(newConfigTree(t, f, st), operation)
		})
	}
	for name, operation := range writes {
		t.Run("write/"+name, func(t *testing.T) {
			t.Parallel()
			checkPermissions(newConfigTree(t, f, st), operation)
		})
	}
}

func checkPermissions(c *configTree, operation func(ctx context.Context, at uuid.UUID) error) {
	c.Helper()
	sleeping := c.f.add(c, c.acme.ID)
	for _, tenant := range []core.Tenant{c.root, c.msp, c.acme, c.shop, c.globex, sleeping} {
		c.set(tenant, 1)
	}
	require.NoError(c, c.f.Suspend(c.Context(), sleeping.ID))
	plain := c.Context()
	acme := core.WithTenant(plain, c.acme.ID)
	for _, test := range []struct {
		caller string
		ctx    context.Context //nolint:containedctx // one row of a table
		at     uuid.UUID
		want   error
	}{
		{"nobody", plain, c.acme.ID, core.ErrNoTenant},
		{"the nil tenant", core.WithTenant(plain, uuid.Nil), c.acme.ID, core.ErrNoTenant},
		{"the system without a reason", core.AsSystem(plain, " "), c.acme.ID, core.ErrNoReason},
		{"a tenant at an ancestor", acme, c.msp.ID, core.ErrTenantNotFound},
		{"a tenant at its root", acme, c.root.ID, core.ErrTenantNotFound},
		{"a tenant beside", acme, c.globex.ID, core.ErrTenantNotFound},
		{"a tenant at nobody", acme, unknownID, core.ErrTenantNotFound},
		{"a subtree at an ancestor", core.WithSubtree(plain, c.acme.ID), c.msp.ID, core.ErrTenantNotFound},
		{"a tenant that is suspended", core.WithTenant(plain, sleeping.ID), sleeping.ID, core.ErrTenantNotActive},
		{"a tenant that is not there", core.WithTenant(plain, unknownID), unknownID, core.ErrTenantNotFound},
		{"a tenant that is not there at another", core.WithTenant(plain, unknownID), c.acme.ID, core.ErrTenantNotFound},
	} {
		err := operation(test.ctx, test.at)
		require.ErrorIs(c, err, test.want, test.caller)
		for _, other := range []core.Tenant{c.root, c.msp, c.globex} {
			require.NotContains(c, err.Error(), other.ID.String(), test.caller)
			require.NotContains(c, err.Error(), other.Slug+"\"", test.caller)
		}
	}
	for _, at := range []core.Tenant{c.root, c.msp, c.globex, c.acme} {
		require.Equal(c, "1", string(c.own(at).Value), "nothing was changed")
		require.False(c, c.own(at).Locked, "nothing was locked")
	}
	// From the bottom up, so that no lock stands in the way.
	require.NoError(c, operation(acme, sleeping.ID), "a tenant at a descendant that is suspended")
	require.NoError(c, operation(core.WithSubtree(plain, c.acme.ID), c.shop.ID), "a subtree at a descendant")
	require.NoError(c, operation(acme, c.acme.ID), "a tenant at itself")
	require.NoError(c, operation(asSystem(plain), c.root.ID), "the system")
}

// TestConfigShowsNoMoreThanSlugs is what a tenant learns of those above it.
func TestConfigShowsNoMoreThanSlugs(t *testing.T) {
	t.Parallel()
	f, st := newConfigForest(t)
	c := newConfigTree(t, f, st)
	acme := core.WithTenant(t.Context(), c.acme.ID)
	c.set(c.root, "of the root")
	c.set(c.msp, "of the msp")
	above := core.ConfigSource{Slug: c.msp.Slug}

	value, err := st.Config.Get(acme, c.shop.ID, key)
	require.NoError(t, err)
	require.Equal(t, above, value.Source)
	explained, err := st.Config.Explain(acme, c.shop.ID, key)
	require.NoError(t, err)
	require.NotContains(t, explained.String(), "of the root")
	require.Equal(t, []core.ConfigStep{
		{
			Source: core.ConfigSource{Slug: c.root.Slug}, Outcome: core.ConfigOverridden, Withheld: true,
			Value: explained.Steps[0].Value,
		},
		{Source: above, Outcome: core.ConfigHolds, Value: explained.Steps[1].Value},
		{Source: core.ConfigSource{ID: c.acme.ID, Slug: c.acme.Slug}, Outcome: core.ConfigUnset},
		{Source: core.ConfigSource{ID: c.shop.ID, Slug: c.shop.Slug}, Outcome: core.ConfigUnset},
	}, explained.Steps)
	require.Nil(t, explained.Steps[0].Value.Value)

	c.lock(c.msp)
	_, err = st.Config.Set(acme, c.acme.ID, core.ConfigChange{Key: key})
	var locked *core.ConfigLockedError
	require.ErrorAs(t, err, &locked)
	require.Equal(t, above, locked.Ancestor)
	require.NotContains(t, err.Error(), c.msp.ID.String())

	c.unlock(c.msp)
	c.set(c.shop, "own")
	c.lock(c.msp)
	drift, err := st.Config.Drift(acme, c.acme.ID)
	require.NoError(t, err)
	require.Len(t, drift, 1)
	require.Equal(t, above, drift[0].By)
}
