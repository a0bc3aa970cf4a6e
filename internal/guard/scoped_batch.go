package guard

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

var (
	errRowsClosed  = errors.New("stratum: the rows are closed")
	errBatchClosed = errors.New("stratum: the batch is closed")
	errNoResult    = errors.New("stratum: the batch has no more results")
)

// scopedBatch are the results of a batch, read one after the other.
type scopedBatch struct {
	//nolint:containedctx // the methods of pgx.BatchResults take no ctx; the one of SendBatch bounds them
	ctx     context.Context
	tx      *Tx
	batch   *pgx.Batch
	items   []item
	results *pgconn.MultiResultReader
	at      *scopedRows // the result at hand, or nil
	n       int         // how many results were reached
	closed  atomic.Bool
	err     error // not written any more when closed is set
}

var _ pgx.BatchResults = (*scopedBatch)(nil)

// SendBatch sends the queries of b in one round trip, and one more the first time that a connection sees some of them.
// Every text is looked at before any is sent.
func (t *Tx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if err := t.hold(ctx); err != nil {
		return newClosedBatch(err)
	}
	defer t.use.Unlock()
	if len(b.QueuedQueries) == 0 {
		return newClosedBatch(nil)
	}
	br := &scopedBatch{ctx: ctx, tx: t, batch: b}
	if err := br.send(); err != nil {
		return newClosedBatch(translate(t.tx.place.explain(err)))
	}
	t.open = br
	return br
}

// newClosedBatch is one with nothing to read. Its transaction is none of the real ones, for it may be in use.
func newClosedBatch(err error) *scopedBatch {
	b := &scopedBatch{tx: new(Tx), err: err}
	b.closed.Store(true)
	return b
}

// plainText reports whether every setting of a connection reads a text alike. A statement of the batch may change the
// settings for those behind it, which were looked at before.
func plainText(sql string) bool {
	for i := range len(sql) {
		if sql[i] == '\\' || sql[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func (b *scopedBatch) send() (err error) {
	s := b.tx.tx.session
	for i, q := range b.batch.QueuedQueries {
		if i > 0 && b.tx.conn.connector.forms.signed && !plainText(q.SQL) {
			return commandError("a backslash, or more than ASCII, in a text of a batch, in the hardened mode",
				"pass it as an argument, or send the statement by itself")
		}
		it, err := b.tx.conn.item(b.ctx, b.tx.tx.at(), s, q.SQL, q.Arguments)
		if err != nil {
			return err
		}
		b.items = append(b.items, it)
	}
	b.results, err = s.send(b.ctx, nil, b.items)
	return err
}

// next reaches the next result. The lock is held.
func (b *scopedBatch) next() (*scopedRows, error) {
	if b.closed.Load() {
		return nil, cmp.Or(b.err, errBatchClosed)
	}
	b.pass(nil)
	switch {
	case b.err != nil:
		return nil, b.err
	case b.n == len(b.items):
		return nil, errNoResult
	}
	st := b.items[b.n].st
	b.n++
	if !b.results.NextResult() {
		b.fail(translate(b.tx.tx.place.explain(b.tx.lost(b.ctx, b.results, st))))
		return nil, b.err
	}
	b.at = newScopedRows(b.ctx, b.tx, st, b.results)
	return b.at, nil
}

// pass reads the result at hand away.
func (b *scopedBatch) pass(after error) {
	if b.at != nil {
		b.fail(b.at.settle(after))
		b.at = nil
	}
}

// fail keeps the first error.
func (b *scopedBatch) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// Exec reads the next result and returns its command tag.
func (b *scopedBatch) Exec() (pgconn.CommandTag, error) {
	b.tx.use.Lock()
	defer b.tx.use.Unlock()
	rows, err := b.next()
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	b.fail(rows.settle(nil))
	return rows.rows.CommandTag(), b.err
}

// Query reads the next result. Its rows are never nil.
func (b *scopedBatch) Query() (pgx.Rows, error) {
	b.tx.use.Lock()
	defer b.tx.use.Unlock()
	rows, err := b.next()
	if err != nil {
		return newFailedRows(err), err
	}
	return rows, nil
}

// QueryRow reads the next result, of which one row is wanted.
func (b *scopedBatch) QueryRow() pgx.Row {
	rows, _ := b.Query() // the rows have the error too
	return firstRow{rows}
}

// Close calls the functions that wait for results, reads the rest away and returns the first error.
func (b *scopedBatch) Close() error {
	for b.pending() {
		q := b.batch.QueuedQueries[b.n]
		if q.Fn == nil {
			_, _ = b.Exec() // it is kept
			continue
		}
		if err := q.Fn(b); err != nil {
			b.refuse(err)
		}
	}
	if b.closed.Load() {
		return b.err
	}
	b.tx.use.Lock()
	defer b.tx.use.Unlock()
	return b.settle(nil)
}

// pending reports whether there are results that nobody has asked for.
func (b *scopedBatch) pending() bool {
	if b.closed.Load() {
		return false
	}
	b.tx.use.Lock()
	defer b.tx.use.Unlock()
	return b.err == nil && !b.closed.Load() && b.n < len(b.items)
}

// refuse keeps the error of a function that took a result.
func (b *scopedBatch) refuse(err error) {
	b.tx.use.Lock()
	defer b.tx.use.Unlock()
	if !b.closed.Load() {
		b.fail(err)
	}
}

// settle reads the results away that are still to come.
func (b *scopedBatch) settle(after error) error {
	if b.closed.Load() {
		return b.err
	}
	b.pass(after)
	for b.err == nil && b.n < len(b.items) {
		_, _ = b.next() // the error is kept
	}
	b.pass(after)
	for b.results.NextResult() {
		_, _ = b.results.ResultReader().Close() // an error is kept by results too
		b.fail(ErrProtocol)
	}
	b.fail(translate(b.tx.tx.session.stillIn(broken(b.ctx, b.results.Close()))))
	err := b.err
	b.fail(after)
	b.tx.open = nil
	b.closed.Store(true)
	return err
}

// drop ends the results with their transaction.
func (b *scopedBatch) drop() {
	if b.at != nil {
		b.at.drop()
	}
	b.fail(ErrTxDone)
	b.closed.Store(true)
}

// Tx returns nil: a batch of a Tx is in that transaction.
func (b *scopedBatch) Tx() pgx.Tx { return nil }
