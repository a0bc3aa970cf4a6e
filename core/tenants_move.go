package core

import (
	"context"

	"github.com/google/uuid"
)

// Move puts an active or suspended tenant, with everything beneath it, under another active parent, behind the
// children that are there, or makes it a root where newParent is uuid.Nil. No row of data is touched. A move to where
// the tenant is already changes nothing and is no error. Other changes of the tree wait meanwhile, readers do not.
//
// It returns
//
//   - ErrTenantNotFound for an unknown tenant or parent;
//   - ErrForbidden when a tenant's ctx asks for a root;
//   - ErrCycle when the new parent is the tenant itself or beneath it;
//   - ErrTenantState, as a *StateError, when the tenant or the new parent does not have a status as above;
//   - ErrResidency when the data of one of them is where those above the new place do not allow it;
//   - ErrDepth when the deepest tenant of the subtree would be below level 20.
func (t *Tenants) Move(ctx context.Context, id, newParent uuid.UUID) (Tenant, error) {
	var moved Tenant
	err := t.do(ctx, "move tenant", treeExclusive, func(s session) (err error) {
		moved, err = s.move(ctx, id, newParent)
		return err
	})
	if err != nil {
		return Tenant{}, err
	}
	return moved, nil
}

func (s session) move(ctx context.Context, id, newParent uuid.UUID) (Tenant, error) {
	above, err := s.lockNewParent(ctx, newParent)
	if err != nil {
		return Tenant{}, err
	}
	tenant, _, err := s.lockWithParent(ctx, id)
	if err != nil || tenant.ParentID == newParent {
		return tenant, err
	}
	if err := s.checkMove(ctx, tenant, above); err != nil {
		return Tenant{}, err
	}
	return s.rehang(ctx, tenant, above)
}

// lockNewParent returns the tenant to move beneath, or the zero Tenant for uuid.Nil.
func (s session) lockNewParent(ctx context.Context, id uuid.UUID) (Tenant, error) {
	if id == uuid.Nil {
		return Tenant{}, s.caller.checkRoots()
	}
	return s.lockParent(ctx, id)
}

// checkMove returns why tenant cannot go beneath above.
func (s session) checkMove(ctx context.Context, tenant, above Tenant) error {
	if above.ID != uuid.Nil && above.Path.IsDescendantOf(tenant.Path) {
		return ErrCycle
	}
	if err := tenant.checkStatus("move", StatusActive, StatusSuspended); err != nil {
		return err
	}
	if err := above.checkIsActiveParent("move a tenant beneath"); err != nil {
		return err
	}
	const deepest = `SELECT max(nlevel(path)) FROM stratum.tenants WHERE path <@ $1`
	var depth int
	if err := s.tx.QueryRow(ctx, deepest, tenant.Path).Scan(&depth); err != nil {
		return err
	}
	if above.Depth()+1+depth-tenant.Depth() > MaxDepth {
		return ErrDepth
	}
	return s.checkMovedResidency(ctx, tenant, above)
}

// rehang changes the tenant's place, then the paths of everything beneath it. Two statements, because the trigger that
// checks a parent runs for each row of a statement that mentions parent_id, and only the top of the subtree has a new
// one.
func (s session) rehang(ctx context.Context, tenant, above Tenant) (Tenant, error) {
	path, err := above.Path.Append(tenant.Label)
	if err != nil {
		return Tenant{}, err
	}
	// Position 0 is behind all that Reorder has placed.
	const top = `UPDATE stratum.tenants
		SET parent_id = nullif($2::uuid, $3), path = $4, position = 0, updated_at = clock_timestamp() WHERE id = $1`
	moved, err := s.changeOne(ctx, top, tenant.ID, above.ID, uuid.Nil, path)
	if err != nil {
		return Tenant{}, err
	}
	const beneath = `UPDATE stratum.tenants SET path = $2::ltree || subpath(path, $3) WHERE path <@ $1`
	_, err = s.tx.Exec(ctx, beneath, tenant.Path, path, tenant.Depth())
	return moved, err
}
