package core

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// RewrapOptions are the options of RewrapKEK.
type RewrapOptions struct {
	// Progress is called after each batch with what is done so far. Defaults to nobody.
	Progress func(RewrapReport)
}

// RewrapReport says how far a RewrapKEK has come.
type RewrapReport struct {
	// KEK is the ID of the current KEK, which all keys come under.
	KEK string
	// Rewrapped is how many keys were brought under it.
	Rewrapped int64
	// Remaining is how many are still under another one, those of other runs included.
	Remaining int64
	// Failed is how many of them could not be unwrapped: they stay as they are, and Failures has the first 100.
	Failed   int64
	Failures []KeyFailure
}

// KeyFailure is a key that could not be rewrapped.
type KeyFailure struct {
	// Tenant, Kind and Version name the key.
	Tenant  uuid.UUID
	Kind    fieldcrypt.Kind
	Version uint32
	// Err is ErrNoKEK, fieldcrypt.ErrUnwrap, or the KEK's own error.
	Err error
}

const (
	rewrapBatch    = 100
	maxKeyFailures = 100
)

// RewrapKEK brings the keys of all tenants under the current KEK. Sealed values stay as they are. It can be ended at
// any point and started again, and several programs may do it at once: each key is compared and swapped. When Remaining
// is 0 no key in this database needs an older KEK, which may then be destroyed: only backups of the registry that are
// older still need it, and are unreadable without.
//
// Before, all programs must have the current KEK, or they cannot unwrap what is rewrapped. It is for the operator: with
// a tenant's ctx the error is ErrKeyScope. Of keys that cannot be unwrapped the report tells, and no error.
func (k *Keys) RewrapKEK(ctx context.Context, o RewrapOptions) (RewrapReport, error) {
	const op = "rewrap keys"
	if k.kek == nil {
		return RewrapReport{}, operationError(op, errNoOption)
	}
	r := RewrapReport{KEK: k.kek.ID()}
	var after keyRow
	for {
		batch, err := k.staleKeys(ctx, op, after)
		if err != nil {
			return r, err
		}
		for _, row := range batch {
			if err := k.rewrap(ctx, row, &r); err != nil {
				return r, operationError(op, err)
			}
			after = row
		}
		if r.Remaining, err = k.countStale(ctx, op); err != nil {
			return r, err
		}
		if o.Progress != nil {
			o.Progress(r)
		}
		if len(batch) < rewrapBatch {
			return r, nil
		}
	}
}

// staleKeys returns the next keys that are not under the current KEK.
func (k *Keys) staleKeys(ctx context.Context, op string, after keyRow) (batch []keyRow, err error) {
	const query = `SELECT ` + keyColumns + ` FROM stratum.tenant_keys
		WHERE wrapped IS NOT NULL AND kek <> $1 AND (tenant_id, kind, version) > ($2, $3, $4)
		ORDER BY tenant_id, kind, version LIMIT $5`
	kind := ""
	if after.binding.Kind != 0 {
		kind = after.binding.Kind.String()
	}
	err = k.operator(ctx, op, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, query, k.kek.ID(), after.binding.Tenant, kind, after.binding.Version, rewrapBatch)
		if err != nil {
			return err
		}
		batch, err = pgx.CollectRows(rows, scanKey)
		return err
	})
	return batch, err
}

func (k *Keys) countStale(ctx context.Context, op string) (n int64, err error) {
	const query = `SELECT count(*) FROM stratum.tenant_keys WHERE wrapped IS NOT NULL AND kek <> $1`
	err = k.operator(ctx, op, func(tx pgx.Tx) error { return tx.QueryRow(ctx, query, k.kek.ID()).Scan(&n) })
	return n, err
}

// operator runs fn in a transaction on the registry, unless ctx is a tenant's.
func (k *Keys) operator(ctx context.Context, op string, fn func(tx pgx.Tx) error) error {
	return k.st.Tenants.do(ctx, op, readOnly, func(s session) error {
		if s.caller.isTenant() {
			return ErrKeyScope
		}
		return fn(s.tx)
	})
}

// rewrap brings one key under the current KEK, unless somebody else has meanwhile, or it was destroyed.
func (k *Keys) rewrap(ctx context.Context, row keyRow, r *RewrapReport) error {
	w, err := k.wrappedAnew(ctx, row)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		r.Failed++
		if len(r.Failures) < maxKeyFailures {
			b := row.binding
			r.Failures = append(r.Failures, KeyFailure{Tenant: b.Tenant, Kind: b.Kind, Version: b.Version, Err: err})
		}
		return nil
	}
	const statement = `UPDATE stratum.tenant_keys SET wrapped = $4, kek = $5
		WHERE tenant_id = $1 AND kind = $2 AND version = $3 AND wrapped = $6`
	return statementError(ctx, k.st.registryTx(ctx, func(tx pgx.Tx) error {
		b := row.binding
		tag, err := tx.Exec(ctx, statement, b.Tenant, b.Kind.String(), b.Version, w.Bytes, w.KEK, row.wrapped.Bytes)
		r.Rewrapped += tag.RowsAffected()
		return err
	}))
}

func (k *Keys) wrappedAnew(ctx context.Context, row keyRow) (fieldcrypt.Wrapped, error) {
	key, err := fieldcrypt.Unwrap(ctx, k.kek, row.wrapped, row.binding)
	if err != nil {
		return fieldcrypt.Wrapped{}, err
	}
	defer clear(key.Secret)
	return fieldcrypt.Wrap(ctx, k.kek, key)
}
