package core

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// Uses counts the values of a tenant that are sealed with a version of its key, in all rows of the tables and in its
// config. The tenant must be active, or the error is ErrTenantNotActive, unless there are no tables.
func (k *Keys) Uses(ctx context.Context, tenant uuid.UUID, version uint32, tables []EncryptedTable) (int64, error) {
	const op = "count uses of a key"
	prepared, err := k.prepareTables(tables)
	if err != nil {
		return 0, operationError(op, err)
	}
	var inConfig int64
	err = k.operator(ctx, op, func(tx pgx.Tx) (err error) {
		inConfig, err = configUses(ctx, tx, tenant, version)
		return err
	})
	if err != nil {
		return 0, err
	}
	inTables, err := k.uses(ctx, tenant, version, prepared)
	return inConfig + inTables, operationError(op, err)
}

// uses is Uses without config.
func (k *Keys) uses(
	ctx context.Context, tenant uuid.UUID, version uint32, tables []EncryptedTable,
) (total int64, err error) {
	if len(tables) == 0 {
		return 0, nil
	}
	ctx = WithTenant(ctx, tenant)
	err = k.st.BeginFunc(ctx, func(tx *Tx) error {
		total = 0
		for _, t := range tables {
			w := &sqlWriter{}
			w.WriteString("SELECT 0")
			wanted := w.arg(binary.BigEndian.AppendUint32(nil, version))
			for _, c := range t.Columns {
				w.WriteString(" + count(*) FILTER (WHERE pg_catalog.substring(" + ident(c.Name) + ", 2, 4) = " +
					wanted + "::bytea)")
			}
			w.WriteString(" FROM " + t.relation() + " WHERE " + ident(t.TenantColumn) + " = " + w.arg(tenant))
			var n int64
			if err := tx.QueryRow(ctx, w.String(), w.args...).Scan(&n); err != nil {
				return err
			}
			total += n
		}
		return nil
	})
	return total, err
}

// Retire destroys a superseded version of a tenant's data key after a scan of the tables and of its config has found
// nothing that is sealed with it. The tables must have all encrypted columns that are declared on this handle, or the
// error is ErrKeyJob. It returns ErrKeyVersion for a version that the tenant has not got, and ErrKeyInUse, as a
// *KeyInUseError, while values are sealed with it, while it is current, and for as long after a Rotate as programs may
// still seal with it: the TTL of this handle, which no other program's may exceed.
//
// What is sealed with it in a backup of the data needs a backup of the registry of the same time. It is for the
// operator: with a tenant's ctx the error is ErrKeyScope.
func (k *Keys) Retire(ctx context.Context, tenant uuid.UUID, version uint32, tables []EncryptedTable) error {
	const op = "retire a key"
	prepared, err := k.prepareTables(tables)
	if err == nil {
		err = k.checkCovered(prepared)
	}
	if err != nil {
		return operationError(op, err)
	}
	var inConfig int64
	err = k.operator(ctx, op, func(tx pgx.Tx) (err error) {
		if err = k.mayRetire(ctx, tx, tenant, version); err == nil {
			inConfig, err = configUses(ctx, tx, tenant, version)
		}
		return err
	})
	if err != nil {
		return err
	}
	inTables, err := k.uses(ctx, tenant, version, prepared)
	if n := inConfig + inTables; err == nil && n > 0 {
		err = &KeyInUseError{Version: version, Values: n}
	}
	if err != nil {
		return operationError(op, err)
	}
	return k.destroy(ctx, op, fieldcrypt.Binding{Tenant: tenant, Kind: fieldcrypt.DataKey, Version: version})
}

// RetireIndex destroys the index key of an epoch. It returns ErrKeyInUse, as a *KeyInUseError, while this handle
// declares an index of that epoch, and ErrKeyVersion where the tenant has no such key. Before, no program may declare
// it any more, and its columns should be gone. It is for the operator: with a tenant's ctx the error is ErrKeyScope.
func (k *Keys) RetireIndex(ctx context.Context, tenant uuid.UUID, epoch uint32) error {
	const op = "retire an index key"
	for _, c := range k.declared() {
		for _, i := range c.column.Indexes() {
			if i.Epoch() == epoch {
				return operationError(op, &KeyInUseError{Version: epoch, Reason: fmt.Sprintf(
					"is that of a blind index of %q.%q", c.column.Table(), c.column.Column())})
			}
		}
	}
	return k.destroy(ctx, op, fieldcrypt.Binding{Tenant: tenant, Kind: fieldcrypt.IndexKey, Version: epoch})
}

// checkCovered refuses tables that lack a column which is declared: values in it would be lost.
func (k *Keys) checkCovered(tables []EncryptedTable) error {
	covered := map[[2]string]bool{}
	for _, t := range tables {
		for _, c := range t.Columns {
			covered[[2]string{c.Sealed.column.Table(), c.Sealed.column.Column()}] = true
		}
	}
	for _, c := range k.declared() {
		if !covered[[2]string{c.column.Table(), c.column.Column()}] {
			return fmt.Errorf("%w: %q.%q is declared, and not among the columns that would be scanned", ErrKeyJob,
				c.column.Table(), c.column.Column())
		}
	}
	return nil
}

// mayRetire refuses a version that programs may still seal with.
func (k *Keys) mayRetire(ctx context.Context, tx pgx.Tx, tenant uuid.UUID, version uint32) error {
	const query = `SELECT superseded_at IS NOT NULL, coalesce(clock_timestamp() - superseded_at > $3::interval, false)
		FROM stratum.tenant_keys WHERE tenant_id = $1 AND kind = 'data' AND version = $2 AND wrapped IS NOT NULL`
	var superseded, forgotten bool
	ttl := k.st.options.Keys.TTL
	err := tx.QueryRow(ctx, query, tenant, version, ttl).Scan(&superseded, &forgotten)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ErrKeyVersion
	case err != nil:
		return err
	case !superseded:
		return &KeyInUseError{Version: version, Reason: "is current (rotate first)"}
	case !forgotten:
		return &KeyInUseError{Version: version, Reason: fmt.Sprintf(
			"was current less than %s ago, and may be so still in programs that have not heard of it", ttl)}
	default:
		return nil
	}
}

// destroy removes one key.
func (k *Keys) destroy(ctx context.Context, op string, b fieldcrypt.Binding) error {
	const statement = `UPDATE stratum.tenant_keys SET wrapped = NULL, destroyed_at = clock_timestamp()
		WHERE tenant_id = $1 AND kind = $2 AND version = $3 AND wrapped IS NOT NULL`
	err := k.operator(ctx, op, func(tx pgx.Tx) error {
		if b.Kind == fieldcrypt.DataKey {
			if err := refuseUsedByConfig(ctx, tx, b); err != nil {
				return err
			}
		}
		tag, err := tx.Exec(ctx, statement, b.Tenant, b.Kind.String(), b.Version)
		if err == nil && tag.RowsAffected() == 0 {
			err = ErrKeyVersion
		}
		return err
	})
	k.cache.Drop(b.Tenant)
	return err
}
