package core_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// grove makes a tenant with children and returns all ids, in the order of the listing.
func grove(t *testing.T, st *core.Stratum, children int) (root uuid.UUID, ids []uuid.UUID) {
	t.Helper()
	parent, err := st.Tenants.Create(t.Context(), core.NewTenant{Name: "root", Slug: "root"})
	require.NoError(t, err)
	ids = append(ids, parent.ID)
	for i := range children {
		child, err := st.Tenants.Create(t.Context(), core.NewTenant{
			Name: "child", Slug: fmt.Sprintf("child-%d", i), Parent: parent.ID,
		})
		require.NoError(t, err)
		ids = append(ids, child.ID)
	}
	return parent.ID, ids
}

func TestForEachVisitsEachAsItself(t *testing.T) {
	t.Parallel()
	st, _ := stratumtest.Open(t)
	_, ids := grove(t, st, 12)
	var (
		mu      sync.Mutex
		visited []uuid.UUID
	)
	report, err := st.Tenants.ForEach(t.Context(), core.ForEachOptions{Workers: 3},
		func(ctx context.Context, tenant core.Tenant) error {
			scoped, ok := core.TenantFrom(ctx)
			if !ok || scoped != tenant.ID {
				return errors.New("the context is not the tenant's")
			}
			mu.Lock()
			defer mu.Unlock()
			visited = append(visited, tenant.ID)
			return nil
		})
	require.NoError(t, err)
	require.ElementsMatch(t, ids, visited)
	require.Equal(t, len(ids), report.Done)
}

// What failed is told, and the others are visited all the same. The run goes on behind what it had finished.
func TestForEachReportsFailures(t *testing.T) {
	t.Parallel()
	st, _ := stratumtest.Open(t)
	_, ids := grove(t, st, 4)
	errBad := errors.New("bad")
	fail := func(_ context.Context, tenant core.Tenant) error {
		switch tenant.ID {
		case ids[1]:
			return errBad
		case ids[2]:
			panic("worse")
		}
		return nil
	}
	report, err := st.Tenants.ForEach(t.Context(), core.ForEachOptions{Tenants: ids, Workers: 1}, fail)
	require.ErrorIs(t, err, errBad)
	var panicked *core.PanicError
	require.ErrorAs(t, err, &panicked)
	require.Equal(t, "worse", panicked.Value)
	require.Equal(t, 3, report.Done)
	require.Equal(t, 2, report.Failed)
	require.Equal(t, ids[4].String(), report.After)

	report, err = st.Tenants.ForEach(t.Context(), core.ForEachOptions{Tenants: ids, Workers: 1, StopOnError: true}, fail)
	require.ErrorIs(t, err, errBad)
	require.Equal(t, ids[0].String(), report.After)
	report, err = st.Tenants.ForEach(t.Context(), core.ForEachOptions{Tenants: ids, After: report.After},
		func(_ context.Context, tenant core.Tenant) error {
			if !slices.Contains(ids[1:], tenant.ID) {
				return errors.New("visited twice")
			}
			return nil
		})
	require.NoError(t, err)
	require.Equal(t, 4, report.Done)
}

// A tenant reaches itself and its descendants.
// A run whose ctx ends while the last tenants are at work has not visited them, and says so.
func TestForEachIsCutOff(t *testing.T) {
	t.Parallel()
	st, _ := stratumtest.Open(t)
	root, ids := grove(t, st, 2)
	ctx, cancel := context.WithCancel(t.Context())
	last := func(_ context.Context, tenant core.Tenant) error {
		if tenant.ID != ids[2] {
			return nil
		}
		cancel()
		return ctx.Err()
	}
	report, err := st.Tenants.ForEach(ctx, core.ForEachOptions{Under: root, Workers: 1}, last)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, core.ForEachReport{Done: 2, After: ids[1].String()}, report)
}

func TestForEachAsATenant(t *testing.T) {
	t.Parallel()
	st, _ := stratumtest.Open(t)
	root, ids := grove(t, st, 2)
	other, err := st.Tenants.Create(t.Context(), core.NewTenant{Name: "other", Slug: "other"})
	require.NoError(t, err)
	var mu sync.Mutex
	var visited []uuid.UUID
	note := func(_ context.Context, tenant core.Tenant) error {
		mu.Lock()
		defer mu.Unlock()
		visited = append(visited, tenant.ID)
		return nil
	}
	_, err = st.Tenants.ForEach(core.WithTenant(t.Context(), root), core.ForEachOptions{}, note)
	require.NoError(t, err)
	require.ElementsMatch(t, ids, visited)
	_, err = st.Tenants.ForEach(core.WithTenant(t.Context(), other.ID), core.ForEachOptions{Tenants: ids}, note)
	require.ErrorIs(t, err, core.ErrTenantNotFound)
	require.Len(t, visited, len(ids))
}

func TestForEachRefusals(t *testing.T) {
	t.Parallel()
	st, _ := stratumtest.Open(t)
	for name, options := range map[string]core.ForEachOptions{
		"negative workers": {Workers: -1},
		"both":             {Tenants: []uuid.UUID{uuid.New()}, Under: uuid.New()},
		"foreign After":    {Tenants: []uuid.UUID{uuid.New()}, After: uuid.NewString()},
	} {
		_, err := st.Tenants.ForEach(t.Context(), options, func(context.Context, core.Tenant) error { return nil })
		require.ErrorIs(t, err, core.ErrForEach, name)
	}
}
