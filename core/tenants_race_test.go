package core_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// How often each race is run, and on how many trees at once.
const (
	raceRounds = 5
	raceLanes  = 6
)

// race makes raceLanes trees in each round, starts the operations on all of them together, and has their errors
// checked, tree by tree in the order of the operations.
func (f forest) race(t *testing.T, prepare func() (operations []func() error, check func(errs []error))) {
	t.Helper()
	for range raceRounds {
		var all []func() error
		checks := make([]func(errs []error), 0, raceLanes)
		each := 0
		for range raceLanes {
			operations, check := prepare()
			all, checks, each = append(all, operations...), append(checks, check), len(operations)
		}
		errs := together(all)
		for lane, check := range checks {
			check(errs[lane*each : (lane+1)*each])
		}
	}
}

// together starts all operations at once and returns their errors.
func together(operations []func() error) []error {
	errs := make([]error, len(operations))
	start := make(chan struct{})
	var running sync.WaitGroup
	for i, operation := range operations {
		running.Go(func() {
			<-start
			errs[i] = operation()
		})
	}
	close(start)
	running.Wait()
	return errs
}

// count returns how many of errs are target.
func count(errs []error, target error) int {
	n := 0
	for _, err := range errs {
		if errors.Is(err, target) || err == nil && target == nil {
			n++
		}
	}
	return n
}

// TestTenantsRaces shows who wins when operations meet that cannot both succeed. What the table checks itself is off: it
// would cover for a lock or a look that an operation forgot.
func TestTenantsRaces(t *testing.T) {
	t.Parallel()
	f := newForest(t)
	f.tamper(t, "ALTER TABLE stratum.tenants DISABLE TRIGGER check_parent, DROP CONSTRAINT tenants_depth_check")
	t.Cleanup(func() { f.checkNoDeadlock(t) })
	t.Run("of two crossed moves one succeeds and one is a cycle", func(t *testing.T) {
		t.Parallel()
		f.race(t, func() ([]func() error, func([]error)) {
			root := f.add(t, uuid.Nil)
			a, b := f.chain(t, root.ID, 3), f.chain(t, root.ID, 3)
			operations := []func() error{
				func() error { return f.move(t.Context(), a[0].ID, b[2].ID) },
				func() error { return f.move(t.Context(), b[0].ID, a[2].ID) },
			}
			return operations, func(errs []error) {
				require.Equal(t, 1, count(errs, nil), "%v", errs)
				require.Equal(t, 1, count(errs, core.ErrCycle), "%v", errs)
			}
		})
	})
	t.Run("of three moves in a ring two succeed and one is a cycle", func(t *testing.T) {
		t.Parallel()
		f.race(t, func() ([]func() error, func([]error)) {
			root := f.add(t, uuid.Nil)
			a, b, c := f.add(t, root.ID).ID, f.add(t, root.ID).ID, f.add(t, root.ID).ID
			operations := []func() error{
				func() error { return f.move(t.Context(), a, b) },
				func() error { return f.move(t.Context(), b, c) },
				func() error { return f.move(t.Context(), c, a) },
			}
			return operations, func(errs []error) {
				require.Equal(t, 2, count(errs, nil), "%v", errs)
				require.Equal(t, 1, count(errs, core.ErrCycle), "%v", errs)
			}
		})
	})
	t.Run("creates beneath a tenant and its suspension exclude each other", func(t *testing.T) {
		t.Parallel()
		f.raceCreates(t, f.Suspend)
	})
	t.Run("creates beneath a tenant and its archiving exclude each other", func(t *testing.T) {
		t.Parallel()
		f.raceCreates(t, f.Archive)
	})
	t.Run("a child's return and its parent's suspension exclude each other", func(t *testing.T) {
		t.Parallel()
		f.race(t, func() ([]func() error, func([]error)) {
			parent := f.add(t, uuid.Nil)
			suspended, archived := f.add(t, parent.ID), f.add(t, parent.ID)
			require.NoError(t, f.Suspend(t.Context(), suspended.ID))
			require.NoError(t, f.Archive(t.Context(), archived.ID))
			operations := []func() error{
				func() error { return f.Suspend(t.Context(), parent.ID) },
				func() error { return f.Resume(t.Context(), suspended.ID) },
				func() error { return f.Restore(t.Context(), archived.ID) },
			}
			return operations, func(errs []error) {
				if errs[0] == nil {
					require.Equal(t, 2, count(errs, core.ErrTenantState), "%v", errs)
					return
				}
				require.ErrorIs(t, errs[0], core.ErrHasChildren)
				require.Equal(t, 2, count(errs, nil), "%v", errs)
			}
		})
	})
	t.Run("of equal changes of status one succeeds", func(t *testing.T) {
		t.Parallel()
		f.race(t, func() ([]func() error, func([]error)) {
			tenant := f.add(t, uuid.Nil)
			suspend := func() error { return f.Suspend(t.Context(), tenant.ID) }
			return []func() error{suspend, suspend, suspend}, func(errs []error) {
				require.Equal(t, 1, count(errs, nil), "%v", errs)
				require.Equal(t, 2, count(errs, core.ErrTenantState), "%v", errs)
			}
		})
	})
	t.Run("a move and a create that exceed 20 levels together exclude each other", func(t *testing.T) {
		t.Parallel()
		f.race(t, func() ([]func() error, func([]error)) {
			// Both fit into 20 levels, one after the other does not.
			top, branch := f.chain(t, uuid.Nil, 15), f.chain(t, uuid.Nil, 5)
			operations := []func() error{
				func() error { return f.move(t.Context(), branch[0].ID, top[14].ID) },
				func() error {
					_, err := f.Create(t.Context(), core.NewTenant{Name: "n", Slug: f.slug(), Parent: branch[4].ID})
					return err
				},
			}
			return operations, func(errs []error) {
				require.Equal(t, 1, count(errs, nil), "%v", errs)
				require.Equal(t, 1, count(errs, core.ErrDepth), "%v", errs)
			}
		})
	})
	t.Run("a move beneath a tenant and its suspension exclude each other", func(t *testing.T) {
		t.Parallel()
		f.race(t, func() ([]func() error, func([]error)) {
			tenant, target := f.add(t, uuid.Nil), f.add(t, uuid.Nil)
			operations := []func() error{
				func() error { return f.move(t.Context(), tenant.ID, target.ID) },
				func() error { return f.Suspend(t.Context(), target.ID) },
			}
			return operations, func(errs []error) {
				require.Equal(t, 1, count(errs, nil), "%v", errs)
				require.Equal(t, 1, count(errs, core.ErrTenantState)+count(errs, core.ErrHasChildren), "%v", errs)
			}
		})
	})
	t.Run("a new tenant is suspended with the subtree or not created", func(t *testing.T) {
		t.Parallel()
		f.race(t, func() ([]func() error, func([]error)) {
			chain := f.chain(t, uuid.Nil, 4)
			var suspended int
			operations := []func() error{
				func() (err error) {
					suspended, err = f.SuspendSubtree(t.Context(), chain[0].ID)
					return err
				},
				func() error {
					_, err := f.Create(t.Context(), core.NewTenant{Name: "n", Slug: f.slug(), Parent: chain[3].ID})
					return err
				},
			}
			return operations, func(errs []error) {
				require.NoError(t, errs[0])
				if errs[1] != nil {
					require.ErrorIs(t, errs[1], core.ErrTenantState)
					require.Equal(t, 4, suspended)
					return
				}
				require.Equal(t, 5, suspended)
			}
		})
	})
	t.Run("two tenants that want each other's slug keep their own", func(t *testing.T) {
		t.Parallel()
		f.race(t, func() ([]func() error, func([]error)) {
			a, b := f.add(t, uuid.Nil), f.add(t, uuid.Nil)
			return []func() error{
				func() error { return second(f.Rename(t.Context(), a.ID, b.Slug)) },
				func() error { return second(f.Rename(t.Context(), b.ID, a.Slug)) },
			}, requireAll(t, core.ErrTenantExists)
		})
	})
	t.Run("two tenants that want each other's external id keep their own", func(t *testing.T) {
		t.Parallel()
		f.race(t, func() ([]func() error, func([]error)) {
			a, b := f.add(t, uuid.Nil), f.add(t, uuid.Nil)
			want := func(id uuid.UUID, external string) func() error {
				return func() error { return second(f.Update(t.Context(), id, core.TenantUpdate{ExternalID: &external})) }
			}
			require.NoError(t, want(a.ID, a.Slug)())
			require.NoError(t, want(b.ID, b.Slug)())
			return []func() error{want(a.ID, b.Slug), want(b.ID, a.Slug)}, requireAll(t, core.ErrTenantExists)
		})
	})
	t.Run("of two batches with the same slugs in crossed order one is created", func(t *testing.T) {
		t.Parallel()
		f.race(t, func() ([]func() error, func([]error)) {
			batch := make([]core.NewTenant, 100)
			for i := range batch {
				batch[i] = core.NewTenant{Name: "n", Slug: f.slug()}
			}
			crossed := slices.Clone(batch)
			slices.Reverse(crossed)
			operations := []func() error{
				func() error { return second(f.CreateBatch(t.Context(), batch)) },
				func() error { return second(f.CreateBatch(t.Context(), crossed)) },
			}
			return operations, func(errs []error) {
				require.Equal(t, 1, count(errs, nil), "%v", errs)
				require.Equal(t, 1, count(errs, core.ErrTenantExists), "%v", errs)
			}
		})
	})
	t.Run("of two orders one is the last", func(t *testing.T) {
		t.Parallel()
		f.race(t, func() ([]func() error, func([]error)) {
			order := ids(f.siblings(t, 200))
			crossed := slices.Clone(order)
			slices.Reverse(crossed)
			parent := f.mustGet(t, order[0]).ParentID
			return []func() error{
				func() error { return f.Reorder(t.Context(), parent, order) },
				func() error { return f.Reorder(t.Context(), parent, crossed) },
			}, requireAll(t, nil)
		})
	})
	t.Run("of those who want one slug one gets it", func(t *testing.T) {
		t.Parallel()
		f.race(t, func() ([]func() error, func([]error)) {
			a, b, slug := f.add(t, uuid.Nil), f.add(t, uuid.Nil), f.slug()
			operations := []func() error{
				func() error {
					return second(f.Create(t.Context(), core.NewTenant{Name: "n", Slug: slug, Parent: b.ID}))
				},
				func() error { return second(f.Rename(t.Context(), a.ID, slug)) },
				func() error { return second(f.CreateBatch(t.Context(), []core.NewTenant{{Name: "n", Slug: slug}})) },
			}
			return operations, func(errs []error) {
				require.Equal(t, 1, count(errs, nil), "%v", errs)
				require.Equal(t, 2, count(errs, core.ErrTenantExists), "%v", errs)
			}
		})
	})
}

// requireAll returns a check that all errors are want, or nil.
func requireAll(t *testing.T, want error) func(errs []error) {
	t.Helper()
	return func(errs []error) { require.Equal(t, len(errs), count(errs, want), "%v", errs) }
}

// siblings creates n tenants beneath a root of their own.
func (f forest) siblings(t *testing.T, n int) []core.Tenant {
	t.Helper()
	parent := f.add(t, uuid.Nil)
	batch := make([]core.NewTenant, n)
	for i := range batch {
		batch[i] = core.NewTenant{Name: "n", Slug: f.slug(), Parent: parent.ID}
	}
	created, err := f.CreateBatch(t.Context(), batch)
	require.NoError(t, err)
	return created
}

// raceCreates lets creates beneath a tenant race with an end of its activity: either comes first, and the other is
// refused for it.
func (f forest) raceCreates(t *testing.T, end func(ctx context.Context, id uuid.UUID) error) {
	t.Helper()
	f.race(t, func() ([]func() error, func([]error)) {
		parent := f.add(t, uuid.Nil)
		create := func() error {
			_, err := f.Create(t.Context(), core.NewTenant{Name: "n", Slug: f.slug(), Parent: parent.ID})
			return err
		}
		batch := func() error {
			_, err := f.CreateBatch(t.Context(), []core.NewTenant{
				{Name: "n", Slug: f.slug(), Parent: parent.ID}, {Name: "n", Slug: f.slug(), Parent: parent.ID},
			})
			return err
		}
		operations := []func() error{create, func() error { return end(t.Context(), parent.ID) }, create, batch}
		return operations, func(errs []error) {
			ended := errs[1]
			creates := []error{errs[0], errs[2], errs[3]}
			if ended == nil {
				require.Equal(t, 3, count(creates, core.ErrTenantState), "%v", creates)
				return
			}
			require.ErrorIs(t, ended, core.ErrHasChildren)
			require.Equal(t, 3, count(creates, nil), "%v", creates)
		}
	})
}

// TestTenantsRaceOfEverything lets all methods loose on few tenants and few keys. Whatever happens, each error is one
// of those promised, the tree keeps its rules, and no two operations wait for each other.
func TestTenantsRaceOfEverything(t *testing.T) {
	t.Parallel()
	f := newForest(t)
	tenants := ids(append(f.chain(t, uuid.Nil, 8), f.chain(t, uuid.Nil, 8)...))
	end := time.Now().Add(2 * time.Second)
	lanes := make([]func() error, 12)
	for lane := range lanes {
		random := rand.New(rand.NewPCG(uint64(lane), 1))
		lanes[lane] = func() error {
			for time.Now().Before(end) {
				if err := outcome(f.anything(t.Context(), random, tenants)); err != nil && !slices.Contains(refusals(), err) {
					return err
				}
			}
			return nil
		}
	}
	for _, err := range together(lanes) {
		require.NoError(t, err)
	}
	f.checkNoDeadlock(t)
}

// anything runs one method on random tenants. Slugs and external ids are few, so that they collide.
func (f forest) anything(ctx context.Context, random *rand.Rand, tenants []uuid.UUID) error {
	pick := func() uuid.UUID { return tenants[random.IntN(len(tenants))] }
	key := func() string { return "key-" + string(rune('a'+random.IntN(8))) }
	external, id, other := key(), pick(), pick()
	fresh := func(parent uuid.UUID) core.NewTenant {
		n := core.NewTenant{Name: "n", Slug: f.slug(), Parent: parent}
		if random.IntN(2) == 0 {
			n.Slug, n.ExternalID = key(), key()
		}
		return n
	}
	operations := []func() error{
		func() error { return second(f.Create(ctx, fresh(id))) },
		func() error {
			return second(f.CreateBatch(ctx, []core.NewTenant{fresh(id), fresh(other), fresh(uuid.Nil)}))
		},
		func() error { return f.move(ctx, id, other) },
		func() error { return f.move(ctx, id, uuid.Nil) },
		func() error { return f.Suspend(ctx, id) },
		func() error { return f.Resume(ctx, id) },
		func() error { return f.Archive(ctx, id) },
		func() error { return f.Restore(ctx, id) },
		func() error { return second(f.SuspendSubtree(ctx, id)) },
		func() error { return second(f.Rename(ctx, id, key())) },
		func() error { return second(f.Update(ctx, id, core.TenantUpdate{ExternalID: &external})) },
		func() error { return second(f.Update(ctx, id, core.TenantUpdate{Metadata: map[string]any{"n": 1}})) },
		func() error { return f.reverse(ctx, id) },
		func() error { return second(f.Ancestors(core.WithTenant(ctx, other), id)) },
		func() error { return second(f.Descendants(core.WithTenant(ctx, other), id)) },
		func() error { return second(f.List(core.WithTenant(ctx, other), core.ListOptions{Under: id})) },
	}
	return operations[random.IntN(len(operations))]()
}

// reverse turns the order of a tenant's children around.
func (f forest) reverse(ctx context.Context, id uuid.UUID) error {
	children, err := f.Children(ctx, id)
	if err != nil {
		return err
	}
	order := make([]uuid.UUID, 0, len(children))
	for i := range children {
		order = append(order, children[len(children)-1-i].ID)
	}
	return f.Reorder(ctx, id, order)
}
