package core

import (
	"context"

	"github.com/google/uuid"
)

// ShredOptions are the options of Shred.
type ShredOptions struct {
	// DryRun tells what would be destroyed, and destroys nothing. Defaults to false.
	DryRun bool
}

// ShredReport says what Shred has destroyed, or would.
type ShredReport struct {
	// Keys are the keys that are destroyed, as they were before.
	Keys []KeyInfo
	// KEKs are the IDs of what they were wrapped with. Whoever has a backup of the registry and one of these KEKs still
	// has the keys: see docs/encryption.md, "Backups".
	KEKs []string
}

// Shred destroys all keys of a tenant, for ever: every field that was encrypted for it is unreadable, here at once and
// in other programs within the TTL of their keys, and so are its blind indexes. Nothing can be sealed for it any more,
// which is ErrShredded. A tenant without keys gets none from then on. What is in backups of the registry is not
// reached: see docs/encryption.md for how it is.
//
// It is for the operator: with a tenant's ctx the error is ErrKeyScope. It returns ErrTenantNotFound for an unknown
// tenant. To shred one again is no error, and the report is empty.
func (k *Keys) Shred(ctx context.Context, tenant uuid.UUID, o ShredOptions) (ShredReport, error) {
	var report ShredReport
	err := k.st.Tenants.do(ctx, "shred a tenant's keys", treeShared, func(s session) error {
		report = ShredReport{}
		if s.caller.isTenant() {
			return ErrKeyScope
		}
		if err := lockKeys(ctx, s.tx, tenant); err != nil {
			return err
		}
		rows, err := s.keys(ctx, tenant)
		if err != nil {
			return err
		}
		report = shredReport(rows)
		if o.DryRun {
			return nil
		}
		return s.shred(ctx, tenant)
	})
	if err != nil {
		return ShredReport{}, err
	}
	if !o.DryRun {
		k.cache.Drop(tenant)
	}
	return report, nil
}

func shredReport(rows []keyRow) (r ShredReport) {
	seen := map[string]bool{}
	for _, row := range rows {
		if !row.live() {
			continue
		}
		r.Keys = append(r.Keys, row.info())
		if !seen[row.wrapped.KEK] {
			seen[row.wrapped.KEK] = true
			r.KEKs = append(r.KEKs, row.wrapped.KEK)
		}
	}
	return r
}

// shred destroys the keys, and leaves a row that says so where there was none.
func (s session) shred(ctx context.Context, tenant uuid.UUID) error {
	const destroy = `UPDATE stratum.tenant_keys SET wrapped = NULL, shredded = true,
			destroyed_at = coalesce(destroyed_at, clock_timestamp())
		WHERE tenant_id = $1 AND NOT shredded`
	if _, err := s.tx.Exec(ctx, destroy, tenant); err != nil {
		return err
	}
	const mark = `INSERT INTO stratum.tenant_keys
			(tenant_id, kind, version, kek, commitment, destroyed_at, shredded)
		SELECT $1, 'data', 1, '', '', clock_timestamp(), true
		WHERE NOT EXISTS (SELECT FROM stratum.tenant_keys WHERE tenant_id = $1)`
	_, err := s.tx.Exec(ctx, mark, tenant)
	return err
}
