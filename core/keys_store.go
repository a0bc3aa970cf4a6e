package core

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// tenantKeys is what is kept of a tenant's keys. It never changes.
type tenantKeys struct {
	ring     *fieldcrypt.Ring
	newest   uint32 // of all data keys, destroyed ones included
	shredded bool
	usage    *usage // of the current data key
}

// keyRow is a row of stratum.tenant_keys.
type keyRow struct {
	binding               fieldcrypt.Binding
	wrapped               fieldcrypt.Wrapped
	reserved              int64
	created               time.Time
	superseded, destroyed *time.Time
	shredded              bool
}

const keyColumns = `tenant_id, kind, version, wrapped, kek, commitment, reserved, created_at, superseded_at,
	destroyed_at, shredded`

func scanKey(row pgx.CollectableRow) (k keyRow, err error) {
	var kind string
	err = row.Scan(&k.binding.Tenant, &kind, &k.binding.Version, &k.wrapped.Bytes, &k.wrapped.KEK,
		&k.wrapped.Commitment, &k.reserved, &k.created, &k.superseded, &k.destroyed, &k.shredded)
	k.binding.Kind = fieldcrypt.DataKey
	if kind == fieldcrypt.IndexKey.String() {
		k.binding.Kind = fieldcrypt.IndexKey
	}
	return k, err
}

// live reports whether the key is there.
func (k keyRow) live() bool { return k.destroyed == nil }

// rows reads all keys of a tenant, in one round trip.
func (k *Keys) rows(ctx context.Context, tenant uuid.UUID) (found []keyRow, err error) {
	const query = `SELECT ` + keyColumns + ` FROM stratum.tenant_keys WHERE tenant_id = $1 ORDER BY kind, version`
	err = k.st.registryRead(ctx, func(rows pgx.Rows) (err error) {
		found, err = pgx.CollectRows(rows, scanKey)
		return err
	}, query, tenant)
	return found, statementError(ctx, err)
}

// load reads the keys of a tenant and unwraps them.
func (k *Keys) load(ctx context.Context, tenant uuid.UUID) (*tenantKeys, error) {
	if k.kek == nil {
		return nil, errNoOption
	}
	k.listen(ctx)
	rows, err := k.rows(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return k.unwrap(ctx, tenant, rows)
}

func (k *Keys) unwrap(ctx context.Context, tenant uuid.UUID, rows []keyRow) (*tenantKeys, error) {
	t := &tenantKeys{}
	var keys []fieldcrypt.Key
	defer func() {
		for _, key := range keys {
			clear(key.Secret)
		}
	}()
	for _, row := range rows {
		t.shredded = t.shredded || row.shredded
		if row.binding.Kind == fieldcrypt.DataKey {
			t.newest = max(t.newest, row.binding.Version)
		}
		if !row.live() {
			continue
		}
		key, err := fieldcrypt.Unwrap(ctx, k.kek, row.wrapped, row.binding)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if t.shredded {
		keys = nil // whatever is left of them
	}
	var err error
	t.ring, err = fieldcrypt.NewRing(tenant, keys)
	if err == nil {
		t.usage = k.usage.of(tenant, t.ring.Current())
	}
	return t, err
}

// find returns the keys of a tenant that accept is content with, from memory, or as they are in the registry.
func (k *Keys) find(ctx context.Context, tenant uuid.UUID, accept func(*tenantKeys) bool) (*tenantKeys, error) {
	t, err := k.cache.Load(ctx, tenant, accept, func(ctx context.Context) (*tenantKeys, error) {
		return k.load(ctx, tenant)
	})
	return t, operationError("find the tenant's keys", err)
}

// sealing returns keys of which one seals. The first is made when it is needed.
func (k *Keys) sealing(ctx context.Context, tenant uuid.UUID) (*tenantKeys, error) {
	if t, ok := k.cache.Get(tenant); ok && t.ring.Current() > 0 {
		return t, nil
	}
	seals := func(t *tenantKeys) bool { return t.shredded || t.ring.Current() > 0 }
	return k.ensure(ctx, fieldcrypt.Binding{Tenant: tenant, Kind: fieldcrypt.DataKey, Version: 1}, seals)
}

// indexing returns keys with an index key of an epoch. It is made when it is needed.
func (k *Keys) indexing(ctx context.Context, tenant uuid.UUID, epoch uint32) (*tenantKeys, error) {
	if t, ok := k.cache.Get(tenant); ok && t.ring.Has(fieldcrypt.IndexKey, epoch) {
		return t, nil
	}
	indexes := func(t *tenantKeys) bool { return t.shredded || t.ring.Has(fieldcrypt.IndexKey, epoch) }
	return k.ensure(ctx, fieldcrypt.Binding{Tenant: tenant, Kind: fieldcrypt.IndexKey, Version: epoch}, indexes)
}

// opening returns keys with a version, unless the tenant has not got it. Of versions that are newer than those in memory
// the registry is asked.
func (k *Keys) opening(ctx context.Context, tenant uuid.UUID, version uint32) (*tenantKeys, error) {
	if t, ok := k.cache.Get(tenant); ok && t.ring.Has(fieldcrypt.DataKey, version) {
		return t, nil
	}
	t, err := k.find(ctx, tenant, func(t *tenantKeys) bool { return t.shredded || version <= t.newest })
	if err == nil && t.shredded {
		return nil, ErrShredded
	}
	return t, err
}

// ensure returns keys that enough is content with, and makes the key that is missing.
func (k *Keys) ensure(
	ctx context.Context, missing fieldcrypt.Binding, enough func(*tenantKeys) bool,
) (*tenantKeys, error) {
	t, err := k.find(ctx, missing.Tenant, enough)
	if err == nil && !enough(t) {
		if err = k.insert(ctx, missing); err == nil {
			t, err = k.find(ctx, missing.Tenant, enough)
		}
	}
	switch {
	case err != nil:
		return nil, err
	case t.shredded:
		return nil, ErrShredded
	case !enough(t):
		return nil, ErrKeyVersion // it was retired
	default:
		return t, nil
	}
}

// insert makes a key, unless somebody else has, or the tenant's are destroyed.
func (k *Keys) insert(ctx context.Context, b fieldcrypt.Binding) error {
	w, err := k.generate(ctx, b)
	if err != nil {
		return operationError("make a tenant's key", err)
	}
	err = k.st.registryTx(ctx, func(tx pgx.Tx) error {
		if err := lockKeys(ctx, tx, b.Tenant); err != nil {
			return err
		}
		const statement = `INSERT INTO stratum.tenant_keys (tenant_id, kind, version, wrapped, kek, commitment)
			SELECT $1, $2, $3, $4, $5, $6
			WHERE NOT EXISTS (SELECT FROM stratum.tenant_keys WHERE tenant_id = $1 AND shredded)
			ON CONFLICT DO NOTHING`
		_, err := tx.Exec(ctx, statement, b.Tenant, b.Kind.String(), b.Version, w.Bytes, w.KEK, w.Commitment)
		return err
	})
	k.cache.Drop(b.Tenant)
	return operationError("make a tenant's key", keyRowError(ctx, err))
}

// keyRowError returns ErrTenantNotFound where that is what the foreign key says.
func keyRowError(ctx context.Context, err error) error {
	if hasCode(err, codeForeignKey) {
		return ErrTenantNotFound
	}
	return statementError(ctx, err)
}

// generate makes a key and wraps it. The KEK is asked outside of any transaction.
func (k *Keys) generate(ctx context.Context, b fieldcrypt.Binding) (fieldcrypt.Wrapped, error) {
	if k.kek == nil {
		return fieldcrypt.Wrapped{}, errNoOption
	}
	key, err := fieldcrypt.GenerateKey(b)
	if err != nil {
		return fieldcrypt.Wrapped{}, err
	}
	defer clear(key.Secret)
	return fieldcrypt.Wrap(ctx, k.kek, key)
}

// lockKeyring is a class of advisory locks, "STKR" in ASCII: one writer at the keys of one tenant at a time.
const lockKeyring = 0x53544B52

func lockKeys(ctx context.Context, tx pgx.Tx, tenant uuid.UUID) error {
	_, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1, $2)`, lockKeyring, lockNumber(tenant.String()))
	return err
}

// isKeyRefusal reports whether an error is about a tenant's keys, and not about the connection.
func isKeyRefusal(err error) bool {
	for _, refusal := range []error{ErrShredded, ErrNoKEK, ErrKeyVersion, fieldcrypt.ErrUnwrap} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}
