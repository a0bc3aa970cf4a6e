package core_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/stratum-hq/stratum-go/core"
)

// propertyTime is how long new sequences are begun. rapid has no such limit, and a hundred sequences on a busy machine
// with the race detector take too long.
const propertyTime = 4 * time.Second

// TestTenantsModel runs random sequences of operations on the database and on a model of it in memory, and compares the
// outcome of each and the whole tree after each.
func TestTenantsModel(t *testing.T) {
	t.Parallel()
	f := newForest(t)
	start := time.Now()
	rapid.Check(t, func(rt *rapid.T) {
		if time.Since(start) > propertyTime {
			return
		}
		// Sequences share the table, one after the other, and each starts with nothing.
		f.tamper(t, "TRUNCATE stratum.tenants CASCADE")
		m := newMachine(t.Context(), f, rt)
		rt.Repeat(m.actions())
	})
}

// machine drives the database and the model in step.
type machine struct {
	ctx   context.Context //nolint:containedctx // rapid's actions take no context
	f     forest
	model *modelForest
}

// newMachine starts with a deep tree, so that the limit of levels is near, and with a flat one.
func newMachine(ctx context.Context, f forest, rt *rapid.T) *machine {
	m := &machine{ctx: ctx, f: f, model: &modelForest{nodes: make(map[uuid.UUID]*modelNode)}}
	for _, depth := range []int{rapid.IntRange(14, 18).Draw(rt, "depth"), 1} {
		var parent uuid.UUID
		for range depth {
			parent = m.create(rt, parent)
		}
	}
	return m
}

func (m *machine) actions() map[string]func(rt *rapid.T) {
	return map[string]func(rt *rapid.T){
		"": m.compare,
		"create": func(rt *rapid.T) {
			m.create(rt, m.anyPlace(rt, "parent"))
		},
		"create batch": m.createBatch,
		"move": func(rt *rapid.T) {
			id, parent := m.any(rt, "tenant"), m.anyPlace(rt, "parent")
			m.agree(rt, m.model.move(id, parent), m.f.move(m.ctx, id, parent))
		},
		"suspend": func(rt *rapid.T) {
			id := m.any(rt, "tenant")
			m.agree(rt, m.model.deactivate(id, core.StatusSuspended, core.StatusActive), m.f.Suspend(m.ctx, id))
		},
		"archive": func(rt *rapid.T) {
			id := m.any(rt, "tenant")
			want := m.model.deactivate(id, core.StatusArchived, core.StatusActive, core.StatusSuspended)
			m.agree(rt, want, m.f.Archive(m.ctx, id))
		},
		"resume": func(rt *rapid.T) {
			id := m.any(rt, "tenant")
			m.agree(rt, m.model.activate(id, core.StatusSuspended), m.f.Resume(m.ctx, id))
		},
		"restore": func(rt *rapid.T) {
			id := m.any(rt, "tenant")
			m.agree(rt, m.model.activate(id, core.StatusArchived), m.f.Restore(m.ctx, id))
		},
		"suspend subtree": func(rt *rapid.T) {
			id := m.any(rt, "tenant")
			n, want := m.model.suspendSubtree(id)
			got, err := m.f.SuspendSubtree(m.ctx, id)
			m.agree(rt, want, err)
			require.Equal(rt, n, got)
		},
		"rename": func(rt *rapid.T) {
			id, slug := m.any(rt, "tenant"), m.anySlug(rt)
			_, err := m.f.Rename(m.ctx, id, slug)
			m.agree(rt, m.model.rename(id, slug), err)
		},
		"reorder": m.reorder,
	}
}

// agree requires that the model's outcome is the database's.
func (m *machine) agree(rt *rapid.T, want, got error) {
	rt.Helper()
	if want == nil {
		require.NoError(rt, got)
		return
	}
	require.ErrorIs(rt, got, want)
}

func (m *machine) create(rt *rapid.T, parent uuid.UUID) uuid.UUID {
	n := core.NewTenant{ID: newID(), Slug: m.anySlug(rt), Name: "n", Parent: parent}
	_, err := m.f.Create(m.ctx, n)
	m.agree(rt, m.model.create(n), err)
	return n.ID
}

// createBatch makes some tenants, each beneath one of the batch or one there is. The model goes one by one and takes
// all back at the first error, which must be that of the same element.
func (m *machine) createBatch(rt *rapid.T) {
	places := append([]uuid.UUID{uuid.Nil}, m.model.ids()...)
	batch := make([]core.NewTenant, rapid.IntRange(1, 5).Draw(rt, "size"))
	trial := m.model.clone()
	var want error
	at := -1
	for i := range batch {
		batch[i] = core.NewTenant{
			ID: newID(), Slug: m.anySlug(rt), Name: "n", Parent: rapid.SampledFrom(places).Draw(rt, "parent"),
		}
		places = append(places, batch[i].ID)
	}
	for i, n := range batch {
		if want = trial.create(n); want != nil {
			at = i
			break
		}
	}
	_, err := m.f.CreateBatch(m.ctx, batch)
	if want == nil {
		m.agree(rt, nil, err)
		m.model = trial
		return
	}
	var element *core.BatchError
	require.ErrorAs(rt, err, &element)
	require.Equal(rt, at, element.Index)
	m.agree(rt, want, err)
}

func (m *machine) reorder(rt *rapid.T) {
	parent := m.anyPlace(rt, "parent")
	order := rapid.Permutation(m.model.children(parent)).Draw(rt, "order")
	if len(order) > 0 && rapid.IntRange(0, 4).Draw(rt, "spoil") == 0 {
		order = order[1:]
	}
	m.agree(rt, m.model.reorder(parent, order), m.f.Reorder(m.ctx, parent, order))
}

// any draws a tenant, once in a while one that does not exist.
func (m *machine) any(rt *rapid.T, label string) uuid.UUID {
	return rapid.SampledFrom(append(m.model.ids(), unknownID)).Draw(rt, label)
}

// anyPlace draws a tenant or the place of roots.
func (m *machine) anyPlace(rt *rapid.T, label string) uuid.UUID {
	return rapid.SampledFrom(append(m.model.ids(), unknownID, uuid.Nil)).Draw(rt, label)
}

// anySlug draws a new slug, once in a while one that is or was taken.
func (m *machine) anySlug(rt *rapid.T) string {
	if slugs := m.model.slugs; len(slugs) > 0 && rapid.IntRange(0, 9).Draw(rt, "take slug") == 0 {
		return rapid.SampledFrom(slugs).Draw(rt, "slug")
	}
	return m.f.slug()
}

// compare reads the whole tree and holds it against the model.
func (m *machine) compare(rt *rapid.T) {
	roots, err := m.f.Children(m.ctx, uuid.Nil)
	require.NoError(rt, err)
	require.Equal(rt, m.model.children(uuid.Nil), ids(roots))
	page, err := m.f.List(m.ctx, core.ListOptions{Limit: 1000})
	require.NoError(rt, err)
	require.Equal(rt, m.model.ids(), ids(page.Tenants))
	byParent := make(map[uuid.UUID][]core.Tenant)
	for _, tenant := range page.Tenants {
		node := m.model.nodes[tenant.ID]
		require.Equal(rt, node.slug, tenant.Slug)
		require.Equal(rt, node.status, tenant.Status)
		require.Equal(rt, node.parent, tenant.ParentID)
		require.Equal(rt, m.model.depth(tenant.ID), tenant.Depth())
		byParent[tenant.ParentID] = append(byParent[tenant.ParentID], tenant)
	}
	for parent, children := range byParent {
		slices.SortStableFunc(children, func(a, b core.Tenant) int { return int(a.Position - b.Position) })
		require.Equal(rt, m.model.children(parent), ids(children))
	}
	m.f.checkSound(m.ctx, rt)
}

// newID is what Create would make; the model needs to know it beforehand.
func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
