package core

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// treeLock is how an operation locks the tree before it looks at it, for the length of its transaction.
//
// Why no two operations deadlock: each takes the tree's lock first, while it holds nothing, and one that has it
// exclusively is alone among writers. Those that share it lock at most a parent and then its child, and no parent
// changes while they do: a cycle of waits for rows would be a cycle in the tree. With its rows locked, a change of
// status waits for nothing more. A create goes on to insert its keys, which may wait for who inserted the same one,
// but all insert id, label, slug and external id in this order, so that these waits lead to no cycle either. A change
// of an existing slug or external id would break the order, and is exclusive for that reason.
//
// Why nothing is decided on stale rows: PostgreSQL gives each statement of a READ COMMITTED transaction a snapshot of
// its own, and what a decision rests on is read by a statement after the one that took the lock.
type treeLock int

const (
	// readOnly takes no lock: readers never wait.
	readOnly treeLock = iota
	// treeShared is for a new leaf, and for a change of one tenant that leaves its place and its keys alone.
	treeShared
	// treeExclusive is for a change of the tree's shape, of a key, or of many tenants at once.
	treeExclusive
)

// The tree's advisory lock is of the two-number kind, so that it can never be one of stratum.enter's, which are of the
// one-number kind: PostgreSQL keeps the two apart. The class is "STRA" in ASCII, the second number one per purpose.
const (
	lockClass = 0x53545241
	lockTree  = 1
)

func (l treeLock) take(ctx context.Context, tx pgx.Tx) error {
	var query string
	switch l {
	case readOnly:
		return nil
	case treeShared:
		query = `SELECT pg_advisory_xact_lock_shared($1, $2)`
	case treeExclusive:
		query = `SELECT pg_advisory_xact_lock($1, $2)`
	}
	if _, err := tx.Exec(ctx, query, lockClass, lockTree); err != nil {
		return fmt.Errorf("lock the tree: %w", err)
	}
	return nil
}

// lockParent returns the tenant that something is about to be done beneath, and keeps its status and its slug as they
// are until the transaction ends. Others may do the same at the same time.
func (s session) lockParent(ctx context.Context, id uuid.UUID) (Tenant, error) {
	return s.findOne(ctx, `WHERE id = $1 FOR SHARE`, id)
}

// lockWithParent returns the tenant id, locked for a change, and its parent, locked as by lockParent; for a root the
// parent is the zero Tenant. The tree's lock must be held, or the parent may be another by the time it is locked.
//
// NO KEY, because a plain FOR UPDATE would also stop every row whose foreign key refers to this tenant.
func (s session) lockWithParent(ctx context.Context, id uuid.UUID) (tenant, parent Tenant, err error) {
	tenant, err = s.get(ctx, id)
	if err != nil {
		return Tenant{}, Tenant{}, err
	}
	if tenant.ParentID != uuid.Nil {
		if parent, err = s.lockAboveReach(ctx, tenant.ParentID); err != nil {
			return Tenant{}, Tenant{}, err
		}
	}
	tenant, err = s.findOne(ctx, `WHERE id = $1 FOR NO KEY UPDATE`, id)
	return tenant, parent, err
}

// lockAboveReach is lockParent for a parent that the caller need not reach: its own tenant's. What is read there never
// leaves this package.
func (s session) lockAboveReach(ctx context.Context, id uuid.UUID) (Tenant, error) {
	unbound := session{tx: s.tx}
	return unbound.lockParent(ctx, id)
}
