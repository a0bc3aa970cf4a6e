package guard

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Refusals of a Tx.
var (
	ErrTxDone = fmt.Errorf("stratum: the transaction has ended (use it only inside the function that it was given "+
		"to): %w", pgx.ErrTxClosed)
	ErrTxInUse = errors.New("stratum: the transaction is in use by another goroutine, or by what called this code " +
		"(it runs one statement at a time)")
)

// Tx is a transaction of one scope with the verbs of pgx. It hands out nothing by which its connection could be
// reached, and each text goes through the same rules as a statement of database/sql, so what goes back to the pool is
// what came from it.
type Tx struct {
	use  sync.Mutex // held by whoever uses the connection
	conn *conn
	tx   *tx
	open unread // results that are not read to the end, or nil
	done bool
}

// unread are results that the server still sends.
type unread interface {
	// settle reads them away and returns their error. Where there is none, whoever reads on gets after.
	settle(after error) error
	// drop gives them up: whoever reads on gets ErrTxDone.
	drop()
}

// attempts is how often something is tried on another connection, as database/sql does.
const attempts = 3

// BeginFunc runs fn in a transaction of ctx's scope. It commits where fn returns nil, and rolls back where fn returns
// an error, panics or ends its goroutine. Begin and enter are one round trip, and so is the end.
func (c *Connector) BeginFunc(ctx context.Context, opts driver.TxOptions, fn func(tx *Tx) error) error {
	t, err := c.beginScoped(ctx, opts)
	if err != nil {
		return err
	}
	returned := false
	//nolint:contextcheck // a transaction is undone whatever became of its ctx
	defer func() {
		if !returned {
			t.rollback()
		}
	}()
	if err := fn(t); err != nil {
		return err
	}
	returned = true
	return t.commit() //nolint:contextcheck // as the transaction of database/sql does, with the ctx of its begin
}

func (c *Connector) beginScoped(ctx context.Context, opts driver.TxOptions) (*Tx, error) {
	cn := &conn{connector: c}
	_, err := cn.BeginTx(ctx, opts)
	for i := 1; i < attempts && errors.Is(err, driver.ErrBadConn); i++ {
		_, err = cn.BeginTx(ctx, opts)
	}
	if err != nil {
		return nil, err
	}
	return &Tx{conn: cn, tx: cn.tx}, nil
}

// commit ends the transaction. Results that nobody has read may still bring an error, which then counts.
func (t *Tx) commit() error {
	t.use.Lock()
	defer t.use.Unlock()
	t.done = true
	if t.open != nil {
		if err := t.open.settle(ErrTxDone); err != nil {
			_ = t.tx.Rollback() // the error before it tells more
			return err
		}
	}
	return t.tx.Commit()
}

// rollback undoes the transaction. Results that nobody has read are not waited for: the connection is closed.
func (t *Tx) rollback() {
	t.use.Lock()
	defer t.use.Unlock()
	t.done = true
	if t.open != nil {
		t.open.drop()
		t.tx.session.abandon()
	}
	_ = t.tx.Rollback() // where it fails the connection is closed, which undoes the transaction too
}

// hold takes the transaction for one operation. use is locked where there is no error.
func (t *Tx) hold(ctx context.Context) error {
	if !t.use.TryLock() {
		return ErrTxInUse
	}
	err := t.admit(ctx)
	if err != nil {
		t.use.Unlock()
	}
	return err
}

func (t *Tx) admit(ctx context.Context) error {
	switch {
	case t.done:
		return ErrTxDone
	case t.open != nil:
		return ErrRowsOpen
	}
	_, err := t.conn.admit(ctx)
	return err
}

// Exec runs a statement and returns its command tag.
func (t *Tx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	rows, err := t.Query(ctx, sql, args...)
	rows.Close()
	if err == nil {
		err = rows.Err()
	}
	return rows.CommandTag(), err
}

// Query runs a statement and returns its rows, which are never nil: where there is an error they have it too.
func (t *Tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := t.hold(ctx); err != nil {
		return newFailedRows(err), err
	}
	defer t.use.Unlock()
	rows, err := t.query(ctx, sql, args)
	if err != nil {
		err = translate(t.tx.place.explain(err))
		return newFailedRows(err), err
	}
	t.open = rows
	return rows, nil
}

func (t *Tx) query(ctx context.Context, sql string, args []any) (*scopedRows, error) {
	s := t.tx.session
	it, err := t.conn.item(ctx, t.tx.at(), s, sql, args)
	if err != nil {
		return nil, err
	}
	items := []item{it}
	results, err := s.send(ctx, nil, items)
	if err != nil {
		return nil, err
	}
	if !results.NextResult() {
		return nil, t.lost(ctx, results, items[0].st)
	}
	r := newScopedRows(ctx, t, items[0].st, results)
	r.last = true
	return r, nil
}

// lost is why a result that was waited for did not come.
func (t *Tx) lost(ctx context.Context, results *pgconn.MultiResultReader, st *statement) error {
	err := broken(ctx, results.Close())
	if err == nil {
		t.tx.session.abandon()
		return ErrProtocol
	}
	return t.tx.session.failed(err, st)
}

// QueryRow runs a statement of which one row is wanted.
func (t *Tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, _ := t.Query(ctx, sql, args...) // the rows have the error too
	return firstRow{rows}
}
