package core_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

func TestTenantsMove(t *testing.T) {
	t.Parallel()
	f := newForest(t)
	t.Run("a move takes everything beneath along", func(t *testing.T) {
		t.Parallel()
		from, to := f.add(t, uuid.Nil), f.add(t, uuid.Nil)
		chain := f.chain(t, from.ID, 3)
		moved, err := f.Move(t.Context(), chain[0].ID, to.ID)
		require.NoError(t, err)
		require.Equal(t, to.ID, moved.ParentID)
		require.Equal(t, to.Path.String()+"."+chain[0].Label.String(), moved.Path.String())
		require.True(t, moved.UpdatedAt.After(chain[0].UpdatedAt))
		require.Equal(t, moved, f.mustGet(t, moved.ID))
		beneath, err := f.Descendants(t.Context(), to.ID)
		require.NoError(t, err)
		require.Equal(t, ids(chain), ids(beneath))
		left, err := f.Descendants(t.Context(), from.ID)
		require.NoError(t, err)
		require.Empty(t, left)
	})
	t.Run("a move changes nothing but paths beneath", func(t *testing.T) {
		t.Parallel()
		chain := f.chain(t, f.add(t, uuid.Nil).ID, 2)
		require.NoError(t, f.move(t.Context(), chain[0].ID, f.add(t, uuid.Nil).ID))
		after := f.mustGet(t, chain[1].ID)
		require.NotEqual(t, chain[1].Path, after.Path)
		after.Path = chain[1].Path
		require.Equal(t, chain[1], after)
	})
	t.Run("to uuid.Nil a tenant becomes a root", func(t *testing.T) {
		t.Parallel()
		chain := f.chain(t, uuid.Nil, 3)
		moved, err := f.Move(t.Context(), chain[1].ID, uuid.Nil)
		require.NoError(t, err)
		require.Equal(t, uuid.Nil, moved.ParentID)
		require.Equal(t, 1, moved.Depth())
		root, err := f.Root(t.Context(), chain[2].ID)
		require.NoError(t, err)
		require.Equal(t, moved, root)
	})
	t.Run("a root moves beneath another", func(t *testing.T) {
		t.Parallel()
		root, other := f.add(t, uuid.Nil), f.add(t, uuid.Nil)
		require.NoError(t, f.move(t.Context(), root.ID, other.ID))
		require.Equal(t, 2, f.mustGet(t, root.ID).Depth())
	})
	t.Run("a tenant moves up to its grandparent and back", func(t *testing.T) {
		t.Parallel()
		chain := f.chain(t, uuid.Nil, 4)
		require.NoError(t, f.move(t.Context(), chain[2].ID, chain[0].ID))
		require.NoError(t, f.move(t.Context(), chain[2].ID, chain[1].ID))
		require.Equal(t, chain[3].Path, f.mustGet(t, chain[3].ID).Path)
	})
	t.Run("a move to where the tenant is changes nothing", func(t *testing.T) {
		t.Parallel()
		chain := f.chain(t, uuid.Nil, 2)
		for i, parent := range []uuid.UUID{uuid.Nil, chain[0].ID} {
			moved, err := f.Move(t.Context(), chain[i].ID, parent)
			require.NoError(t, err)
			require.Equal(t, chain[i], moved)
			require.Equal(t, chain[i], f.mustGet(t, chain[i].ID))
		}
	})
	t.Run("beneath itself or a descendant is a cycle", func(t *testing.T) {
		t.Parallel()
		chain := f.chain(t, uuid.Nil, 4)
		for _, parent := range chain[1:] {
			require.ErrorIs(t, f.move(t.Context(), chain[1].ID, parent.ID), core.ErrCycle)
		}
	})
	t.Run("a cycle is a cycle whatever the statuses", func(t *testing.T) {
		t.Parallel()
		chain := f.chain(t, uuid.Nil, 3)
		_, err := f.SuspendSubtree(t.Context(), chain[0].ID)
		require.NoError(t, err)
		require.ErrorIs(t, f.move(t.Context(), chain[0].ID, chain[2].ID), core.ErrCycle)
	})
	t.Run("a label that begins like another is no ancestor", func(t *testing.T) {
		t.Parallel()
		// Labels count up, so that one of these 40 begins with another: x and x0, for example.
		root := f.add(t, uuid.Nil)
		siblings := make([]core.Tenant, 40)
		for i := range siblings {
			siblings[i] = f.add(t, root.ID)
		}
		for i := range len(siblings) - 1 {
			require.NoError(t, f.move(t.Context(), siblings[i].ID, siblings[i+1].ID))
			require.NoError(t, f.move(t.Context(), siblings[i].ID, root.ID))
		}
	})
	t.Run("the deepest tenant of the subtree may reach level 20", func(t *testing.T) {
		t.Parallel()
		top := f.chain(t, uuid.Nil, 15)
		short := f.chain(t, uuid.Nil, 5)
		require.NoError(t, f.move(t.Context(), short[0].ID, top[14].ID))
		require.Equal(t, 20, f.mustGet(t, short[4].ID).Depth())
	})
	t.Run("the deepest tenant of the subtree may not reach level 21", func(t *testing.T) {
		t.Parallel()
		top := f.chain(t, uuid.Nil, 15)
		long := f.chain(t, uuid.Nil, 6)
		require.ErrorIs(t, f.move(t.Context(), long[0].ID, top[14].ID), core.ErrDepth)
		require.Equal(t, long[5], f.mustGet(t, long[5].ID))
	})
	t.Run("an unknown tenant or parent is not found", func(t *testing.T) {
		t.Parallel()
		root := f.add(t, uuid.Nil)
		require.ErrorIs(t, f.move(t.Context(), unknownID, root.ID), core.ErrTenantNotFound)
		require.ErrorIs(t, f.move(t.Context(), unknownID, uuid.Nil), core.ErrTenantNotFound)
		require.ErrorIs(t, f.move(t.Context(), root.ID, unknownID), core.ErrTenantNotFound)
	})
	t.Run("a parent must be active", func(t *testing.T) {
		t.Parallel()
		tenant := f.add(t, uuid.Nil)
		require.NoError(t, f.Suspend(t.Context(), tenant.ID)) // even for one that is not
		for _, status := range allStatuses()[1:] {
			parent := f.add(t, uuid.Nil)
			f.setStatus(t, parent, status)
			requireState(t, status, f.move(t.Context(), tenant.ID, parent.ID))
		}
	})
	t.Run("a suspended tenant moves and stays suspended", func(t *testing.T) {
		t.Parallel()
		tenant := f.add(t, uuid.Nil)
		require.NoError(t, f.Suspend(t.Context(), tenant.ID))
		moved, err := f.Move(t.Context(), tenant.ID, f.add(t, uuid.Nil).ID)
		require.NoError(t, err)
		require.Equal(t, core.StatusSuspended, moved.Status)
	})
	t.Run("a tenant that is archived, provisioning or moving does not move", func(t *testing.T) {
		t.Parallel()
		for _, status := range allStatuses()[2:] {
			tenant := f.add(t, f.add(t, uuid.Nil).ID)
			f.setStatus(t, tenant, status)
			requireState(t, status, f.move(t.Context(), tenant.ID, f.add(t, uuid.Nil).ID))
			requireState(t, status, f.move(t.Context(), tenant.ID, uuid.Nil))
		}
	})
}

// TestTenantsLargeSubtree shows that 11,111 tenants are made, moved, suspended and read as one.
func TestTenantsLargeSubtree(t *testing.T) {
	t.Parallel()
	f := newForest(t)
	root, target := f.add(t, uuid.Nil), f.add(t, uuid.Nil)
	batch := []core.NewTenant{{ID: uuid.New(), Parent: root.ID, Name: "n", Slug: f.slug()}}
	for i := 0; len(batch) < 11_111; i++ {
		for range 10 {
			batch = append(batch, core.NewTenant{ID: uuid.New(), Parent: batch[i].ID, Name: "n", Slug: f.slug()})
		}
	}
	timed := func(what string, operation func() error) {
		start := time.Now()
		require.NoError(t, operation())
		t.Logf("%s: %v", what, time.Since(start))
	}
	timed("create 11,111", func() error {
		_, err := f.CreateBatch(t.Context(), batch)
		return err
	})
	timed("move 11,111", func() error {
		_, err := f.Move(t.Context(), batch[0].ID, target.ID)
		return err
	})
	f.checkSound(t.Context(), t)
	timed("read 11,111", func() error {
		descendants, err := f.Descendants(t.Context(), target.ID)
		require.Len(t, descendants, 11_111)
		return err
	})
	timed("suspend 11,112", func() error {
		n, err := f.SuspendSubtree(t.Context(), target.ID)
		require.Equal(t, 11_112, n)
		return err
	})
}
