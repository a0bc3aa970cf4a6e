package guard

import (
	"cmp"
	"context"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// scopedRows are the rows of a statement of a Tx. They end with their transaction at the latest.
type scopedRows struct {
	//nolint:containedctx // pgx.Rows.Next takes no ctx; the one of Query bounds it
	ctx     context.Context
	tx      *Tx
	st      *statement
	rows    pgx.Rows // nil where the query failed
	results *pgconn.MultiResultReader
	last    bool // nothing comes behind these rows
	closed  atomic.Bool
	err     error // not written any more when closed is set, so that closed rows need no lock
}

var _ pgx.Rows = (*scopedRows)(nil)

// newScopedRows stands before the first row of the result that was reached last.
func newScopedRows(
	ctx context.Context, t *Tx, st *statement, results *pgconn.MultiResultReader,
) *scopedRows {
	types := t.tx.session.conn.TypeMap()
	rows := pgx.RowsFromResultReader(types, results.ResultReader())
	return &scopedRows{ctx: ctx, tx: t, st: st, rows: rows, results: results}
}

// newFailedRows are rows that are closed already. Their transaction is none of the real ones, for it may be in use.
func newFailedRows(err error) *scopedRows {
	r := &scopedRows{tx: new(Tx), err: err}
	r.closed.Store(true)
	return r
}

// use locks the connection for rows that are still open, and reports false for others.
func (r *scopedRows) use() bool {
	if r.closed.Load() {
		return false
	}
	r.tx.use.Lock()
	if r.closed.Load() {
		r.tx.use.Unlock()
		return false
	}
	return true
}

// Next reads the next row.
func (r *scopedRows) Next() bool {
	if !r.use() {
		return false
	}
	defer r.tx.use.Unlock()
	if r.rows.Next() {
		return true
	}
	_ = r.settle(nil) // Err has it
	return false
}

// Close reads the rest of the rows away.
func (r *scopedRows) Close() {
	if r.use() {
		defer r.tx.use.Unlock()
		_ = r.settle(nil) // Err has it
	}
}

// settle reads the rest and checks what the statement left. It returns the rows' error.
func (r *scopedRows) settle(after error) error {
	if r.closed.Load() {
		return r.err
	}
	r.rows.Close()
	err := r.rows.Err()
	if r.last {
		behind := 0
		for r.results.NextResult() {
			_, _ = r.results.ResultReader().Close() // an error is kept by results too
			behind++
		}
		if closeErr := r.results.Close(); err == nil {
			err = closeErr
		}
		if err == nil && behind > 0 {
			err = ErrProtocol
		}
		r.tx.open = nil
	}
	err = translate(r.tx.verify(r.tx.tx.session.failed(broken(r.ctx, err), r.st), r))
	r.err = cmp.Or(err, after)
	r.closed.Store(true)
	return err
}

// verify looks at the tag and at the transaction, which a statement must not have ended. A connection in another state
// is closed.
func (t *Tx) verify(err error, r *scopedRows) error {
	s := t.tx.session
	if err == nil {
		err = checkTag(r.rows.CommandTag().String(), r.st.command, true)
		if err != nil {
			s.abandon()
			return err
		}
	}
	if r.last {
		return s.stillIn(err)
	}
	return err
}

// stillIn returns err, or ErrProtocol where the connection is not inside its transaction any more.
func (s *session) stillIn(err error) error {
	status := s.pg.TxStatus()
	if s.pg.IsClosed() || status == 'T' || err != nil && status == 'E' {
		return err
	}
	s.abandon()
	return ErrProtocol
}

// drop ends the rows with their transaction.
func (r *scopedRows) drop() {
	if !r.closed.Load() {
		r.err = ErrTxDone
		r.closed.Store(true)
	}
}

// Err returns the error that ended the rows.
func (r *scopedRows) Err() error {
	if !r.closed.Load() {
		return nil
	}
	return r.err
}

// CommandTag returns the server's word on what was done, when all rows are read.
func (r *scopedRows) CommandTag() pgconn.CommandTag {
	if !r.closed.Load() || r.rows == nil {
		return pgconn.CommandTag{}
	}
	return r.rows.CommandTag()
}

// FieldDescriptions returns the columns.
func (r *scopedRows) FieldDescriptions() []pgconn.FieldDescription {
	if !r.use() {
		return nil
	}
	defer r.tx.use.Unlock()
	return r.rows.FieldDescriptions()
}

// Scan reads the columns of the row at hand.
func (r *scopedRows) Scan(dest ...any) error {
	if !r.use() {
		return r.over()
	}
	defer r.tx.use.Unlock()
	err := r.rows.Scan(dest...)
	if err != nil {
		_ = r.settle(nil) // pgx has read the rest away, and the error is this one
	}
	return err
}

// Values returns the columns of the row at hand.
func (r *scopedRows) Values() ([]any, error) {
	if !r.use() {
		return nil, r.over()
	}
	defer r.tx.use.Unlock()
	return r.rows.Values()
}

// RawValues returns the columns of the row at hand as the server sent them. They last until the next row.
func (r *scopedRows) RawValues() [][]byte {
	if !r.use() {
		return nil
	}
	defer r.tx.use.Unlock()
	return r.rows.RawValues()
}

// over is the error of a row that is not there any more.
func (r *scopedRows) over() error {
	if r.err != nil {
		return r.err
	}
	return errRowsClosed
}

// Conn returns nil: a connection is not handed out.
func (r *scopedRows) Conn() *pgx.Conn { return nil }

// TypeMap returns nil: what is registered in it would stay on the connection.
func (r *scopedRows) TypeMap() *pgtype.Map { return nil }

// firstRow is the one row that is wanted of a query.
type firstRow struct{ rows pgx.Rows }

// Scan reads the row, or returns pgx.ErrNoRows where there is none.
func (r firstRow) Scan(dest ...any) error {
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	r.rows.Close()
	return r.rows.Err()
}
