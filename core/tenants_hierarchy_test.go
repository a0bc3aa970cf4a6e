package core_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

func TestTenantsCreate(t *testing.T) {
	t.Parallel()
	f := newForest(t)
	t.Run("a root has no parent and is on level 1", func(t *testing.T) {
		t.Parallel()
		root := f.add(t, uuid.Nil)
		require.Equal(t, uuid.Nil, root.ParentID)
		require.Equal(t, 1, root.Depth())
		require.Equal(t, root.Label.String(), root.Path.String())
	})
	t.Run("a child's path continues its parent's", func(t *testing.T) {
		t.Parallel()
		root := f.add(t, uuid.Nil)
		child := f.add(t, root.ID)
		require.Equal(t, root.ID, child.ParentID)
		require.Equal(t, root.Path.String()+"."+child.Label.String(), child.Path.String())
	})
	t.Run("what was given comes back, at once and from Get", func(t *testing.T) {
		t.Parallel()
		given := core.NewTenant{
			ID: uuid.New(), Name: "Äcme & Söhne", Slug: f.slug(), ExternalID: "org_01H" + f.slug(),
			Metadata: map[string]any{"plan": "pro", "seats": 12.0, "tags": []any{"a", `\u0000`}, "none": nil},
		}
		before := time.Now().Add(-time.Minute)
		created, err := f.Create(t.Context(), given)
		require.NoError(t, err)
		require.Equal(t, given.ID, created.ID)
		require.Equal(t, given.Name, created.Name)
		require.Equal(t, given.Slug, created.Slug)
		require.Equal(t, given.ExternalID, created.ExternalID)
		require.Equal(t, given.Metadata, created.Metadata)
		require.Equal(t, core.StatusActive, created.Status)
		require.WithinRange(t, created.CreatedAt, before, time.Now().Add(time.Minute))
		require.Equal(t, created.CreatedAt, created.UpdatedAt)
		require.Equal(t, created, f.mustGet(t, given.ID))
	})
	t.Run("an id is a UUID of version 7 and later ones are greater", func(t *testing.T) {
		t.Parallel()
		first, second := f.add(t, uuid.Nil), f.add(t, uuid.Nil)
		require.Equal(t, uuid.Version(7), first.ID.Version())
		require.Less(t, first.ID.String(), second.ID.String())
	})
	t.Run("metadata defaults to an empty object", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, map[string]any{}, f.add(t, uuid.Nil).Metadata)
	})
	t.Run("the parent may be named by its slug", func(t *testing.T) {
		t.Parallel()
		root := f.add(t, uuid.Nil)
		child, err := f.Create(t.Context(), core.NewTenant{Name: "n", Slug: f.slug(), ParentSlug: root.Slug})
		require.NoError(t, err)
		require.Equal(t, root.ID, child.ParentID)
	})
	t.Run("a parent by id and by slug is one too many", func(t *testing.T) {
		t.Parallel()
		root := f.add(t, uuid.Nil)
		n := core.NewTenant{Name: "n", Slug: f.slug(), Parent: root.ID, ParentSlug: root.Slug}
		requireInvalid(t, "ParentSlug", createError(t, f, n))
	})
	t.Run("an unknown parent is not found", func(t *testing.T) {
		t.Parallel()
		for _, n := range []core.NewTenant{
			{Parent: unknownID}, {ParentSlug: "nobody"}, {ParentSlug: "No Slug"}, {ParentSlug: "\x00"},
		} {
			n.Name, n.Slug = "n", f.slug()
			require.ErrorIs(t, createError(t, f, n), core.ErrTenantNotFound)
		}
	})
	t.Run("a tenant cannot be its own parent", func(t *testing.T) {
		t.Parallel()
		id, slug := uuid.New(), f.slug()
		require.ErrorIs(t, createError(t, f, core.NewTenant{ID: id, Parent: id, Name: "n", Slug: slug}),
			core.ErrTenantNotFound)
		require.ErrorIs(t, createError(t, f, core.NewTenant{ParentSlug: slug, Name: "n", Slug: slug}),
			core.ErrTenantNotFound)
	})
	t.Run("a slug is taken once in the whole forest", func(t *testing.T) {
		t.Parallel()
		taken := f.add(t, f.add(t, uuid.Nil).ID)
		requireExists(t, "Slug", createError(t, f, core.NewTenant{Name: "n", Slug: taken.Slug}))
	})
	t.Run("an external id is taken once in the whole forest", func(t *testing.T) {
		t.Parallel()
		external := f.slug()
		_, err := f.Create(t.Context(), core.NewTenant{Name: "n", Slug: f.slug(), ExternalID: external})
		require.NoError(t, err)
		requireExists(t, "ExternalID", createError(t, f, core.NewTenant{Name: "n", Slug: f.slug(), ExternalID: external}))
	})
	t.Run("an id is taken once", func(t *testing.T) {
		t.Parallel()
		requireExists(t, "ID", createError(t, f, core.NewTenant{ID: f.add(t, uuid.Nil).ID, Name: "n", Slug: f.slug()}))
	})
	t.Run("any number of tenants have no external id", func(t *testing.T) {
		t.Parallel()
		require.Empty(t, f.add(t, uuid.Nil).ExternalID)
		require.Empty(t, f.add(t, uuid.Nil).ExternalID)
	})
	t.Run("level 20 exists and level 21 does not", func(t *testing.T) {
		t.Parallel()
		chain := f.chain(t, uuid.Nil, core.MaxDepth)
		require.Equal(t, 20, chain[19].Depth())
		err := createError(t, f, core.NewTenant{Name: "n", Slug: f.slug(), Parent: chain[19].ID})
		require.ErrorIs(t, err, core.ErrDepth)
	})
	t.Run("nothing is created beneath a tenant that is not active", func(t *testing.T) {
		t.Parallel()
		for _, status := range []core.Status{
			core.StatusSuspended, core.StatusArchived, core.StatusProvisioning, core.StatusMoving,
		} {
			parent := f.add(t, uuid.Nil)
			f.setStatus(t, parent, status)
			err := createError(t, f, core.NewTenant{Name: "n", Slug: f.slug(), Parent: parent.ID})
			requireState(t, status, err)
		}
	})
	t.Run("what cannot be a slug is refused", func(t *testing.T) {
		t.Parallel()
		for _, slug := range []string{
			"", "1a", "-a", "_a", "A", "aB", "a b", "a.b", "ä", "a\n", "a\x00", "a\xff", strings.Repeat("a", 64),
		} {
			requireInvalid(t, "Slug", createError(t, f, core.NewTenant{Name: "n", Slug: slug}))
		}
		_, err := f.Create(t.Context(), core.NewTenant{Name: "n", Slug: "a-_9" + strings.Repeat("z", 59)})
		require.NoError(t, err)
	})
	t.Run("what cannot be a name is refused", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"", " \t", "a\x00", "a\xff", strings.Repeat("ä", core.MaxNameLength+1)} {
			requireInvalid(t, "Name", createError(t, f, core.NewTenant{Name: name, Slug: f.slug()}))
		}
		name := strings.Repeat("ä", core.MaxNameLength)
		created, err := f.Create(t.Context(), core.NewTenant{Name: name, Slug: f.slug()})
		require.NoError(t, err)
		require.Equal(t, name, created.Name)
	})
	t.Run("what cannot be an external id is refused", func(t *testing.T) {
		t.Parallel()
		for _, id := range []string{"a\x00", "a\xff", strings.Repeat("ä", core.MaxExternalIDLength+1)} {
			requireInvalid(t, "ExternalID", createError(t, f, core.NewTenant{Name: "n", Slug: f.slug(), ExternalID: id}))
		}
		// The longest one in bytes must fit into the index.
		longest := strings.Repeat("😀", core.MaxExternalIDLength)
		_, err := f.Create(t.Context(), core.NewTenant{Name: "n", Slug: f.slug(), ExternalID: longest})
		require.NoError(t, err)
	})
	t.Run("what JSON or PostgreSQL cannot hold is refused as metadata", func(t *testing.T) {
		t.Parallel()
		for name, value := range unstorable() {
			err := createError(t, f, core.NewTenant{Name: "n", Slug: f.slug(), Metadata: map[string]any{"k": value}})
			requireInvalid(t, "Metadata", err)
			require.NotContains(t, err.Error(), "secret", name)
		}
	})
}

func TestTenantsLookUp(t *testing.T) {
	t.Parallel()
	f := newForest(t)
	t.Run("Get finds by id", func(t *testing.T) {
		t.Parallel()
		root := f.add(t, uuid.Nil)
		require.Equal(t, root, f.mustGet(t, root.ID))
	})
	t.Run("Get of an unknown id is not found", func(t *testing.T) {
		t.Parallel()
		for _, id := range []uuid.UUID{unknownID, uuid.Nil} {
			_, err := f.Get(t.Context(), id)
			require.ErrorIs(t, err, core.ErrTenantNotFound)
		}
	})
	t.Run("BySlug finds by slug", func(t *testing.T) {
		t.Parallel()
		root := f.add(t, uuid.Nil)
		found, err := f.BySlug(t.Context(), root.Slug)
		require.NoError(t, err)
		require.Equal(t, root, found)
	})
	t.Run("BySlug of an unknown or impossible slug is not found", func(t *testing.T) {
		t.Parallel()
		for _, slug := range []string{"nobody", "", "No Slug", "a\x00", "\xff"} {
			_, err := f.BySlug(t.Context(), slug)
			require.ErrorIs(t, err, core.ErrTenantNotFound)
		}
	})
	t.Run("ByExternalID finds by external id", func(t *testing.T) {
		t.Parallel()
		created, err := f.Create(t.Context(), core.NewTenant{Name: "n", Slug: f.slug(), ExternalID: "org/7 ä"})
		require.NoError(t, err)
		found, err := f.ByExternalID(t.Context(), "org/7 ä")
		require.NoError(t, err)
		require.Equal(t, created, found)
	})
	t.Run("ByExternalID of an unknown or empty one is not found", func(t *testing.T) {
		t.Parallel()
		f.add(t, uuid.Nil) // has none, which is not the empty one
		for _, id := range []string{"nobody's", "", "a\x00", "\xff"} {
			_, err := f.ByExternalID(t.Context(), id)
			require.ErrorIs(t, err, core.ErrTenantNotFound)
		}
	})
	t.Run("Children come in the order of creation, of every status", func(t *testing.T) {
		t.Parallel()
		root := f.add(t, uuid.Nil)
		want := []core.Tenant{f.add(t, root.ID), f.add(t, root.ID), f.add(t, root.ID)}
		f.add(t, want[0].ID) // a grandchild is no child
		require.NoError(t, f.Archive(t.Context(), want[1].ID))
		children, err := f.Children(t.Context(), root.ID)
		require.NoError(t, err)
		require.Equal(t, ids(want), ids(children))
	})
	t.Run("Children of a leaf are none", func(t *testing.T) {
		t.Parallel()
		children, err := f.Children(t.Context(), f.add(t, uuid.Nil).ID)
		require.NoError(t, err)
		require.Empty(t, children)
	})
	t.Run("Children of an unknown tenant are not found", func(t *testing.T) {
		t.Parallel()
		_, err := f.Children(t.Context(), unknownID)
		require.ErrorIs(t, err, core.ErrTenantNotFound)
	})
	t.Run("Children of uuid.Nil are the roots", func(t *testing.T) {
		t.Parallel()
		root := f.add(t, uuid.Nil)
		child := f.add(t, root.ID)
		roots, err := f.Children(t.Context(), uuid.Nil)
		require.NoError(t, err)
		require.Contains(t, ids(roots), root.ID)
		require.NotContains(t, ids(roots), child.ID)
	})
	t.Run("Ancestors come root first, without the tenant", func(t *testing.T) {
		t.Parallel()
		chain := f.chain(t, uuid.Nil, core.MaxDepth)
		ancestors, err := f.Ancestors(t.Context(), chain[19].ID)
		require.NoError(t, err)
		require.Equal(t, chain[:19], ancestors)
	})
	t.Run("Ancestors of a root are none", func(t *testing.T) {
		t.Parallel()
		ancestors, err := f.Ancestors(t.Context(), f.add(t, uuid.Nil).ID)
		require.NoError(t, err)
		require.Empty(t, ancestors)
	})
	t.Run("Ancestors of an unknown tenant are not found", func(t *testing.T) {
		t.Parallel()
		_, err := f.Ancestors(t.Context(), unknownID)
		require.ErrorIs(t, err, core.ErrTenantNotFound)
	})
	t.Run("Root of any tenant is the top of its tree", func(t *testing.T) {
		t.Parallel()
		chain := f.chain(t, uuid.Nil, 4)
		for _, tenant := range chain {
			root, err := f.Root(t.Context(), tenant.ID)
			require.NoError(t, err)
			require.Equal(t, chain[0], root)
		}
	})
	t.Run("Root of an unknown tenant is not found", func(t *testing.T) {
		t.Parallel()
		_, err := f.Root(t.Context(), unknownID)
		require.ErrorIs(t, err, core.ErrTenantNotFound)
	})
	t.Run("Descendants come each behind its parent, without the tenant", func(t *testing.T) {
		t.Parallel()
		root := f.add(t, uuid.Nil)
		a := f.add(t, root.ID)
		b := f.add(t, root.ID)
		a1 := f.add(t, a.ID)
		b1 := f.add(t, b.ID)
		f.add(t, uuid.Nil) // another tree
		descendants, err := f.Descendants(t.Context(), root.ID)
		require.NoError(t, err)
		seen := map[uuid.UUID]bool{root.ID: true}
		for _, d := range descendants {
			require.True(t, seen[d.ParentID])
			seen[d.ID] = true
		}
		require.ElementsMatch(t, ids([]core.Tenant{a, b, a1, b1}), ids(descendants))
	})
	t.Run("Descendants of a leaf are none", func(t *testing.T) {
		t.Parallel()
		descendants, err := f.Descendants(t.Context(), f.add(t, uuid.Nil).ID)
		require.NoError(t, err)
		require.Empty(t, descendants)
	})
	t.Run("Descendants of an unknown tenant are not found", func(t *testing.T) {
		t.Parallel()
		_, err := f.Descendants(t.Context(), unknownID)
		require.ErrorIs(t, err, core.ErrTenantNotFound)
	})
}

func TestTenantsList(t *testing.T) {
	t.Parallel()
	f := newForest(t)
	root := f.add(t, uuid.Nil)
	want := make([]core.Tenant, 11)
	want[0] = root
	for i := range want[1:] {
		want[i+1] = f.add(t, root.ID)
	}
	other := f.add(t, uuid.Nil)
	for _, child := range want[1:4] {
		require.NoError(t, f.Suspend(t.Context(), child.ID))
	}
	t.Run("pages follow each other without a gap or a repetition", func(t *testing.T) {
		t.Parallel()
		for limit := 1; limit <= len(want)+2; limit++ {
			require.Equal(t, append(ids(want), other.ID), f.listAll(t, core.ListOptions{Limit: limit}))
		}
	})
	t.Run("a page says when it is the last", func(t *testing.T) {
		t.Parallel()
		page, err := f.List(t.Context(), core.ListOptions{Limit: len(want) + 1})
		require.NoError(t, err)
		require.Len(t, page.Tenants, len(want)+1)
		require.Empty(t, page.Next)
	})
	t.Run("Under keeps a tenant and its descendants", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, ids(want), f.listAll(t, core.ListOptions{Limit: 4, Under: root.ID}))
	})
	t.Run("Statuses keeps tenants with one of them", func(t *testing.T) {
		t.Parallel()
		suspended := []core.Status{core.StatusSuspended}
		require.Equal(t, ids(want[1:4]), f.listAll(t, core.ListOptions{Limit: 2, Statuses: suspended}))
		both := []core.Status{core.StatusActive, core.StatusSuspended}
		require.Equal(t, ids(want), f.listAll(t, core.ListOptions{Statuses: both, Under: root.ID}))
		none := []core.Status{core.StatusArchived}
		require.Empty(t, f.listAll(t, core.ListOptions{Statuses: none}))
	})
	t.Run("Under an unknown tenant is not found", func(t *testing.T) {
		t.Parallel()
		_, err := f.List(t.Context(), core.ListOptions{Under: unknownID})
		require.ErrorIs(t, err, core.ErrTenantNotFound)
	})
	t.Run("options out of range are refused", func(t *testing.T) {
		t.Parallel()
		for field, opts := range map[string]core.ListOptions{
			"Limit":    {Limit: 1001},
			"After":    {After: "page 2"},
			"Statuses": {Statuses: []core.Status{"happy"}},
		} {
			_, err := f.List(t.Context(), opts)
			requireInvalid(t, field, err)
		}
		_, err := f.List(t.Context(), core.ListOptions{Limit: -1})
		requireInvalid(t, "Limit", err)
	})
}

// listAll follows the pages to the end.
func (f forest) listAll(t *testing.T, opts core.ListOptions) []uuid.UUID {
	t.Helper()
	var all []uuid.UUID
	for {
		page, err := f.List(t.Context(), opts)
		require.NoError(t, err)
		all = append(all, ids(page.Tenants)...)
		if page.Next == "" {
			return all
		}
		opts.After = page.Next
	}
}
