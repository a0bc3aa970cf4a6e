package core

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// KeyState is where a key is in its life.
type KeyState string

// The states of a key.
const (
	// KeyCurrent seals new values, or is an index key.
	KeyCurrent KeyState = "current"
	// KeySuperseded opens what it has sealed; a newer one seals.
	KeySuperseded KeyState = "superseded"
	// KeyRetired was destroyed when nothing was sealed with it any more.
	KeyRetired KeyState = "retired"
	// KeyShredded was destroyed with all keys of its tenant.
	KeyShredded KeyState = "shredded"
)

// KeyInfo is a key of a tenant, without the key.
type KeyInfo struct {
	// Kind and Version name it.
	Kind    fieldcrypt.Kind
	Version uint32
	// State is where it is in its life.
	State KeyState
	// KEK is the ID of what it is wrapped with, or was when it was destroyed.
	KEK string
	// Uses is how many values programs may have sealed with it: what they have reserved, in blocks. It is 0 for index
	// keys, and values of XAES256GCM are not counted.
	Uses int64
	// CreatedAt, SupersededAt and DestroyedAt are when it became what it is; the latter two are zero before.
	CreatedAt, SupersededAt, DestroyedAt time.Time
}

func (k keyRow) info() KeyInfo {
	i := KeyInfo{
		Kind: k.binding.Kind, Version: k.binding.Version, State: KeyCurrent, KEK: k.wrapped.KEK, Uses: k.reserved,
		CreatedAt: k.created,
	}
	if k.superseded != nil {
		i.State, i.SupersededAt = KeySuperseded, *k.superseded
	}
	if k.destroyed != nil {
		i.State, i.DestroyedAt = KeyRetired, *k.destroyed
	}
	if k.shredded {
		i.State = KeyShredded
	}
	return i
}

// List returns all keys that a tenant has or had, data keys first, by version. It returns ErrTenantNotFound for an
// unknown tenant, or one that a tenant's ctx does not reach.
func (k *Keys) List(ctx context.Context, tenant uuid.UUID) ([]KeyInfo, error) {
	var infos []KeyInfo
	err := k.st.Tenants.do(ctx, "list keys", readOnly, func(s session) error {
		rows, err := s.keys(ctx, tenant)
		infos = make([]KeyInfo, 0, len(rows))
		for _, row := range rows {
			infos = append(infos, row.info())
		}
		return err
	})
	return infos, err
}

// keys returns the keys of a tenant that the caller reaches.
func (s session) keys(ctx context.Context, tenant uuid.UUID) ([]keyRow, error) {
	if _, err := s.get(ctx, tenant); err != nil {
		return nil, err
	}
	const query = `SELECT ` + keyColumns + ` FROM stratum.tenant_keys WHERE tenant_id = $1 ORDER BY kind, version`
	rows, err := s.tx.Query(ctx, query, tenant)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanKey)
}

// Rotate makes a new data key for a tenant, which seals from now on here, and in other programs within the TTL of their
// keys. What is sealed stays as it is, and can be opened: Reencrypt seals it anew, and so does every write. Blind
// indexes do not change. It returns the new version. Two calls at once may make one between them.
//
// It returns ErrTenantNotFound as List does, ErrShredded for a tenant whose keys are destroyed, and ErrNoKEK and the
// KEK's own errors.
func (k *Keys) Rotate(ctx context.Context, tenant uuid.UUID) (version uint32, err error) {
	const op = "rotate a tenant's key"
	for range maxAttempts {
		newest, err := k.newest(ctx, op, tenant)
		if err != nil {
			return 0, err
		}
		if newest == 0 {
			return k.firstKey(ctx, op, tenant)
		}
		if err := k.succeed(ctx, tenant, newest); err != nil {
			return 0, operationError(op, err)
		}
		if version, err = k.newest(ctx, op, tenant); err != nil || version > newest {
			return version, err
		}
	}
	return 0, operationError(op, ErrKeyVersion)
}

func (k *Keys) firstKey(ctx context.Context, op string, tenant uuid.UUID) (uint32, error) {
	t, err := k.sealing(ctx, tenant)
	if err != nil {
		return 0, operationError(op, err)
	}
	return t.ring.Current(), nil
}

// newest returns the newest version of a tenant's data key, or 0.
func (k *Keys) newest(ctx context.Context, op string, tenant uuid.UUID) (newest uint32, err error) {
	infos, err := k.List(ctx, tenant)
	for _, i := range infos {
		if i.State == KeyShredded {
			return 0, operationError(op, ErrShredded)
		}
		if i.Kind == fieldcrypt.DataKey {
			newest = max(newest, i.Version)
		}
	}
	return newest, err
}
