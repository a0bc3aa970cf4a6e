package attack

import (
	"context"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/core"
)

// Subtrees write for a tenant beneath with SQL.
func (s *Scene) Subtrees() []Attempt {
	return []Attempt{
		{"raw INSERT for a child with WithSubtree", Refused(core.ErrCrossTenant), s.rawInsertWithSubtree},
	}
}

// Tenants go from a tenant to its parent and others in the registry.
func (s *Scene) Tenants() []Attempt {
	return []Attempt{
		{"Tenants.BySlug of another tenant", Refused(core.ErrTenantNotFound), s.lookUpOther},
		{"Tenants.Children of the root", Refused(core.ErrForbidden), s.listRoots},
		{"Tenants.Move of another beneath oneself", Refused(core.ErrTenantNotFound), s.moveOther},
		{"Tenants.Suspend of one's parent", Refused(core.ErrTenantNotFound), s.suspendParent},
	}
}

// Registry reads and writes what belongs to Stratum, with SQL.
func (s *Scene) Registry() []Attempt {
	return []Attempt{
		{"raw SELECT of all tenants", Refused(core.ErrPermission), s.readTenants},
		{"raw UPDATE of one's place in the tree", Refused(core.ErrPermission), s.updateTenants},
	}
}

// Subtree widens the scope to all that is beneath the attempting tenant.
func (s *Scene) Subtree(ctx context.Context) context.Context {
	return core.WithSubtree(ctx, s.Me.Tenant.ID)
}

func (s *Scene) rawInsertWithSubtree(ctx context.Context) (Reached, error) {
	return s.change(s.Subtree(ctx), s.Child, "INSERT INTO tags (tenant_id, name) VALUES ($1, 'forged')",
		s.Child.Tenant.ID)
}

func (s *Scene) lookUpOther(ctx context.Context) (Reached, error) {
	_, err := s.st.Tenants.BySlug(ctx, s.Other.Tenant.Slug)
	return nil, err
}

func (s *Scene) listRoots(ctx context.Context) (Reached, error) {
	_, err := s.st.Tenants.Children(ctx, uuid.Nil)
	return nil, err
}

func (s *Scene) moveOther(ctx context.Context) (Reached, error) {
	_, err := s.st.Tenants.Move(ctx, s.Other.Tenant.ID, s.Me.Tenant.ID)
	return nil, err
}

func (s *Scene) suspendParent(ctx context.Context) (Reached, error) {
	return nil, s.st.Tenants.Suspend(ctx, s.Parent.Tenant.ID)
}

func (s *Scene) readTenants(ctx context.Context) (Reached, error) {
	return s.owners(ctx, "SELECT id FROM stratum.tenants")
}

func (s *Scene) updateTenants(ctx context.Context) (Reached, error) {
	return s.change(ctx, s.Me, "UPDATE stratum.tenants SET parent_id = NULL WHERE id = $1", s.Me.Tenant.ID)
}
