package guard

import (
	"context"
	"errors"

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
	closed  bool
	err     error
}

var _ pgx.BatchResults = (*scopedBatch)(nil)

// SendBatch sends the queries of b in one round trip, and one more the first time that a connection sees some of them.
// Every text is looked at before any is sent.
func (t *Tx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	br := &scopedBatch{ctx: ctx, tx: t, batch: b}
	if err := t.hold(ctx); err != nil {
		br.closed, br.err = true, err
		return br
	}
	defer t.use.Unlock()
	if err := br.send(); err != nil {
		br.closed, br.err = true, translate(err)
		return br
	}
	t.open = br
	return br
}

func (b *scopedBatch) send() (err error) {
	s := b.tx.tx.session
	for _, q := range b.batch.QueuedQueries {
		it, err := b.tx.conn.item(b.ctx, s, b.tx.tx.scope, q.SQL, q.Arguments)
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
	if b.at != nil {
		b.fail(b.at.settle())
	}
	switch {
	case b.err != nil:
		return nil, b.err
	case b.closed:
		return nil, errBatchClosed
	case b.n == len(b.items):
		return nil, errNoResult
	}
	st := b.items[b.n].st
	b.n++
	if !b.results.NextResult() {
		b.fail(translate(b.tx.lost(b.ctx, b.results, st)))
		return nil, b.err
	}
	b.at = newScopedRows(b.ctx, b.tx, st, b.results)
	return b.at, nil
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
	b.fail(rows.settle())
	return rows.rows.CommandTag(), b.err
}

// Query reads the next result. Its rows are never nil.
func (b *scopedBatch) Query() (pgx.Rows, error) {
	b.tx.use.Lock()
	defer b.tx.use.Unlock()
	rows, err := b.next()
	if err != nil {
		return newFailedRows(b.tx, err), err
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
			b.tx.use.Lock()
			b.fail(err)
			b.tx.use.Unlock()
		}
	}
	b.tx.use.Lock()
	defer b.tx.use.Unlock()
	return b.settle()
}

// pending reports whether there are results that nobody has asked for.
func (b *scopedBatch) pending() bool {
	b.tx.use.Lock()
	defer b.tx.use.Unlock()
	return b.err == nil && !b.closed && b.n < len(b.items)
}

// settle reads the results away that are still to come.
func (b *scopedBatch) settle() error {
	if b.closed {
		return b.err
	}
	for b.err == nil && b.n < len(b.items) {
		if _, err := b.next(); err == nil {
			b.fail(b.at.settle())
		}
	}
	if b.at != nil {
		b.fail(b.at.settle())
	}
	for b.results.NextResult() {
		_, _ = b.results.ResultReader().Close() // an error is kept by results too
		b.fail(ErrProtocol)
	}
	err := broken(b.ctx, b.results.Close())
	b.fail(translate(b.tx.tx.session.stillIn(err)))
	b.closed, b.tx.open = true, nil
	return b.err
}

// drop ends the results with their transaction.
func (b *scopedBatch) drop() {
	if b.at != nil {
		b.at.drop()
	}
	b.fail(ErrTxDone)
	b.closed = true
}

// Tx returns nil: a batch of a Tx is in that transaction.
func (b *scopedBatch) Tx() pgx.Tx { return nil }
