package core_test

import (
	"bytes"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/core"
)

// modelForest is what Tenants should be, without a database: a map, and rules written down once more, as plainly as
// possible. Its methods return the error that the method of Tenants must match.
type modelForest struct {
	nodes map[uuid.UUID]*modelNode
	slugs []string // all that ever were, to draw from
}

type modelNode struct {
	parent uuid.UUID
	slug   string
	status core.Status
	placed int // 1, 2, 3... in an order given by Reorder; 0 for those behind
}

func (m *modelForest) clone() *modelForest {
	twin := &modelForest{nodes: make(map[uuid.UUID]*modelNode), slugs: slices.Clone(m.slugs)}
	for id, node := range m.nodes {
		copied := *node
		twin.nodes[id] = &copied
	}
	return twin
}

// ids lists the tenants in the order of their ids.
func (m *modelForest) ids() []uuid.UUID {
	return slices.SortedFunc(maps.Keys(m.nodes), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
}

// children lists those that were placed in their order, then the others by id.
func (m *modelForest) children(parent uuid.UUID) []uuid.UUID {
	children := []uuid.UUID{}
	for _, id := range m.ids() {
		if m.nodes[id].parent == parent {
			children = append(children, id)
		}
	}
	rank := func(id uuid.UUID) int { return (m.nodes[id].placed - 1 + 1_000_000) % 1_000_000 }
	slices.SortStableFunc(children, func(a, b uuid.UUID) int { return rank(a) - rank(b) })
	return children
}

func (m *modelForest) depth(id uuid.UUID) int {
	if id == uuid.Nil {
		return 0
	}
	return 1 + m.depth(m.nodes[id].parent)
}

// height is the number of levels from id down to its deepest descendant.
func (m *modelForest) height(id uuid.UUID) int {
	height := 0
	for _, child := range m.children(id) {
		height = max(height, m.height(child))
	}
	return height + 1
}

// within reports whether id is top or beneath it.
func (m *modelForest) within(id, top uuid.UUID) bool {
	return id == top || id != uuid.Nil && m.within(m.nodes[id].parent, top)
}

func (m *modelForest) exists(id uuid.UUID) bool { return id == uuid.Nil || m.nodes[id] != nil }

func (m *modelForest) isActive(id uuid.UUID) bool {
	return id == uuid.Nil || m.nodes[id].status == core.StatusActive
}

func (m *modelForest) isTaken(slug string) bool {
	for _, node := range m.nodes {
		if node.slug == slug {
			return true
		}
	}
	return false
}

func (m *modelForest) create(n core.NewTenant) error {
	switch {
	case !m.exists(n.Parent):
		return core.ErrTenantNotFound
	case !m.isActive(n.Parent):
		return core.ErrTenantState
	case m.depth(n.Parent) == 20:
		return core.ErrDepth
	case m.isTaken(n.Slug):
		return core.ErrTenantExists
	}
	m.nodes[n.ID] = &modelNode{parent: n.Parent, slug: n.Slug, status: core.StatusActive}
	m.slugs = append(m.slugs, n.Slug)
	return nil
}

func (m *modelForest) move(id, parent uuid.UUID) error {
	switch {
	case m.nodes[id] == nil, !m.exists(parent):
		return core.ErrTenantNotFound
	case m.nodes[id].parent == parent:
		return nil
	case m.within(parent, id):
		return core.ErrCycle
	case m.nodes[id].status == core.StatusArchived, !m.isActive(parent):
		return core.ErrTenantState
	case m.depth(parent)+m.height(id) > 20:
		return core.ErrDepth
	}
	m.nodes[id].parent, m.nodes[id].placed = parent, 0
	return nil
}

func (m *modelForest) deactivate(id uuid.UUID, to core.Status, from ...core.Status) error {
	node := m.nodes[id]
	if node == nil {
		return core.ErrTenantNotFound
	}
	if !slices.Contains(from, node.status) {
		return core.ErrTenantState
	}
	if slices.ContainsFunc(m.children(id), m.isActive) {
		return core.ErrHasChildren
	}
	node.status = to
	return nil
}

func (m *modelForest) activate(id uuid.UUID, from core.Status) error {
	node := m.nodes[id]
	if node == nil {
		return core.ErrTenantNotFound
	}
	if node.status != from || !m.isActive(node.parent) {
		return core.ErrTenantState
	}
	node.status = core.StatusActive
	return nil
}

func (m *modelForest) suspendSubtree(id uuid.UUID) (int, error) {
	node := m.nodes[id]
	if node == nil {
		return 0, core.ErrTenantNotFound
	}
	if node.status == core.StatusArchived {
		return 0, core.ErrTenantState
	}
	count := 0
	for other := range m.nodes {
		if m.within(other, id) && m.isActive(other) {
			m.nodes[other].status = core.StatusSuspended
			count++
		}
	}
	return count, nil
}

func (m *modelForest) rename(id uuid.UUID, slug string) error {
	node := m.nodes[id]
	switch {
	case node == nil:
		return core.ErrTenantNotFound
	case node.slug != slug && m.isTaken(slug):
		return core.ErrTenantExists
	}
	node.slug = slug
	m.slugs = append(m.slugs, slug)
	return nil
}

func (m *modelForest) reorder(parent uuid.UUID, order []uuid.UUID) error {
	if !m.exists(parent) {
		return core.ErrTenantNotFound
	}
	if len(order) != len(m.children(parent)) { // the machine leaves one out, or none
		return core.ErrOrder
	}
	for i, id := range order {
		m.nodes[id].placed = i + 1
	}
	return nil
}
