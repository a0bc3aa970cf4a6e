package core_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// kin is a small forest as seen from self: above -> {self -> {child, second}, sibling}, and a stranger in another tree.
type kin struct {
	forest

	above, self, child, second, sibling, stranger core.Tenant
}

func newKin(t *testing.T, f forest) kin {
	t.Helper()
	named := func(parent string) core.NewTenant {
		slug := f.slug()
		return core.NewTenant{Name: "n", Slug: slug, ExternalID: "ext-" + slug, ParentSlug: parent}
	}
	above, stranger := named(""), named("")
	self, sibling := named(above.Slug), named(above.Slug)
	created, err := f.CreateBatch(t.Context(), []core.NewTenant{
		above, self, named(self.Slug), named(self.Slug), sibling, stranger,
	})
	require.NoError(t, err)
	return kin{f, created[0], created[1], created[2], created[3], created[4], created[5]}
}

// operations calls every method of Tenants on a target. What each does beside the target concerns tenants that self
// reaches, so that the target alone decides.
func (k kin) operations() map[string]func(ctx context.Context, target core.Tenant) error {
	return map[string]func(ctx context.Context, target core.Tenant) error{
		"Create beneath": func(ctx context.Context, target core.Tenant) error {
			return second(k.Create(ctx, core.NewTenant{Name: "n", Slug: k.slug(), Parent: target.ID}))
		},
		"Create beneath slug": func(ctx context.Context, target core.Tenant) error {
			return second(k.Create(ctx, core.NewTenant{Name: "n", Slug: k.slug(), ParentSlug: target.Slug}))
		},
		"CreateBatch": func(ctx context.Context, target core.Tenant) error {
			return second(k.CreateBatch(ctx, []core.NewTenant{
				{Name: "n", Slug: k.slug(), Parent: k.child.ID}, {Name: "n", Slug: k.slug(), Parent: target.ID},
			}))
		},
		"Get": func(ctx context.Context, target core.Tenant) error { return second(k.Get(ctx, target.ID)) },
		"BySlug": func(ctx context.Context, target core.Tenant) error {
			return second(k.BySlug(ctx, target.Slug))
		},
		"ByExternalID": func(ctx context.Context, target core.Tenant) error {
			return second(k.ByExternalID(ctx, target.ExternalID))
		},
		"List under": func(ctx context.Context, target core.Tenant) error {
			return second(k.List(ctx, core.ListOptions{Under: target.ID}))
		},
		"Children":    func(ctx context.Context, target core.Tenant) error { return second(k.Children(ctx, target.ID)) },
		"Ancestors":   func(ctx context.Context, target core.Tenant) error { return second(k.Ancestors(ctx, target.ID)) },
		"Descendants": func(ctx context.Context, target core.Tenant) error { return second(k.Descendants(ctx, target.ID)) },
		"Rename": func(ctx context.Context, target core.Tenant) error {
			return second(k.Rename(ctx, target.ID, k.slug()))
		},
		"Update": func(ctx context.Context, target core.Tenant) error {
			return second(k.Update(ctx, target.ID, core.TenantUpdate{Metadata: map[string]any{"touched": true}}))
		},
		"Reorder": func(ctx context.Context, target core.Tenant) error { return k.Reorder(ctx, target.ID, nil) },
		"Move": func(ctx context.Context, target core.Tenant) error {
			return second(k.Move(ctx, target.ID, k.second.ID))
		},
		"Move beneath": func(ctx context.Context, target core.Tenant) error {
			return second(k.Move(ctx, k.second.ID, target.ID))
		},
		"Suspend":         func(ctx context.Context, target core.Tenant) error { return k.Suspend(ctx, target.ID) },
		"SuspendSubtree":  func(ctx context.Context, target core.Tenant) error { return second(k.SuspendSubtree(ctx, target.ID)) },
		"Resume":          func(ctx context.Context, target core.Tenant) error { return k.Resume(ctx, target.ID) },
		"Archive":         func(ctx context.Context, target core.Tenant) error { return k.Archive(ctx, target.ID) },
		"Restore":         func(ctx context.Context, target core.Tenant) error { return k.Restore(ctx, target.ID) },
		"Root (operator)": k.rootAsOperator,
	}
}

// rootAsOperator keeps Root in the table although what it tells a tenant is a rule of its own, shown below.
func (k kin) rootAsOperator(ctx context.Context, target core.Tenant) error {
	if _, isTenant := core.TenantFrom(ctx); isTenant {
		_, err := k.Get(ctx, target.ID)
		return err
	}
	_, err := k.Root(ctx, target.ID)
	return err
}

// refusals are the errors that tell outcomes apart.
func refusals() []error {
	return []error{
		core.ErrTenantNotFound, core.ErrTenantExists, core.ErrHasChildren, core.ErrCycle, core.ErrDepth,
		core.ErrTenantState, core.ErrForbidden, core.ErrInvalidTenant, core.ErrOrder, core.ErrTenantNotActive,
	}
}

// outcome returns the refusal that err is, nil for none, or err itself for anything else.
func outcome(err error) error {
	for _, refusal := range refusals() {
		if errors.Is(err, refusal) {
			return refusal
		}
	}
	return err
}

// TestTenantsWhoMayCallWhat calls every method as every caller on every kind of target. Operator and system set the
// standard; within its subtree a tenant gets the same, and outside of it nothing exists and nothing changes.
func TestTenantsWhoMayCallWhat(t *testing.T) {
	t.Parallel()
	f := newForest(t)
	targets := map[string]func(k kin) (target core.Tenant, within bool){
		"itself":       func(k kin) (core.Tenant, bool) { return k.self, true },
		"a descendant": func(k kin) (core.Tenant, bool) { return k.child, true },
		"an ancestor":  func(k kin) (core.Tenant, bool) { return k.above, false },
		"a sibling":    func(k kin) (core.Tenant, bool) { return k.sibling, false },
		"a stranger":   func(k kin) (core.Tenant, bool) { return k.stranger, false },
	}
	for name := range (kin{}).operations() {
		for whom, pick := range targets {
			t.Run(name+" on "+whom, func(t *testing.T) {
				t.Parallel()
				want := f.outcomeAs(t, name, pick, func(ctx context.Context, _ kin) context.Context { return ctx })
				system := f.outcomeAs(t, name, pick, func(ctx context.Context, _ kin) context.Context {
					return core.AsSystem(ctx, "test")
				})
				require.Equal(t, want, system)
				if _, within := pick(kin{}); !within {
					want = core.ErrTenantNotFound
				}
				require.Equal(t, want, f.outcomeAs(t, name, pick, func(ctx context.Context, k kin) context.Context {
					return core.WithTenant(ctx, k.self.ID)
				}))
				require.Equal(t, want, f.outcomeAs(t, name, pick, func(ctx context.Context, k kin) context.Context {
					return core.WithSubtree(ctx, k.self.ID)
				}))
			})
		}
	}
}

// outcomeAs runs one operation on a fresh forest, and sees that a refused one has changed nothing.
func (f forest) outcomeAs(
	t *testing.T, name string, pick func(k kin) (core.Tenant, bool),
	as func(ctx context.Context, k kin) context.Context,
) error {
	t.Helper()
	k := newKin(t, f)
	target, _ := pick(k)
	before := k.everything(t)
	got := outcome(k.operations()[name](as(t.Context(), k), target))
	if got != nil {
		require.Equal(t, before, k.everything(t))
	}
	return got
}

// everything is the whole of both trees.
func (k kin) everything(t *testing.T) []core.Tenant {
	t.Helper()
	var all []core.Tenant
	for _, root := range []core.Tenant{k.above, k.stranger} {
		all = append(all, k.mustGet(t, root.ID))
		descendants, err := k.Descendants(t.Context(), root.ID)
		require.NoError(t, err)
		all = append(all, descendants...)
	}
	return all
}

func TestTenantsOfTenant(t *testing.T) {
	t.Parallel()
	f := newForest(t)
	t.Run("what a tenant may do on itself and beneath succeeds", func(t *testing.T) {
		t.Parallel()
		k := newKin(t, f)
		ctx := core.WithTenant(t.Context(), k.self.ID)
		created, err := k.Create(ctx, core.NewTenant{Name: "n", Slug: f.slug(), Parent: k.child.ID})
		require.NoError(t, err)
		_, err = k.Move(ctx, created.ID, k.second.ID)
		require.NoError(t, err)
		require.NoError(t, k.Reorder(ctx, k.self.ID, []uuid.UUID{k.second.ID, k.child.ID}))
		require.NoError(t, k.Suspend(ctx, created.ID))
		require.NoError(t, k.Archive(ctx, created.ID))
		require.NoError(t, k.Restore(ctx, created.ID))
		_, err = k.Rename(ctx, k.self.ID, f.slug())
		require.NoError(t, err)
	})
	t.Run("List shows a tenant itself and its descendants", func(t *testing.T) {
		t.Parallel()
		k := newKin(t, f)
		page, err := k.List(core.WithTenant(t.Context(), k.self.ID), core.ListOptions{})
		require.NoError(t, err)
		require.ElementsMatch(t, ids([]core.Tenant{k.self, k.child, k.second}), ids(page.Tenants))
	})
	t.Run("Ancestors end at the tenant itself", func(t *testing.T) {
		t.Parallel()
		k := newKin(t, f)
		ctx := core.WithTenant(t.Context(), k.self.ID)
		ancestors, err := k.Ancestors(ctx, k.child.ID)
		require.NoError(t, err)
		require.Equal(t, ids([]core.Tenant{k.self}), ids(ancestors))
		ancestors, err = k.Ancestors(ctx, k.self.ID)
		require.NoError(t, err)
		require.Empty(t, ancestors)
	})
	t.Run("Root is found by the root only", func(t *testing.T) {
		t.Parallel()
		k := newKin(t, f)
		_, err := k.Root(core.WithTenant(t.Context(), k.self.ID), k.child.ID)
		require.ErrorIs(t, err, core.ErrTenantNotFound)
		root, err := k.Root(core.WithTenant(t.Context(), k.above.ID), k.child.ID)
		require.NoError(t, err)
		require.Equal(t, k.above, root)
	})
	t.Run("roots are not made, ordered or listed", func(t *testing.T) {
		t.Parallel()
		k := newKin(t, f)
		ctx := core.WithTenant(t.Context(), k.above.ID) // not even by a root
		_, err := k.Create(ctx, core.NewTenant{Name: "n", Slug: f.slug()})
		require.ErrorIs(t, err, core.ErrForbidden)
		_, err = k.CreateBatch(ctx, []core.NewTenant{
			{Name: "n", Slug: f.slug(), Parent: k.self.ID}, {Name: "n", Slug: f.slug()},
		})
		require.ErrorIs(t, err, core.ErrForbidden)
		_, err = k.Children(ctx, uuid.Nil)
		require.ErrorIs(t, err, core.ErrForbidden)
		require.ErrorIs(t, k.Reorder(ctx, uuid.Nil, nil), core.ErrForbidden)
		for _, id := range []uuid.UUID{k.above.ID, k.self.ID, k.stranger.ID, unknownID} {
			_, err = k.Move(ctx, id, uuid.Nil)
			require.ErrorIs(t, err, core.ErrForbidden)
		}
	})
	t.Run("a move to where the tenant is does not tell its parent", func(t *testing.T) {
		t.Parallel()
		k := newKin(t, f)
		_, err := k.Move(core.WithTenant(t.Context(), k.self.ID), k.self.ID, k.above.ID)
		require.ErrorIs(t, err, core.ErrTenantNotFound)
	})
	t.Run("that a key is taken outside shows, and no more", func(t *testing.T) {
		t.Parallel()
		k := newKin(t, f)
		_, err := k.Rename(core.WithTenant(t.Context(), k.self.ID), k.child.ID, k.stranger.Slug)
		requireExists(t, "Slug", err)
		for _, secret := range []string{k.stranger.Slug, k.stranger.ID.String(), k.stranger.ExternalID, "tenants_"} {
			require.NotContains(t, err.Error(), secret)
		}
	})
	t.Run("a tenant that is not active may do nothing", func(t *testing.T) {
		t.Parallel()
		for name := range (kin{}).operations() {
			k := newKin(t, f)
			_, err := k.SuspendSubtree(t.Context(), k.self.ID)
			require.NoError(t, err)
			before := k.everything(t)
			ctx := core.WithTenant(t.Context(), k.self.ID)
			require.ErrorIs(t, k.operations()[name](ctx, k.self), core.ErrTenantNotActive, name)
			require.Equal(t, before, k.everything(t))
		}
	})
	t.Run("a tenant may suspend itself, and that is its last word", func(t *testing.T) {
		t.Parallel()
		k := newKin(t, f)
		ctx := core.WithTenant(t.Context(), k.child.ID)
		require.NoError(t, k.Suspend(ctx, k.child.ID))
		require.ErrorIs(t, k.Resume(ctx, k.child.ID), core.ErrTenantNotActive)
	})
	t.Run("a tenant that does not exist may do nothing", func(t *testing.T) {
		t.Parallel()
		k := newKin(t, f)
		for name, operation := range k.operations() {
			err := operation(core.WithTenant(t.Context(), unknownID), k.self)
			require.ErrorIs(t, err, core.ErrTenantNotFound, name)
		}
	})
	t.Run("no id is no tenant, and no operator either", func(t *testing.T) {
		t.Parallel()
		k := newKin(t, f)
		for name, operation := range k.operations() {
			require.ErrorIs(t, operation(core.WithTenant(t.Context(), uuid.Nil), k.self), core.ErrNoTenant, name)
			require.ErrorIs(t, operation(core.WithSubtree(t.Context(), uuid.Nil), k.self), core.ErrNoTenant, name)
		}
	})
	t.Run("the system must have a reason", func(t *testing.T) {
		t.Parallel()
		k := newKin(t, f)
		for name, operation := range k.operations() {
			require.ErrorIs(t, operation(core.AsSystem(t.Context(), " "), k.self), core.ErrNoReason, name)
		}
	})
}
