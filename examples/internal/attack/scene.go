package attack

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/core"
)

// Scene is who takes part in the attempts, and the application that they use.
type Scene struct {
	Me     Party // who attempts
	Other  Party // a tenant elsewhere in the tree
	Parent Party // of Me
	Child  Party // of Me

	Apart Apart // tenants with a place of their own, if there are any

	st         *core.Stratum
	orm        ORM
	systemRole string // what work across tenants runs as
	places     places
	before     string // the fingerprint of all tables
}

// Party is a tenant with one row of each kind.
type Party struct {
	Tenant               core.Tenant
	Ticket, Comment, Tag uuid.UUID
}

// ErrCast is returned where the tenants that the attempts need are not there.
var ErrCast = errors.New("the attempts need a tenant with a parent and a child, and another one beside them, all " +
	"with tickets, comments and tags")

// NewScene finds, among the tenants of a tree with parents first, four that have tickets, comments and tags. systemRole
// is the role that st works as across tenants.
func NewScene(
	ctx context.Context, st *core.Stratum, orm ORM, systemRole string, tree []core.Tenant,
) (*Scene, error) {
	s := &Scene{st: st, orm: orm, systemRole: systemRole, places: placesOf(tree)}
	parties, err := s.parties(ctx, tree)
	if err != nil {
		return nil, fmt.Errorf("choose tenants for the attempts: %w", err)
	}
	if !s.cast(shared(parties), leaves(tree)) {
		return nil, ErrCast
	}
	if s.Apart, err = s.castApart(ctx, parties, leaves(tree)); err != nil {
		return nil, fmt.Errorf("choose tenants for the attempts: %w", err)
	}
	_, err = s.changed(ctx)
	return s, err
}

// parties returns the tenants that can take part, in the order of the tree.
func (s *Scene) parties(ctx context.Context, tree []core.Tenant) ([]Party, error) {
	var parties []Party
	for _, tenant := range tree {
		p := Party{Tenant: tenant}
		ctx := core.AsSystemAt(ctx, "choose tenants for the attempts", tenant.ID)
		err := s.st.DB().QueryRowContext(ctx, `SELECT t.id, c.id, g.id
			FROM (SELECT id FROM tickets WHERE tenant_id = $1 ORDER BY number LIMIT 1) t,
			     (SELECT id FROM comments WHERE tenant_id = $1 ORDER BY written_at LIMIT 1) c,
			     (SELECT id FROM tags WHERE tenant_id = $1 ORDER BY name LIMIT 1) g`,
			tenant.ID).Scan(&p.Ticket, &p.Comment, &p.Tag)
		if errors.Is(err, sql.ErrNoRows) || tenant.Status != core.StatusActive {
			continue
		}
		if err != nil {
			return nil, err
		}
		parties = append(parties, p)
	}
	return parties, nil
}

// leaves are the tenants without children, which are the ones that can be suspended by themselves.
func leaves(tree []core.Tenant) map[uuid.UUID]bool {
	leaf := map[uuid.UUID]bool{}
	for _, tenant := range tree { // parents come first
		leaf[tenant.ID] = true
		delete(leaf, tenant.ParentID)
	}
	return leaf
}

// cast gives out the roles, and reports whether there is somebody for each.
func (s *Scene) cast(parties []Party, leaf map[uuid.UUID]bool) bool {
	byID := map[uuid.UUID]Party{}
	for _, p := range parties {
		byID[p.Tenant.ID] = p
	}
	for _, child := range parties {
		me, hasParent := byID[child.Tenant.ParentID]
		parent, hasGrandparent := byID[me.Tenant.ParentID]
		if !leaf[child.Tenant.ID] || !hasParent || !hasGrandparent {
			continue
		}
		for _, other := range parties {
			if !other.Tenant.Path.IsAncestorOf(me.Tenant.Path) && !me.Tenant.Path.IsAncestorOf(other.Tenant.Path) {
				s.Me, s.Parent, s.Child, s.Other = me, parent, child, other
				return true
			}
		}
	}
	return false
}
