package core

import (
	"context"
	"slices"

	"github.com/google/uuid"
)

// Suspend makes an active tenant suspended: from the next statement or transaction on, its data is out of reach for
// it, and nothing can be created beneath it. A transaction that the tenant has begun before may still commit.
//
// A tenant that is at another placement, or has a database of its own, is refused there too. If that cannot be reached
// the error is ErrUntold: the tenant is suspended as far as the registry goes, and Reconcile tells its place later.
//
// It returns ErrTenantNotFound; ErrTenantState, as a *StateError, unless the tenant is active; and ErrHasChildren while
// a child is active, for which SuspendSubtree is the answer.
func (t *Tenants) Suspend(ctx context.Context, id uuid.UUID) error {
	return t.changeStatus(ctx, transition{
		name: "suspend", from: []Status{StatusActive}, to: StatusSuspended,
	}, id)
}

// Resume makes a suspended tenant active again. It returns ErrTenantNotFound, and ErrTenantState, as a *StateError,
// unless the tenant is suspended and its parent, if it has one, active.
func (t *Tenants) Resume(ctx context.Context, id uuid.UUID) error {
	return t.changeStatus(ctx, transition{
		name: "resume", from: []Status{StatusSuspended}, to: StatusActive,
	}, id)
}

// Archive makes an active or suspended tenant archived: as Suspend does, and the tenant can no longer be moved. It
// keeps its slug and its external id; Rename and Update free them. Errors are those of Suspend.
func (t *Tenants) Archive(ctx context.Context, id uuid.UUID) error {
	return t.changeStatus(ctx, transition{
		name: "archive", from: []Status{StatusActive, StatusSuspended}, to: StatusArchived,
	}, id)
}

// Restore makes an archived tenant active again. It returns ErrTenantNotFound, and ErrTenantState, as a *StateError,
// unless the tenant is archived and its parent, if it has one, active.
func (t *Tenants) Restore(ctx context.Context, id uuid.UUID) error {
	return t.changeStatus(ctx, transition{
		name: "restore", from: []Status{StatusArchived}, to: StatusActive,
	}, id)
}

// SuspendSubtree suspends a tenant and every active tenant beneath it at once, and returns how many. Those beneath
// that are not active stay as they are. For a tenant that is suspended already it returns 0 and no error, because what
// was asked for is so. It returns ErrTenantNotFound, and ErrTenantState, as a *StateError, for a tenant that is neither
// active nor suspended.
func (t *Tenants) SuspendSubtree(ctx context.Context, id uuid.UUID) (suspended int, err error) {
	err = t.do(ctx, "suspend subtree", treeExclusive, func(s session) (err error) {
		suspended, err = s.suspendSubtree(ctx, id)
		return err
	})
	if err != nil {
		return 0, err
	}
	return suspended, operationError("suspend subtree", t.builder.tell(ctx,
		`AND path <@ (SELECT path FROM stratum.tenants WHERE id = $1)`, id))
}

// transition is one way from a status to another.
type transition struct {
	name string // the verb, for errors
	from []Status
	to   Status
}

func (t *Tenants) changeStatus(ctx context.Context, step transition, id uuid.UUID) error {
	err := t.do(ctx, step.name+" tenant", treeShared, func(s session) error {
		return s.changeStatus(ctx, step, id)
	})
	if err != nil {
		return err
	}
	return operationError(step.name+" tenant", t.builder.tell(ctx, `AND id = $1`, id))
}

func (s session) changeStatus(ctx context.Context, step transition, id uuid.UUID) error {
	tenant, parent, err := s.lockWithParent(ctx, id)
	if err != nil {
		return err
	}
	if err := tenant.checkStatus(step.name, step.from...); err != nil {
		return err
	}
	if step.to == StatusActive {
		err = parent.checkIsActiveParent(step.name + " a tenant beneath")
	} else {
		err = s.checkNoActiveChild(ctx, id)
	}
	if err != nil {
		return err
	}
	const statement = `UPDATE stratum.tenants SET status = $2, updated_at = clock_timestamp() WHERE id = $1`
	_, err = s.tx.Exec(ctx, statement, id, step.to)
	return err
}

// checkNoActiveChild returns ErrHasChildren while a child of id is active. The lock on id's row must be held: it keeps
// children from being created or becoming active.
func (s session) checkNoActiveChild(ctx context.Context, id uuid.UUID) error {
	const query = `SELECT EXISTS (SELECT FROM stratum.tenants WHERE parent_id = $1 AND status = 'active')`
	var exists bool
	if err := s.tx.QueryRow(ctx, query, id).Scan(&exists); err != nil {
		return err
	}
	if exists {
		return ErrHasChildren
	}
	return nil
}

func (s session) suspendSubtree(ctx context.Context, id uuid.UUID) (int, error) {
	top, _, err := s.lockWithParent(ctx, id)
	if err != nil {
		return 0, err
	}
	if err := top.checkStatus("suspend", StatusActive, StatusSuspended); err != nil {
		return 0, err
	}
	const statement = `UPDATE stratum.tenants SET status = 'suspended', updated_at = clock_timestamp()
		WHERE path <@ $1 AND status = 'active'`
	tag, err := s.tx.Exec(ctx, statement, top.Path)
	return int(tag.RowsAffected()), err
}

// checkStatus returns a *StateError unless the tenant has one of the statuses that the operation starts from.
func (t Tenant) checkStatus(operation string, from ...Status) error {
	if slices.Contains(from, t.Status) {
		return nil
	}
	return &StateError{Operation: operation, Status: t.Status}
}

// checkIsActiveParent returns a *StateError unless the tenant is active or is the zero Tenant, a root's parent.
func (t Tenant) checkIsActiveParent(operation string) error {
	if t.ID == uuid.Nil {
		return nil
	}
	return t.checkStatus(operation, StatusActive)
}
