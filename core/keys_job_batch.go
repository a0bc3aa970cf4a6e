package core

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// maxBatchAttempts is how often a batch is read again because somebody else has written its rows.
const maxBatchAttempts = 5

// batch brings the next rows to the target, in one transaction at the tenant's place, and then keeps how far it is. A
// program that is killed in between does the batch again and finds nothing to do.
//
// Rows that somebody else has written meanwhile are read again, with those behind them. Those that are always written
// are left, after a while: whoever writes them seals them anew.
func (u *keyUnit) batch(ctx context.Context) (done bool, err error) {
	var b *keyBatch
	written, single := int64(0), false
	for range maxBatchAttempts {
		b = &keyBatch{unit: u, single: single}
		err = b.run(ctx)
		if isTransient(err) {
			continue
		}
		if !single && isDuplicate(err) {
			single = true
			continue
		}
		if err != nil {
			return false, err
		}
		if written += b.written; b.conflicts == 0 {
			break
		}
	}
	if err != nil {
		return false, err
	}
	done = len(b.rows) < u.job.options.Batch
	if len(b.rows) > 0 {
		u.position = b.rows[len(b.rows)-1].key
	}
	if err := u.advance(ctx, written, int64(len(b.failures)), done); err != nil {
		return false, err
	}
	u.job.note(func(r *ReencryptReport) {
		r.Rows += written
		r.Failed += int64(len(b.failures))
		r.Failures = append(r.Failures, b.failures[:min(len(b.failures), maxRowFailures-len(r.Failures))]...)
	})
	return done, nil
}

// keyBatch are some rows of a unit.
type keyBatch struct {
	unit     *keyUnit
	rows     []keyBatchRow
	failures []RowFailure
	// How many rows were written, and how many were not as they were read any more.
	written, conflicts int64

	writing []int // the rows that are written
	single  bool  // each by itself, because a unique index has refused one
}

// keyBatchRow is a row as it was read.
type keyBatchRow struct {
	key    []string
	values []keyBatchValue // of the columns
}

// keyBatchValue is one column of a row. A plain value is the newer one: whoever seals a value sets it to NULL.
type keyBatchValue struct {
	sealed    []byte
	stale     bool
	plain     any
	plainText *string
}

// run reads, seals and writes: in the tenant's place in one transaction.
func (b *keyBatch) run(ctx context.Context) error {
	if b.unit.table.registry {
		return b.runInRegistry(ctx)
	}
	return b.unit.job.keys.st.BeginFunc(ctx, func(tx *Tx) error {
		if err := b.read(ctx, tx); err != nil {
			return err
		}
		writes, err := b.seal(ctx)
		if err != nil {
			return err
		}
		return b.write(ctx, tx, writes)
	})
}

// runInRegistry is run with two transactions: sealing may want a connection of the same pool.
func (b *keyBatch) runInRegistry(ctx context.Context) error {
	u := b.unit
	err := u.job.keys.st.registryTx(ctx, func(tx pgx.Tx) error { return b.read(ctx, tx) })
	if err != nil {
		return statementError(ctx, err)
	}
	writes, err := b.seal(ctx)
	if err != nil || writes.Len() == 0 {
		return err
	}
	return statementError(ctx, u.job.keys.st.registryTx(ctx, func(tx pgx.Tx) error {
		if err := lockConfigOf(ctx, tx, u.tenant); err != nil {
			return err
		}
		return b.write(ctx, tx, writes)
	}))
}

// seal returns the statements that bring the rows to the target.
func (b *keyBatch) seal(ctx context.Context) (*pgx.Batch, error) {
	writes := &pgx.Batch{}
	for i, row := range b.rows {
		queued := writes.Len()
		if err := b.queue(ctx, writes, row); err != nil {
			return nil, err
		}
		if writes.Len() > queued {
			b.writing = append(b.writing, i)
		}
	}
	return writes, nil
}

// write sends the statements, unless they are rehearsed alone.
func (b *keyBatch) write(ctx context.Context, tx keyTx, writes *pgx.Batch) error {
	switch {
	case b.unit.job.options.DryRun:
		b.written = int64(writes.Len())
		return nil
	case b.single:
		return b.sendEach(ctx, tx, writes)
	default:
		return b.send(ctx, tx, writes)
	}
}

// sendEach does what send does, and leaves out rows that a unique index refuses.
func (b *keyBatch) sendEach(ctx context.Context, tx keyTx, writes *pgx.Batch) error {
	const savepoint = "stratum_row"
	for i, q := range writes.QueuedQueries {
		if _, err := tx.Exec(ctx, "SAVEPOINT "+savepoint); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, q.SQL, q.Arguments...)
		if isDuplicate(err) {
			if _, err := tx.Exec(ctx, "ROLLBACK TO SAVEPOINT "+savepoint); err != nil {
				return err
			}
			b.failures = append(b.failures, b.duplicate(b.rows[b.writing[i]]))
			continue
		}
		if err != nil {
			return err
		}
		b.written += tag.RowsAffected()
		b.conflicts += 1 - tag.RowsAffected()
	}
	return nil
}

func isDuplicate(err error) bool { return errors.Is(err, ErrDuplicateKey) || hasCode(err, codeUnique) }

// duplicate is the failure of a row whose blind index another row has.
func (b *keyBatch) duplicate(row keyBatchRow) RowFailure {
	f := RowFailure{Tenant: b.unit.tenant, Table: b.unit.table.Name, PrimaryKey: row.key, Err: ErrDuplicateKey}
	for i, c := range b.unit.table.Columns {
		if row.values[i].stale && len(c.Indexes) > 0 && f.Column == "" {
			f.Column = c.Name
		}
	}
	return f
}

func (b *keyBatch) send(ctx context.Context, tx keyTx, writes *pgx.Batch) (err error) {
	if writes.Len() == 0 {
		return nil
	}
	results := tx.SendBatch(ctx, writes)
	defer func() { err = errors.Join(err, results.Close()) }()
	for range writes.Len() {
		tag, err := results.Exec()
		if err != nil {
			return err
		}
		b.written += tag.RowsAffected()
		b.conflicts += 1 - tag.RowsAffected()
	}
	return nil
}

// read finds the next rows with something to be done.
func (b *keyBatch) read(ctx context.Context, tx keyTx) (err error) {
	u, w := b.unit, &sqlWriter{}
	if u.types == nil {
		if u.types, err = u.table.keyTypes(ctx, tx); err != nil {
			return err
		}
	}
	w.WriteString("SELECT ")
	for _, key := range u.table.PrimaryKey {
		w.WriteString(ident(key) + "::text, ")
	}
	stale := make([]string, 0, len(u.table.Columns))
	for i, c := range u.table.Columns {
		condition := c.stale(w, u.header(c))
		stale = append(stale, condition)
		if i > 0 {
			w.WriteString(", ")
		}
		w.WriteString(ident(c.Name) + ", coalesce(" + condition + ", false)")
		if c.Plain != "" {
			w.WriteString(", " + c.plainValue() + ", " + ident(c.Plain) + "::text")
		}
	}
	w.WriteString(" FROM " + u.table.relation() + " AS r")
	w.WriteString(" WHERE " + ident(u.table.TenantColumn) + " = " + w.arg(u.tenant))
	if u.position != nil {
		w.WriteString(" AND " + u.table.keyColumns() + " > " + w.key(u.position, u.types))
	}
	w.WriteString(" AND (" + strings.Join(stale, " OR ") + ") ORDER BY ")
	for i, key := range u.table.PrimaryKey {
		if i > 0 {
			w.WriteString(", ")
		}
		w.WriteString("r." + ident(key)) // the key, and not its text, which is in the list above
	}
	w.WriteString(" LIMIT " + w.arg(u.job.options.Batch))
	rows, err := tx.Query(ctx, w.String(), w.args...)
	if err != nil {
		return err
	}
	b.rows, err = pgx.CollectRows(rows, b.scan)
	return err
}

func (b *keyBatch) scan(row pgx.CollectableRow) (keyBatchRow, error) {
	t := b.unit.table
	r := keyBatchRow{key: make([]string, len(t.PrimaryKey)), values: make([]keyBatchValue, len(t.Columns))}
	var into []any
	for i := range r.key {
		into = append(into, &r.key[i])
	}
	for i, c := range t.Columns {
		v := &r.values[i]
		into = append(into, &v.sealed, &v.stale)
		if c.Plain != "" {
			into = append(into, &v.plain, &v.plainText)
		}
	}
	return r, row.Scan(into...)
}

// queue adds the statement that brings one row to the target, unless none of its values can be.
func (b *keyBatch) queue(ctx context.Context, writes *pgx.Batch, row keyBatchRow) error {
	u, w := b.unit, &sqlWriter{}
	var sets, same []string
	for i, c := range u.table.Columns {
		v := row.values[i]
		if !v.stale {
			continue
		}
		s, err := b.anew(ctx, c, v, row.key)
		switch {
		case isRowFailure(err):
			b.failures = append(b.failures, RowFailure{
				Tenant: u.tenant, Table: u.table.Name, Column: c.Name, PrimaryKey: row.key, Err: err,
			})
			continue
		case err != nil:
			return err
		}
		sets, same = s.write(w, c, v, sets), append(same, v.unchanged(w, c))
	}
	if len(sets) == 0 {
		return nil
	}
	if u.table.registry {
		same = append(same, "EXISTS (SELECT FROM stratum.tenant_keys k WHERE k.tenant_id = "+w.arg(u.tenant)+
			" AND k.kind = 'data' AND k.version = "+w.arg(int64(u.version))+" AND k.wrapped IS NOT NULL)")
	}
	writes.Queue("UPDATE "+u.table.relation()+" SET "+strings.Join(sets, ", ")+" WHERE "+
		ident(u.table.TenantColumn)+" = "+w.arg(u.tenant)+" AND "+u.table.keyColumns()+" = "+w.key(row.key, u.types)+
		" AND "+strings.Join(same, " AND "), w.args...)
	return nil
}

// unchanged writes that a value is still what was read.
func (v keyBatchValue) unchanged(w *sqlWriter, c EncryptedColumn) string {
	if v.plainText != nil {
		return ident(c.Plain) + "::text = " + w.arg(*v.plainText)
	}
	return ident(c.Name) + " = " + w.arg(v.sealed)
}

// sealedAnew is what a column becomes.
type sealedAnew struct {
	sealed  []byte
	indexes map[string][]byte // by name
}

func (s sealedAnew) write(w *sqlWriter, c EncryptedColumn, v keyBatchValue, sets []string) []string {
	sets = append(sets, ident(c.Name)+" = "+w.arg(s.sealed))
	for _, name := range c.indexNames() {
		sets = append(sets, ident(c.Indexes[name])+" = "+w.arg(s.indexes[name]))
	}
	if v.plainText != nil {
		sets = append(sets, ident(c.Plain)+" = NULL")
	}
	return sets
}

// anew seals a value again, and computes its indexes.
func (b *keyBatch) anew(ctx context.Context, c EncryptedColumn, v keyBatchValue, key []string) (sealedAnew, error) {
	primaryKey, err := boundKey(c, key)
	if err != nil {
		return sealedAnew{}, err
	}
	var encoded []byte
	tenant := b.unit.tenant
	if v.plainText != nil {
		encoded, err = encodePlain(c, v.plain)
	} else {
		encoded, err = c.Sealed.open(ctx, tenant, nil, v.sealed, primaryKey)
	}
	if err != nil {
		return sealedAnew{}, err
	}
	s := sealedAnew{indexes: make(map[string][]byte, len(c.Indexes))}
	if b.unit.job.options.DryRun {
		return s, c.indexable(encoded)
	}
	if s.sealed, err = c.Sealed.seal(ctx, tenant, nil, encoded, primaryKey); err != nil {
		return sealedAnew{}, err
	}
	for name := range c.Indexes {
		s.indexes[name], err = c.Sealed.Index(ctx, tenant, c.Sealed.column.Index(name), nil, encoded)
		if err != nil {
			return sealedAnew{}, err
		}
	}
	return s, nil
}

// indexable returns why a value can have no blind index.
func (c EncryptedColumn) indexable(encoded []byte) error {
	for name := range c.Indexes {
		if _, err := c.Sealed.column.Index(name).Same(encoded, encoded); err != nil {
			return err
		}
	}
	return nil
}

// boundKey is the primary key where the column binds it.
func boundKey(c EncryptedColumn, key []string) ([]byte, error) {
	if !c.Sealed.column.PrimaryKey() {
		return nil, nil
	}
	parts := make([]any, len(key))
	for i := range key {
		parts[i] = key[i]
	}
	return fieldcrypt.PrimaryKey(nil, parts...)
}

// plainError is an error of FromPlain.
type plainError struct{ error }

func (e plainError) Unwrap() error { return e.error }

func encodePlain(c EncryptedColumn, value any) ([]byte, error) {
	if c.FromPlain != nil {
		var err error
		if value, err = c.FromPlain(value); err != nil {
			return nil, plainError{err}
		}
	}
	encoded, null, err := fieldcrypt.Encode(nil, value)
	if err == nil && null {
		err = plainError{&fieldcrypt.TypeError{Go: "nil", Reason: "is what FromPlain has made"}}
	}
	return encoded, err
}

// isRowFailure reports whether an error is about one value.
func isRowFailure(err error) bool {
	return errors.Is(err, ErrDecrypt) || errors.Is(err, fieldcrypt.ErrType) || errors.As(err, new(plainError)) ||
		errors.Is(err, fieldcrypt.ErrColumn)
}
