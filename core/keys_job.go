package core

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ReencryptOptions are the options of Reencrypt.
type ReencryptOptions struct {
	// Tables are what is sealed anew, beside sensitive config. Required, unless no column is declared.
	Tables []EncryptedTable
	// Tenants are whose rows and config. Defaults to rows of all that are active, and to config of all.
	Tenants []uuid.UUID
	// Job is what programs that share the work name it by, and what it goes on by. Defaults to "reencrypt".
	Job string
	// Batch is how many rows are read and written in one transaction. Defaults to 500.
	Batch int
	// Workers is how many tenants are worked on at once. Defaults to 2.
	Workers int
	// Lease is how long after its last batch a program that was killed keeps its tenant and table from others. Defaults
	// to 30 seconds.
	Lease time.Duration
	// DryRun opens and encodes all that would be sealed, and writes nothing: Rows is how many rows would be written,
	// and Failures has what could not. No key is made, and nothing is kept of how far it is. That two rows would have
	// the same unique index is not found. Defaults to false.
	DryRun bool
	// Progress is called after each batch, one call at a time, with what this program has done so far. Defaults to
	// nobody.
	Progress func(ReencryptReport)
}

func (o ReencryptOptions) withDefaults() ReencryptOptions {
	o.Job = cmp.Or(o.Job, "reencrypt")
	o.Batch = cmp.Or(o.Batch, defaultKeyBatch)
	o.Workers = cmp.Or(o.Workers, defaultKeyWorkers)
	o.Lease = cmp.Or(o.Lease, defaultKeyLease)
	return o
}

const (
	defaultKeyBatch   = 500
	defaultKeyWorkers = 2
	defaultKeyLease   = 30 * time.Second
	maxRowFailures    = 100
)

// ReencryptReport says what a program has done of a job.
type ReencryptReport struct {
	// Rows is how many rows were written.
	Rows int64
	// Done is how many tables of tenants were finished, by this program.
	Done int64
	// Skipped is how many tenants are not active, so that their rows were not reached.
	Skipped int
	// Failed is how many values could not be opened or sealed. They stay as they are; Failures has the first 100.
	Failed   int64
	Failures []RowFailure
}

// RowFailure is a value that could not be sealed anew.
type RowFailure struct {
	// Tenant, Table, Column and PrimaryKey say where it is. The key is as PostgreSQL writes it.
	Tenant     uuid.UUID
	Table      string
	Column     string
	PrimaryKey []string
	// Err is ErrDecrypt, fieldcrypt.ErrType, ErrDuplicateKey or the error of FromPlain.
	Err error
}

// Reencrypt brings encrypted columns to what they should be: values under the tenant's current key and the declared
// algorithm, blind indexes filled, plain values sealed. Rows that are so already are not written. So it does with
// sensitive config, and with what was set for a key before it was declared sensitive.
//
// Each row is compared and swapped in the place of its tenant, whatever its isolation, so that a write of the
// application meanwhile is never lost. How far it is, is kept in the registry for each tenant and table: it may be
// killed at any point, and another run goes on. Several programs that run the same job share the work. It returns when
// all of it is done, by whichever program; what is written meanwhile with an older key, by a program that has not heard
// of the new one, is found by the next run.
//
// It is for the operator: with a tenant's ctx the error is ErrKeyScope. It returns ErrKeyJob for tables that cannot be
// worked on, and a *ForEachError with what failed for single tenants; the report is valid in each case.
func (k *Keys) Reencrypt(ctx context.Context, o ReencryptOptions) (ReencryptReport, error) {
	const op = "seal anew"
	o = o.withDefaults()
	tables, err := k.prepareTables(o.Tables)
	if err != nil {
		return ReencryptReport{}, operationError(op, err)
	}
	if o.Batch < 1 || o.Workers < 1 || o.Lease < time.Second {
		return ReencryptReport{}, operationError(op, fmt.Errorf("%w: Batch and Workers must be positive, and Lease at "+
			"least a second", ErrKeyJob))
	}
	o.Tables = tables
	j := &keyJob{keys: k, options: o, owner: uuid.New()}
	err = k.operator(ctx, op, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&j.begun)
	})
	if err == nil {
		err = j.run(ctx)
	}
	return j.report, operationError(op, err)
}

// keyJob is one program's run of a job.
type keyJob struct {
	keys    *Keys
	options ReencryptOptions
	owner   uuid.UUID
	begun   time.Time // by the registry's clock

	mu     sync.Mutex
	report ReencryptReport
	busy   int // units that other programs are at
}

// run makes passes over all tenants, until nothing is left to others.
func (j *keyJob) run(ctx context.Context) error {
	for {
		j.busy = 0
		err := errors.Join(j.tables(ctx), j.config(ctx))
		if err == nil {
			err = ctx.Err() // a tenant that was cut off is in no report
		}
		if err != nil || j.busy == 0 {
			return err
		}
		if err := pause(ctx, j.options.Lease/10); err != nil {
			return err
		}
	}
}

// tables works on the tables of all tenants.
func (j *keyJob) tables(ctx context.Context) error {
	if len(j.options.Tables) == 0 {
		return nil
	}
	pass, err := j.keys.st.Tenants.ForEach(ctx, ForEachOptions{
		Tenants: j.options.Tenants, Workers: j.options.Workers,
	}, j.tenant)
	j.report.Skipped = pass.Skipped
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// note changes the report and tells of it.
func (j *keyJob) note(change func(r *ReencryptReport)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change(&j.report)
	if j.options.Progress != nil {
		j.options.Progress(j.report)
	}
}

// tenant works on the tables of one tenant.
func (j *keyJob) tenant(ctx context.Context, tenant Tenant) error {
	t, err := j.keys.find(ctx, tenant.ID, func(t *tenantKeys) bool { return true })
	if err != nil {
		return err
	}
	if t.shredded || t.newest == 0 && !j.hasPlain() {
		return nil // nothing of it can be read, or nothing was ever sealed
	}
	for _, table := range j.options.Tables {
		if err := j.unit(ctx, tenant.ID, table); err != nil {
			return err
		}
	}
	return nil
}

func (j *keyJob) hasPlain() bool {
	for _, t := range j.options.Tables {
		if slices.ContainsFunc(t.Columns, func(c EncryptedColumn) bool { return c.Plain != "" }) {
			return true
		}
	}
	return false
}

// unit works on one table of a tenant, unless another program is at it or has done it.
func (j *keyJob) unit(ctx context.Context, tenant uuid.UUID, table EncryptedTable) error {
	find := j.keys.sealing
	if j.options.DryRun {
		find = func(ctx context.Context, tenant uuid.UUID) (*tenantKeys, error) {
			return j.keys.opening(ctx, tenant, 0)
		}
	}
	t, err := find(ctx, tenant)
	if err != nil {
		return err
	}
	u := &keyUnit{job: j, tenant: tenant, table: table, version: t.ring.Current()}
	claimed, err := u.claim(ctx)
	if err != nil || !claimed {
		return err
	}
	for done := false; !done; {
		if done, err = u.batch(ctx); err != nil {
			return errors.Join(err, u.release(ctx))
		}
	}
	j.note(func(r *ReencryptReport) { r.Done++ })
	return nil
}

// keyUnit is one table of one tenant.
type keyUnit struct {
	job      *keyJob
	tenant   uuid.UUID
	table    EncryptedTable
	version  uint32
	position []string // the primary key of the last row that was looked at
	types    []string
}

// target says what the columns are brought to. A cursor that was on its way to another one begins anew.
func (u *keyUnit) target() string {
	var b strings.Builder
	fmt.Fprintf(&b, "key %d", u.version)
	for _, c := range u.table.Columns {
		fmt.Fprintf(&b, "; %s %d", c.Name, c.Sealed.column.Alg())
		for _, name := range c.indexNames() {
			fmt.Fprintf(&b, " %s/%d", c.Indexes[name], c.Sealed.column.Index(name).Epoch())
		}
		if c.Plain != "" {
			b.WriteString(" from " + c.Plain)
		}
	}
	return b.String()
}

// header is that of a column's value under the current key.
func (u *keyUnit) header(c EncryptedColumn) []byte {
	return binary.BigEndian.AppendUint32([]byte{byte(c.Sealed.column.Alg())}, u.version)
}

// claim takes the unit for the length of a lease, and finds where to go on. What was done before this run began is done
// again, because rows may have been written with an older key since.
func (u *keyUnit) claim(ctx context.Context) (claimed bool, err error) {
	const statement = `INSERT INTO stratum.key_jobs AS j (job, tenant_id, relation, target, owner, lease_ends)
		VALUES ($1, $2, $3, $4, $5, clock_timestamp() + $6::interval)
		ON CONFLICT (job, tenant_id, relation) DO UPDATE SET
			position = CASE WHEN j.target = excluded.target AND j.done_at IS NULL THEN j.position END,
			target = excluded.target, owner = excluded.owner, lease_ends = excluded.lease_ends, done_at = NULL
		WHERE (j.lease_ends IS NULL OR j.lease_ends < clock_timestamp())
			AND (j.done_at IS NULL OR j.done_at < $7 OR j.target <> excluded.target)
		RETURNING position`
	j := u.job
	if j.options.DryRun {
		return true, nil
	}
	err = j.keys.st.registryTx(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, statement, j.options.Job, u.tenant, u.table.relation(), u.target(), j.owner,
			j.options.Lease, j.begun).Scan(&u.position)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return false, u.lookBusy(ctx)
	}
	return err == nil, statementError(ctx, err)
}

// lookBusy notes whether another program is still at the unit.
func (u *keyUnit) lookBusy(ctx context.Context) error {
	const query = `SELECT count(*) FROM stratum.key_jobs
		WHERE job = $1 AND tenant_id = $2 AND relation = $3 AND done_at IS NULL`
	n := 0
	err := u.job.keys.st.registryTx(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, query, u.job.options.Job, u.tenant, u.table.relation()).Scan(&n)
	})
	u.job.mu.Lock()
	defer u.job.mu.Unlock()
	u.job.busy += n
	return statementError(ctx, err)
}

// advance keeps how far the unit is, while it is still this program's.
func (u *keyUnit) advance(ctx context.Context, rows, failed int64, done bool) error {
	const statement = `UPDATE stratum.key_jobs SET position = $5, rows = rows + $6, failed = failed + $7,
			lease_ends = CASE WHEN $8 THEN NULL ELSE clock_timestamp() + $9::interval END,
			done_at = CASE WHEN $8 THEN clock_timestamp() END
		WHERE job = $1 AND tenant_id = $2 AND relation = $3 AND owner = $4`
	j := u.job
	if j.options.DryRun {
		return nil
	}
	err := j.keys.st.registryTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, statement, j.options.Job, u.tenant, u.table.relation(), j.owner, u.position, rows,
			failed, done, j.options.Lease)
		if err == nil && tag.RowsAffected() == 0 {
			err = errTaken
		}
		return err
	})
	return statementError(ctx, err)
}

// errTaken says that the lease has ended and another program goes on.
var errTaken = fmt.Errorf("%w: another program has taken over (give a longer Lease or a smaller Batch)", ErrKeyJob)

// release lets others go on at once. It is best effort: the lease ends by itself.
func (u *keyUnit) release(ctx context.Context) error {
	if u.job.options.DryRun {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	const statement = `UPDATE stratum.key_jobs SET lease_ends = NULL
		WHERE job = $1 AND tenant_id = $2 AND relation = $3 AND owner = $4`
	j := u.job
	return statementError(ctx, j.keys.st.registryTx(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, statement, j.options.Job, u.tenant, u.table.relation(), j.owner)
		return err
	}))
}
