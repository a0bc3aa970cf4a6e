package core_test

import (
	"strconv"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

func TestTenantsCreateBatch(t *testing.T) {
	t.Parallel()
	f := newForest(t)
	// refuse creates the batch and returns why not, having seen that nothing of it was kept.
	refuse := func(t *testing.T, batch ...core.NewTenant) *core.BatchError {
		t.Helper()
		before := f.count(t, batch)
		_, err := f.CreateBatch(t.Context(), batch)
		var element *core.BatchError
		require.ErrorAs(t, err, &element)
		require.Equal(t, batch[element.Index].Slug, element.Slug)
		require.Equal(t, before, f.count(t, batch))
		return element
	}
	named := func(parent uuid.UUID) core.NewTenant {
		return core.NewTenant{Name: "n", Slug: f.slug(), Parent: parent}
	}
	t.Run("tenants come back in the order given", func(t *testing.T) {
		t.Parallel()
		root := f.add(t, uuid.Nil)
		batch := []core.NewTenant{named(root.ID), named(uuid.Nil), named(root.ID)}
		created, err := f.CreateBatch(t.Context(), batch)
		require.NoError(t, err)
		require.Len(t, created, len(batch))
		for i, tenant := range created {
			require.Equal(t, batch[i].Slug, tenant.Slug)
			require.Equal(t, batch[i].Parent, tenant.ParentID)
			require.Equal(t, tenant, f.mustGet(t, tenant.ID))
		}
	})
	t.Run("siblings keep the order of the batch", func(t *testing.T) {
		t.Parallel()
		root := f.add(t, uuid.Nil)
		batch := make([]core.NewTenant, 50)
		for i := range batch {
			batch[i] = named(root.ID)
		}
		created, err := f.CreateBatch(t.Context(), batch)
		require.NoError(t, err)
		f.requireOrder(t, root.ID, ids(created))
	})
	t.Run("an empty batch creates nothing", func(t *testing.T) {
		t.Parallel()
		created, err := f.CreateBatch(t.Context(), nil)
		require.NoError(t, err)
		require.Empty(t, created)
	})
	t.Run("a parent may be of the batch, by id or by slug", func(t *testing.T) {
		t.Parallel()
		top := named(uuid.Nil)
		top.ID = uuid.New()
		byID := named(top.ID)
		bySlug := named(uuid.Nil)
		bySlug.ParentSlug = byID.Slug
		created, err := f.CreateBatch(t.Context(), []core.NewTenant{top, byID, bySlug})
		require.NoError(t, err)
		require.Equal(t, created[0].ID, created[1].ParentID)
		require.Equal(t, created[1].ID, created[2].ParentID)
	})
	t.Run("a parent by slug may be in the database", func(t *testing.T) {
		t.Parallel()
		root := f.add(t, uuid.Nil)
		child := named(uuid.Nil)
		child.ParentSlug = root.Slug
		created, err := f.CreateBatch(t.Context(), []core.NewTenant{child})
		require.NoError(t, err)
		require.Equal(t, root.ID, created[0].ParentID)
	})
	t.Run("a parent that comes later is not found", func(t *testing.T) {
		t.Parallel()
		parent := named(uuid.Nil)
		parent.ID = uuid.New()
		bySlug := named(uuid.Nil)
		bySlug.ParentSlug = parent.Slug
		for _, child := range []core.NewTenant{named(parent.ID), bySlug} {
			refused := refuse(t, child, parent)
			require.Equal(t, 0, refused.Index)
			require.ErrorIs(t, refused, core.ErrTenantNotFound)
		}
	})
	t.Run("an unknown parent is not found, and named", func(t *testing.T) {
		t.Parallel()
		refused := refuse(t, named(uuid.Nil), named(unknownID))
		require.Equal(t, 1, refused.Index)
		require.ErrorIs(t, refused, core.ErrTenantNotFound)
	})
	t.Run("a parent that is not active is refused", func(t *testing.T) {
		t.Parallel()
		parent := f.add(t, uuid.Nil)
		require.NoError(t, f.Suspend(t.Context(), parent.ID))
		refused := refuse(t, named(uuid.Nil), named(parent.ID))
		require.Equal(t, 1, refused.Index)
		requireState(t, core.StatusSuspended, refused)
	})
	t.Run("level 21 is refused", func(t *testing.T) {
		t.Parallel()
		batch := make([]core.NewTenant, core.MaxDepth+1)
		var parent uuid.UUID
		for i := range batch {
			batch[i] = named(parent)
			batch[i].ID = uuid.New()
			parent = batch[i].ID
		}
		refused := refuse(t, batch...)
		require.Equal(t, core.MaxDepth, refused.Index)
		require.ErrorIs(t, refused, core.ErrDepth)
	})
	t.Run("an invalid element is named", func(t *testing.T) {
		t.Parallel()
		bad := named(uuid.Nil)
		bad.Name = ""
		refused := refuse(t, named(uuid.Nil), named(uuid.Nil), bad)
		require.Equal(t, 2, refused.Index)
		requireInvalid(t, "Name", refused)
	})
	t.Run("a key twice in a batch is taken the second time", func(t *testing.T) {
		t.Parallel()
		first := named(uuid.Nil)
		first.ID, first.ExternalID = uuid.New(), f.slug()
		for field, second := range sameKey(f, first) {
			refused := refuse(t, first, named(uuid.Nil), second)
			require.Equal(t, 2, refused.Index)
			requireExists(t, field, refused)
		}
	})
	t.Run("a key of a tenant in the database is taken", func(t *testing.T) {
		t.Parallel()
		first := named(uuid.Nil)
		first.ID, first.ExternalID = uuid.New(), f.slug()
		_, err := f.Create(t.Context(), first)
		require.NoError(t, err)
		for field, second := range sameKey(f, first) {
			refused := refuse(t, named(uuid.Nil), second)
			require.Equal(t, 1, refused.Index)
			requireExists(t, field, refused)
		}
	})
	t.Run("5,000 tenants of a file, parents by slug", func(t *testing.T) {
		t.Parallel()
		batch := make([]core.NewTenant, 5000)
		for i := range batch {
			batch[i] = core.NewTenant{Name: "Customer " + strconv.Itoa(i), Slug: f.slug(), ExternalID: f.slug()}
			if i > 0 {
				batch[i].ParentSlug = batch[(i-1)/5].Slug
			}
		}
		created, err := f.CreateBatch(t.Context(), batch)
		require.NoError(t, err)
		require.Equal(t, 7, created[4999].Depth())
		all, err := f.Descendants(t.Context(), created[0].ID)
		require.NoError(t, err)
		require.Len(t, all, 4999)
	})
}

// sameKey returns tenants that have one key in common with first, by the field.
func sameKey(f forest, first core.NewTenant) map[string]core.NewTenant {
	return map[string]core.NewTenant{
		"ID":         {Name: "n", Slug: f.slug(), ID: first.ID},
		"Slug":       {Name: "n", Slug: first.Slug},
		"ExternalID": {Name: "n", Slug: f.slug(), ExternalID: first.ExternalID},
	}
}

// count returns how many of the batch's slugs exist.
func (f forest) count(t *testing.T, batch []core.NewTenant) int {
	t.Helper()
	slugs := make([]string, 0, len(batch))
	for _, n := range batch {
		slugs = append(slugs, n.Slug)
	}
	var count int
	require.NoError(t, f.admin.QueryRow(t.Context(),
		"SELECT count(*) FROM stratum.tenants WHERE slug = ANY($1)", slugs).Scan(&count))
	return count
}
