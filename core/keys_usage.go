package core

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// With random nonces of 96 bits a key should seal no more than 2^32 values (NIST SP 800-38D, 8.3). Uses are counted for
// each data key over all columns, though each column has a key of its own: so the bound is never reached. Programs
// reserve blocks, small ones first, so that one which seals little does not use the key up.
const (
	maxKeyUses   = 1 << 31
	rotateAtUses = maxKeyUses - 1<<27
	firstBlock   = 1 << 10
	lastBlock    = 1 << 20
	blockGrowth  = 8
)

// usage is what this program may still seal with a version of a tenant's key.
type usage struct {
	tenant  uuid.UUID
	version uint32
	left    atomic.Int64

	mu    sync.Mutex
	block int64 // the last one
}

// usages outlive what is kept of keys: what was reserved is not lost when they are read anew.
type usages struct {
	mu  sync.Mutex
	all map[uuid.UUID]*usage
}

// maxUsages bounds them. What is dropped is counted as used.
const maxUsages = 1 << 16

func (u *usages) of(tenant uuid.UUID, version uint32) *usage {
	u.mu.Lock()
	defer u.mu.Unlock()
	if found := u.all[tenant]; found != nil && found.version == version {
		return found
	}
	if u.all == nil {
		u.all = make(map[uuid.UUID]*usage)
	}
	if len(u.all) >= maxUsages {
		for other := range u.all { // any
			delete(u.all, other)
			break
		}
	}
	fresh := &usage{tenant: tenant, version: version}
	u.all[tenant] = fresh
	return fresh
}

// spend takes one use of the current key. Where none is left it reserves a block, and where the key has none left
// either it rotates, and returns the keys as they are then.
func (k *Keys) spend(ctx context.Context, t *tenantKeys) (*tenantKeys, error) {
	for {
		if t.usage.left.Add(-1) >= 0 {
			return t, nil
		}
		exhausted, err := k.reserve(ctx, t.usage)
		if err != nil {
			return nil, operationError("reserve uses of a tenant's key", err)
		}
		if !exhausted {
			continue
		}
		if t, err = k.renew(ctx, t.usage); err != nil {
			return nil, err
		}
	}
}

// renew looks for a key behind one that is used up, and makes it where there is none.
func (k *Keys) renew(ctx context.Context, u *usage) (*tenantKeys, error) {
	k.cache.Drop(u.tenant)
	if t, err := k.sealing(ctx, u.tenant); err != nil || t.ring.Current() != u.version {
		return t, err
	}
	if err := k.succeed(ctx, u.tenant, u.version); err != nil {
		return nil, operationError("rotate a tenant's key", err)
	}
	return k.sealing(ctx, u.tenant)
}

// reserve takes a block from the registry, for all who wait.
func (k *Keys) reserve(ctx context.Context, u *usage) (exhausted bool, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.left.Load() > 0 {
		return false, nil
	}
	block := min(max(u.block*blockGrowth, firstBlock), lastBlock)
	var reserved int64
	const statement = `UPDATE stratum.tenant_keys SET reserved = reserved + $3
		WHERE tenant_id = $1 AND kind = 'data' AND version = $2 AND wrapped IS NOT NULL AND superseded_at IS NULL
			AND reserved + $3 <= $4
		RETURNING reserved`
	err = k.st.registryTx(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, statement, u.tenant, u.version, block, maxKeyUses).Scan(&reserved)
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return true, nil // or superseded, or destroyed: sealing finds out
	case err != nil:
		return false, statementError(ctx, err)
	}
	u.block = block
	u.left.Store(block)
	if reserved >= rotateAtUses && reserved-block < rotateAtUses {
		return false, k.succeed(ctx, u.tenant, u.version)
	}
	return false, nil
}

// succeed makes the version after one, unless there is one already.
func (k *Keys) succeed(ctx context.Context, tenant uuid.UUID, version uint32) error {
	w, err := k.generate(ctx, fieldcrypt.Binding{Tenant: tenant, Kind: fieldcrypt.DataKey, Version: version + 1})
	if err != nil {
		return err
	}
	err = k.st.registryTx(ctx, func(tx pgx.Tx) error { return supersede(ctx, tx, tenant, version, w) })
	k.cache.Drop(tenant)
	return statementError(ctx, err)
}

// supersede stores a version behind another one, unless that is no longer the newest, or is destroyed.
func supersede(ctx context.Context, tx pgx.Tx, tenant uuid.UUID, version uint32, w fieldcrypt.Wrapped) error {
	if err := lockKeys(ctx, tx, tenant); err != nil {
		return err
	}
	const insert = `INSERT INTO stratum.tenant_keys (tenant_id, kind, version, wrapped, kek, commitment)
		SELECT $1, 'data', $2::bigint + 1, $3, $4, $5
		WHERE $2 = (SELECT max(version) FROM stratum.tenant_keys WHERE tenant_id = $1 AND kind = 'data')
			AND NOT EXISTS (SELECT FROM stratum.tenant_keys WHERE tenant_id = $1 AND shredded)`
	tag, err := tx.Exec(ctx, insert, tenant, version, w.Bytes, w.KEK, w.Commitment)
	if err != nil || tag.RowsAffected() == 0 {
		return err
	}
	const mark = `UPDATE stratum.tenant_keys SET superseded_at = clock_timestamp()
		WHERE tenant_id = $1 AND kind = 'data' AND version <= $2 AND superseded_at IS NULL`
	_, err = tx.Exec(ctx, mark, tenant, version)
	return err
}
