package core

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// Sensitive config is sealed with the keys of tenants like fields are, but its table is the registry's, and has rows of
// tenants that are not active. So Reencrypt and Retire always look at it, and reach it as the system.

// configTable is stratum.config for a job.
func (k *Keys) configTable() EncryptedTable {
	return EncryptedTable{
		Schema: "stratum", Name: "config", TenantColumn: "tenant_id", PrimaryKey: []string{"key"}, registry: true,
		Columns: []EncryptedColumn{{Name: "sealed", Sealed: k.st.Config.sealed}},
	}
}

// configUses counts the sensitive values of a tenant that are sealed with a version of its key.
func configUses(ctx context.Context, tx pgx.Tx, tenant uuid.UUID, version uint32) (n int64, err error) {
	const query = `SELECT count(*) FROM stratum.config
		WHERE tenant_id = $1 AND sensitive AND pg_catalog.substring(sealed, 2, 4) = $2`
	err = tx.QueryRow(ctx, query, tenant, binary.BigEndian.AppendUint32(nil, version)).Scan(&n)
	return n, err
}

// lockConfigOf waits for who writes config of a tenant, and keeps others from it until the transaction ends.
func lockConfigOf(ctx context.Context, tx pgx.Tx, tenant uuid.UUID) error {
	var label string
	err := tx.QueryRow(ctx, `SELECT label FROM stratum.tenants WHERE id = $1`, tenant).Scan(&label)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrTenantNotFound
	}
	if err == nil {
		_, err = tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1, $2)`, lockConfigTenant, lockNumber(label))
	}
	return err
}

// refuseUsedByConfig looks once more, when nobody writes config of the tenant: a transaction that had sealed a value
// before and was not visible to the scan has ended.
func refuseUsedByConfig(ctx context.Context, tx pgx.Tx, b fieldcrypt.Binding) error {
	if err := lockConfigOf(ctx, tx, b.Tenant); err != nil {
		return err
	}
	n, err := configUses(ctx, tx, b.Tenant, b.Version)
	if err == nil && n > 0 {
		err = &KeyInUseError{Version: b.Version, Values: n}
	}
	return err
}

// config works on the sensitive config of all tenants, whatever their status: those beneath inherit it.
func (j *keyJob) config(ctx context.Context) error {
	tenants, err := j.configTenants(ctx)
	if err != nil {
		return err
	}
	var (
		work    = make(chan uuid.UUID)
		workers sync.WaitGroup
		failed  configFailures
	)
	for range min(j.options.Workers, len(tenants)) {
		workers.Go(func() {
			for tenant := range work {
				failed.add(tenant, j.configOf(ctx, tenant))
			}
		})
	}
	for _, tenant := range tenants {
		if ctx.Err() != nil {
			break
		}
		work <- tenant
	}
	close(work)
	workers.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return failed.err()
}

// configFailures are the tenants whose config could not be worked on.
type configFailures struct {
	mu  sync.Mutex
	all ForEachError
}

func (f *configFailures) add(tenant uuid.UUID, err error) {
	if err == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all.Failed++; f.all.Failed <= defaultMaxFailures {
		f.all.Failures = append(f.all.Failures, TenantFailure{Tenant: tenant, Err: err})
	}
}

func (f *configFailures) err() error {
	if f.all.Failed == 0 {
		return nil
	}
	return &f.all
}

// configTenants are those that have something to be looked at.
func (j *keyJob) configTenants(ctx context.Context) (tenants []uuid.UUID, err error) {
	const query = `SELECT tenant_id FROM stratum.config WHERE sensitive AND ($2::uuid[] IS NULL OR tenant_id = ANY($2))
		UNION SELECT tenant_id FROM stratum.config WHERE key = ANY($1) AND NOT sensitive
			AND ($2::uuid[] IS NULL OR tenant_id = ANY($2))
		ORDER BY tenant_id`
	st := j.keys.st
	err = st.registryTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, query, st.Config.secretKeys(), j.options.Tenants)
		if err != nil {
			return err
		}
		tenants, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	return tenants, statementError(ctx, err)
}

// secretKeys are the names of the keys that are declared sensitive.
func (c *Config) secretKeys() []string {
	names := make([]string, 0, len(c.secret))
	for name := range c.secret {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// configOf works on the config of one tenant.
func (j *keyJob) configOf(ctx context.Context, tenant uuid.UUID) error {
	t, err := j.keys.find(ctx, tenant, func(*tenantKeys) bool { return true })
	if err != nil || t.shredded {
		return err // of a shredded one nothing can be read or sealed
	}
	if err := j.sealPlainConfig(ctx, tenant); err != nil || t.newest == 0 {
		return err
	}
	return j.unit(ctx, tenant, j.keys.configTable())
}

// plainConfig is an entry that was written before its key was declared sensitive.
type plainConfig struct {
	Key, Value string
	sealed     []byte
}

// sealPlainConfig seals entries of keys that are declared sensitive and are stored as they are. Who is killed goes on
// with those that are left.
func (j *keyJob) sealPlainConfig(ctx context.Context, tenant uuid.UUID) error {
	for {
		plain, err := j.plainConfig(ctx, tenant)
		if err != nil || len(plain) == 0 {
			return err
		}
		if j.options.DryRun {
			j.note(func(r *ReencryptReport) { r.Rows += int64(len(plain)) })
			return nil
		}
		sealer := j.keys.st.Config.sealer(tenant)
		for i := range plain {
			if plain[i].sealed, err = sealer.sealNow(ctx, plain[i].Key, []byte(plain[i].Value)); err != nil {
				return err
			}
		}
		rows, err := j.putSealedConfig(ctx, tenant, plain)
		if err != nil {
			return err
		}
		if rows < int64(len(plain)) {
			j.keys.cache.Drop(tenant) // if it was for the key, and not because somebody else has written
		}
		j.note(func(r *ReencryptReport) { r.Rows += rows })
	}
}

func (j *keyJob) plainConfig(ctx context.Context, tenant uuid.UUID) (plain []plainConfig, err error) {
	const query = `SELECT key, value::text FROM stratum.config
		WHERE tenant_id = $1 AND key = ANY($2) AND NOT sensitive ORDER BY key LIMIT $3`
	st := j.keys.st
	err = st.registryTx(ctx, func(tx pgx.Tx) error {
		most := &j.options.Batch
		if j.options.DryRun {
			most = nil // nothing is taken away from what is left
		}
		rows, err := tx.Query(ctx, query, tenant, st.Config.secretKeys(), most)
		if err != nil {
			return err
		}
		plain, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (p plainConfig, err error) {
			return p, row.Scan(&p.Key, &p.Value)
		})
		return err
	})
	return plain, statementError(ctx, err)
}

// putSealedConfig stores what was sealed where it is still what was read. No reader sees another value, so that the
// version stays.
func (j *keyJob) putSealedConfig(ctx context.Context, tenant uuid.UUID, plain []plainConfig) (rows int64, err error) {
	const statement = `UPDATE stratum.config SET sealed = $4, value = 'null', sensitive = true
		WHERE tenant_id = $1 AND key = $2 AND NOT sensitive AND value::text = $3
			AND EXISTS (SELECT FROM stratum.tenant_keys k
				WHERE k.tenant_id = $1 AND k.kind = 'data' AND k.version = $5 AND k.wrapped IS NOT NULL)`
	err = j.keys.st.registryTx(ctx, func(tx pgx.Tx) error {
		rows = 0
		if err := lockConfigOf(ctx, tx, tenant); err != nil {
			return err
		}
		for _, p := range plain {
			tag, err := tx.Exec(ctx, statement, tenant, p.Key, p.Value, p.sealed, int64(versionOf(p.sealed)))
			if err != nil {
				return err
			}
			rows += tag.RowsAffected()
		}
		return nil
	})
	return rows, statementError(ctx, err)
}
