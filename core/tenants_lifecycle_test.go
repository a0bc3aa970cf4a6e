package core_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// lifecycle names the four changes of status.
func (f forest) lifecycle() map[string]func(ctx context.Context, id uuid.UUID) error {
	return map[string]func(context.Context, uuid.UUID) error{
		"Suspend": f.Suspend, "Resume": f.Resume, "Archive": f.Archive, "Restore": f.Restore,
	}
}

// TestTenantsTransitions tries every operation on every status: what is not listed as leading somewhere is refused and
// changes nothing.
func TestTenantsTransitions(t *testing.T) {
	t.Parallel()
	f := newForest(t)
	leads := map[string]map[core.Status]core.Status{
		"Suspend": {core.StatusActive: core.StatusSuspended},
		"Resume":  {core.StatusSuspended: core.StatusActive},
		"Archive": {core.StatusActive: core.StatusArchived, core.StatusSuspended: core.StatusArchived},
		"Restore": {core.StatusArchived: core.StatusActive},
	}
	for name, operation := range f.lifecycle() {
		for _, from := range allStatuses() {
			to, allowed := leads[name][from]
			rule := name + " refuses a tenant that is " + string(from)
			if allowed {
				rule = name + " makes a tenant that is " + string(from) + " " + string(to)
			}
			t.Run(rule, func(t *testing.T) {
				t.Parallel()
				tenant := f.add(t, f.add(t, uuid.Nil).ID)
				f.setStatus(t, tenant, from)
				err := operation(t.Context(), tenant.ID)
				if !allowed {
					requireState(t, from, err)
					f.requireStatus(t, from, tenant)
					return
				}
				require.NoError(t, err)
				after := f.mustGet(t, tenant.ID)
				require.Equal(t, to, after.Status)
				require.True(t, after.UpdatedAt.After(tenant.UpdatedAt))
			})
		}
	}
}

func allStatuses() []core.Status {
	return []core.Status{
		core.StatusActive, core.StatusSuspended, core.StatusArchived, core.StatusProvisioning, core.StatusMoving,
	}
}

func TestTenantsLifecycle(t *testing.T) {
	t.Parallel()
	f := newForest(t)
	t.Run("every change of status of an unknown tenant is not found", func(t *testing.T) {
		t.Parallel()
		for _, operation := range f.lifecycle() {
			require.ErrorIs(t, operation(t.Context(), unknownID), core.ErrTenantNotFound)
		}
	})
	t.Run("a tenant with an active child is neither suspended nor archived", func(t *testing.T) {
		t.Parallel()
		parent := f.add(t, uuid.Nil)
		f.add(t, parent.ID)
		require.ErrorIs(t, f.Suspend(t.Context(), parent.ID), core.ErrHasChildren)
		require.ErrorIs(t, f.Archive(t.Context(), parent.ID), core.ErrHasChildren)
		f.requireStatus(t, core.StatusActive, parent)
	})
	t.Run("a tenant whose children are all suspended or archived is suspended and archived", func(t *testing.T) {
		t.Parallel()
		parent := f.add(t, uuid.Nil)
		a, b := f.add(t, parent.ID), f.add(t, parent.ID)
		require.NoError(t, f.Suspend(t.Context(), a.ID))
		require.NoError(t, f.Archive(t.Context(), b.ID))
		require.NoError(t, f.Suspend(t.Context(), parent.ID))
		require.NoError(t, f.Archive(t.Context(), parent.ID))
	})
	t.Run("a tenant is not resumed or restored beneath a parent that is not active", func(t *testing.T) {
		t.Parallel()
		chain := f.chain(t, uuid.Nil, 3)
		require.NoError(t, f.Suspend(t.Context(), chain[2].ID))
		require.NoError(t, f.Suspend(t.Context(), chain[1].ID))
		requireState(t, core.StatusSuspended, f.Resume(t.Context(), chain[2].ID))
		require.NoError(t, f.Archive(t.Context(), chain[2].ID))
		requireState(t, core.StatusSuspended, f.Restore(t.Context(), chain[2].ID))
		require.NoError(t, f.Resume(t.Context(), chain[1].ID))
		require.NoError(t, f.Restore(t.Context(), chain[2].ID))
	})
	t.Run("a root is resumed and restored without a parent", func(t *testing.T) {
		t.Parallel()
		root := f.add(t, uuid.Nil)
		require.NoError(t, f.Suspend(t.Context(), root.ID))
		require.NoError(t, f.Resume(t.Context(), root.ID))
		require.NoError(t, f.Archive(t.Context(), root.ID))
		require.NoError(t, f.Restore(t.Context(), root.ID))
	})
	t.Run("SuspendSubtree suspends every active tenant and says how many", func(t *testing.T) {
		t.Parallel()
		chain := f.chain(t, uuid.Nil, 5)
		archived := f.add(t, chain[2].ID)
		require.NoError(t, f.Archive(t.Context(), archived.ID))
		n, err := f.SuspendSubtree(t.Context(), chain[1].ID)
		require.NoError(t, err)
		require.Equal(t, 4, n)
		f.requireStatus(t, core.StatusActive, chain[0])
		f.requireStatus(t, core.StatusSuspended, chain[1:]...)
		f.requireStatus(t, core.StatusArchived, archived)
	})
	t.Run("SuspendSubtree of a suspended tenant has nothing to do", func(t *testing.T) {
		t.Parallel()
		chain := f.chain(t, uuid.Nil, 2)
		for _, want := range []int{2, 0} {
			n, err := f.SuspendSubtree(t.Context(), chain[0].ID)
			require.NoError(t, err)
			require.Equal(t, want, n)
		}
	})
	t.Run("SuspendSubtree of an archived tenant is refused", func(t *testing.T) {
		t.Parallel()
		root := f.add(t, uuid.Nil)
		require.NoError(t, f.Archive(t.Context(), root.ID))
		_, err := f.SuspendSubtree(t.Context(), root.ID)
		requireState(t, core.StatusArchived, err)
	})
	t.Run("SuspendSubtree of an unknown tenant is not found", func(t *testing.T) {
		t.Parallel()
		_, err := f.SuspendSubtree(t.Context(), unknownID)
		require.ErrorIs(t, err, core.ErrTenantNotFound)
	})
	t.Run("a suspended subtree is resumed from the top, one by one", func(t *testing.T) {
		t.Parallel()
		chain := f.chain(t, uuid.Nil, 3)
		_, err := f.SuspendSubtree(t.Context(), chain[0].ID)
		require.NoError(t, err)
		requireState(t, core.StatusSuspended, f.Resume(t.Context(), chain[1].ID))
		for _, tenant := range chain {
			require.NoError(t, f.Resume(t.Context(), tenant.ID))
		}
	})
	t.Run("an archived tenant keeps its slug until it is renamed", func(t *testing.T) {
		t.Parallel()
		old := f.add(t, uuid.Nil)
		require.NoError(t, f.Archive(t.Context(), old.ID))
		again := core.NewTenant{Name: "n", Slug: old.Slug}
		requireExists(t, "Slug", createError(t, f, again))
		_, err := f.Rename(t.Context(), old.ID, f.slug())
		require.NoError(t, err)
		require.NoError(t, createError(t, f, again))
	})
}

func TestTenantsUpdate(t *testing.T) {
	t.Parallel()
	f := newForest(t)
	text := func(s string) *string { return &s }
	t.Run("what is not given stays", func(t *testing.T) {
		t.Parallel()
		before, err := f.Create(t.Context(), core.NewTenant{
			Name: "n", Slug: f.slug(), ExternalID: f.slug(), Metadata: map[string]any{"a": "b"},
		})
		require.NoError(t, err)
		after, err := f.Update(t.Context(), before.ID, core.TenantUpdate{Name: text("other")})
		require.NoError(t, err)
		require.True(t, after.UpdatedAt.After(before.UpdatedAt))
		before.Name, before.UpdatedAt = "other", after.UpdatedAt
		require.Equal(t, before, after)
		require.Equal(t, after, f.mustGet(t, before.ID))
	})
	t.Run("an external id is set, changed and taken away", func(t *testing.T) {
		t.Parallel()
		tenant, other := f.add(t, uuid.Nil), f.add(t, uuid.Nil)
		for _, id := range []string{f.slug(), f.slug(), ""} {
			after, err := f.Update(t.Context(), tenant.ID, core.TenantUpdate{ExternalID: &id})
			require.NoError(t, err)
			require.Equal(t, id, after.ExternalID)
		}
		_, err := f.Update(t.Context(), other.ID, core.TenantUpdate{ExternalID: text("")})
		require.NoError(t, err)
	})
	t.Run("an external id of another tenant is taken", func(t *testing.T) {
		t.Parallel()
		external := f.slug()
		_, err := f.Create(t.Context(), core.NewTenant{Name: "n", Slug: f.slug(), ExternalID: external})
		require.NoError(t, err)
		_, err = f.Update(t.Context(), f.add(t, uuid.Nil).ID, core.TenantUpdate{ExternalID: &external})
		requireExists(t, "ExternalID", err)
	})
	t.Run("metadata is replaced as a whole and can be emptied", func(t *testing.T) {
		t.Parallel()
		tenant := f.add(t, uuid.Nil)
		for _, metadata := range []map[string]any{{"a": 1.5}, {"b": []any{}}, {}} {
			after, err := f.Update(t.Context(), tenant.ID, core.TenantUpdate{Metadata: metadata})
			require.NoError(t, err)
			require.Equal(t, metadata, after.Metadata)
		}
	})
	t.Run("invalid values are refused", func(t *testing.T) {
		t.Parallel()
		id := f.add(t, uuid.Nil).ID
		for field, update := range map[string]core.TenantUpdate{
			"Name":       {Name: text("")},
			"ExternalID": {ExternalID: text("\x00")},
		} {
			_, err := f.Update(t.Context(), id, update)
			requireInvalid(t, field, err)
		}
		for _, value := range unstorable() {
			_, err := f.Update(t.Context(), id, core.TenantUpdate{Metadata: map[string]any{"k": value}})
			requireInvalid(t, "Metadata", err)
		}
	})
	t.Run("an unknown tenant is not found", func(t *testing.T) {
		t.Parallel()
		_, err := f.Update(t.Context(), unknownID, core.TenantUpdate{})
		require.ErrorIs(t, err, core.ErrTenantNotFound)
		_, err = f.Rename(t.Context(), unknownID, f.slug())
		require.ErrorIs(t, err, core.ErrTenantNotFound)
	})
	t.Run("Rename changes the slug and nothing else, and frees the old one", func(t *testing.T) {
		t.Parallel()
		before := f.add(t, uuid.Nil)
		after, err := f.Rename(t.Context(), before.ID, f.slug())
		require.NoError(t, err)
		require.NotEqual(t, before.Slug, after.Slug)
		require.Equal(t, before.Path, after.Path)
		_, err = f.BySlug(t.Context(), before.Slug)
		require.ErrorIs(t, err, core.ErrTenantNotFound)
		require.NoError(t, createError(t, f, core.NewTenant{Name: "n", Slug: before.Slug}))
	})
	t.Run("Rename to the slug it has is no error", func(t *testing.T) {
		t.Parallel()
		tenant := f.add(t, uuid.Nil)
		_, err := f.Rename(t.Context(), tenant.ID, tenant.Slug)
		require.NoError(t, err)
	})
	t.Run("Rename to a slug that is taken or none is refused", func(t *testing.T) {
		t.Parallel()
		tenant := f.add(t, uuid.Nil)
		_, err := f.Rename(t.Context(), tenant.ID, f.add(t, uuid.Nil).Slug)
		requireExists(t, "Slug", err)
		_, err = f.Rename(t.Context(), tenant.ID, "No Slug")
		requireInvalid(t, "Slug", err)
		require.Equal(t, tenant, f.mustGet(t, tenant.ID))
	})
	t.Run("a tenant of any status is updated and renamed", func(t *testing.T) {
		t.Parallel()
		for _, status := range allStatuses() {
			tenant := f.add(t, uuid.Nil)
			f.setStatus(t, tenant, status)
			_, err := f.Update(t.Context(), tenant.ID, core.TenantUpdate{Name: text("other")})
			require.NoError(t, err)
			_, err = f.Rename(t.Context(), tenant.ID, f.slug())
			require.NoError(t, err)
		}
	})
}

func TestTenantsReorder(t *testing.T) {
	t.Parallel()
	f := newForest(t)
	t.Run("children come in the order given, and again in another", func(t *testing.T) {
		t.Parallel()
		root := f.add(t, uuid.Nil)
		a, b, c := f.add(t, root.ID).ID, f.add(t, root.ID).ID, f.add(t, root.ID).ID
		for _, order := range [][]uuid.UUID{{c, a, b}, {c, a, b}, {b, c, a}, {a, b, c}} {
			require.NoError(t, f.Reorder(t.Context(), root.ID, order))
			f.requireOrder(t, root.ID, order)
		}
	})
	t.Run("newcomers come behind, whatever their place was elsewhere", func(t *testing.T) {
		t.Parallel()
		root, before := f.add(t, uuid.Nil), f.add(t, uuid.Nil)
		a, b := f.add(t, root.ID).ID, f.add(t, root.ID).ID
		moved := f.add(t, before.ID).ID
		require.NoError(t, f.Reorder(t.Context(), before.ID, []uuid.UUID{moved}))
		require.NoError(t, f.Reorder(t.Context(), root.ID, []uuid.UUID{b, a}))
		require.NoError(t, f.move(t.Context(), moved, root.ID))
		created := f.add(t, root.ID).ID
		f.requireOrder(t, root.ID, []uuid.UUID{b, a, moved, created})
		last := f.add(t, root.ID).ID
		require.NoError(t, f.Reorder(t.Context(), root.ID, []uuid.UUID{last, created, moved, b, a}))
		require.NoError(t, f.move(t.Context(), last, before.ID))
		require.NoError(t, f.move(t.Context(), last, root.ID))
		f.requireOrder(t, root.ID, []uuid.UUID{created, moved, b, a, last})
	})
	t.Run("children of every status are part of the order", func(t *testing.T) {
		t.Parallel()
		root := f.add(t, uuid.Nil)
		a, b := f.add(t, root.ID).ID, f.add(t, root.ID).ID
		require.NoError(t, f.Archive(t.Context(), a))
		require.ErrorIs(t, f.Reorder(t.Context(), root.ID, []uuid.UUID{b}), core.ErrOrder)
		require.NoError(t, f.Reorder(t.Context(), root.ID, []uuid.UUID{b, a}))
	})
	t.Run("the order of no children is the empty one", func(t *testing.T) {
		t.Parallel()
		require.NoError(t, f.Reorder(t.Context(), f.add(t, uuid.Nil).ID, nil))
	})
	t.Run("an order that does not fit says what is missing, unknown and repeated", func(t *testing.T) {
		t.Parallel()
		root := f.add(t, uuid.Nil)
		a, b := f.add(t, root.ID).ID, f.add(t, root.ID).ID
		grandchild := f.add(t, a).ID
		err := f.Reorder(t.Context(), root.ID, []uuid.UUID{b, grandchild, b})
		var order *core.OrderError
		require.ErrorAs(t, err, &order)
		require.Equal(t, core.OrderError{
			Missing: []uuid.UUID{a}, Unknown: []uuid.UUID{grandchild}, Repeated: []uuid.UUID{b},
		}, *order)
		require.NotContains(t, err.Error(), a.String())
		f.requireOrder(t, root.ID, []uuid.UUID{a, b})
	})
	t.Run("children of an unknown tenant are not found", func(t *testing.T) {
		t.Parallel()
		require.ErrorIs(t, f.Reorder(t.Context(), unknownID, nil), core.ErrTenantNotFound)
	})
}

func TestTenantsReorderRoots(t *testing.T) {
	t.Parallel()
	f := newForest(t)
	a, b, c := f.add(t, uuid.Nil).ID, f.add(t, uuid.Nil).ID, f.add(t, uuid.Nil).ID
	require.NoError(t, f.Reorder(t.Context(), uuid.Nil, []uuid.UUID{b, c, a}))
	f.requireOrder(t, uuid.Nil, []uuid.UUID{b, c, a})
}

func (f forest) requireOrder(t *testing.T, parent uuid.UUID, want []uuid.UUID) {
	t.Helper()
	children, err := f.Children(t.Context(), parent)
	require.NoError(t, err)
	require.Equal(t, want, ids(children))
}
