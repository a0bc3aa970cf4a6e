package guard

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stratum-hq/stratum-go/internal/scope"
)

// ErrTxAborted is returned by Commit for a transaction in which a statement had failed: the server rolled it back.
var ErrTxAborted = errors.New("stratum: the transaction was rolled back, because a statement in it had failed " +
	"(return that statement's error instead of committing)")

// tx is an open transaction, pinned to the scope that began it.
type tx struct {
	//nolint:containedctx // driver.Tx.Commit takes no ctx; the one of BeginTx bounds it
	ctx     context.Context
	conn    *conn
	session *session
	scope   scope.Scope
	release func()
}

// BeginTx begins a transaction and enters the scope of ctx in one round trip, before any savepoint can be made.
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	sc, err := c.admit(ctx)
	if err != nil {
		return nil, err
	}
	begin, err := beginSQL(opts)
	if err != nil {
		return nil, err
	}
	e, err := newEntry(ctx, sc, c.connector.config.Roles, c.connector.config.SearchPath)
	if err != nil {
		return nil, err
	}
	s, release, err := c.pick(ctx, sc)
	if err != nil {
		return nil, err
	}
	err = s.begin(ctx, begin, &e)
	if err != nil && retryable(err) && s.usable() {
		s.forgetNames(err)
		err = s.begin(ctx, begin, &e)
	}
	if err != nil {
		release()
		return nil, c.outcome(err)
	}
	c.tx = &tx{ctx: ctx, conn: c, session: s, scope: sc, release: release}
	return c.tx, nil
}

// beginSQL is the BEGIN for the options of database/sql.
func beginSQL(opts driver.TxOptions) (string, error) {
	begin := "begin"
	switch sql.IsolationLevel(opts.Isolation) {
	case sql.LevelDefault:
	case sql.LevelReadUncommitted, sql.LevelReadCommitted:
		begin += " isolation level read committed"
	case sql.LevelRepeatableRead, sql.LevelSnapshot:
		begin += " isolation level repeatable read"
	case sql.LevelSerializable:
		begin += " isolation level serializable"
	case sql.LevelWriteCommitted, sql.LevelLinearizable:
		fallthrough
	default:
		return "", fmt.Errorf("stratum: PostgreSQL has no isolation level %s (use sql.LevelSerializable or a lower one)",
			sql.IsolationLevel(opts.Isolation))
	}
	if opts.ReadOnly {
		begin += " read only"
	}
	return begin, nil
}

// begin sends BEGIN and enter. A refusal by enter leaves a failed transaction, which is rolled back.
func (s *session) begin(ctx context.Context, begin string, e *entry) error {
	err := s.exchange(ctx, begin, e)
	if err == nil && s.pg.TxStatus() != 'T' {
		s.abandon()
		return ErrProtocol
	}
	if err != nil && !s.pg.IsClosed() && s.pg.TxStatus() != 'I' {
		return errors.Join(err, s.exchange(context.WithoutCancel(ctx), "rollback", nil))
	}
	return err
}

// exchange sends a command without arguments and, behind it, enter where there is one; one round trip.
func (s *session) exchange(ctx context.Context, command string, e *entry) error {
	if s.simpleProtocol() {
		if e != nil {
			command += ";\n" + e.literal()
		}
		return drainResults(s.pg.Exec(ctx, command))
	}
	b := &pgconn.Batch{}
	b.ExecParams(command, nil, nil, nil, nil)
	if e != nil {
		s.addEnter(b, e)
	}
	return drainResults(s.pg.ExecBatch(ctx, b))
}

func drainResults(results *pgconn.MultiResultReader) error {
	for results.NextResult() {
		// An error is kept by results too.
		_, _ = results.ResultReader().Close()
	}
	return results.Close()
}

// Commit ends the transaction. Where the server rolled it back instead, the error is ErrTxAborted.
func (t *tx) Commit() error {
	defer t.finish()
	failed := t.session.pg.TxStatus() == 'E'
	if err := t.session.exchange(t.ctx, "commit", nil); err != nil {
		return translate(err)
	}
	if failed {
		return ErrTxAborted
	}
	return nil
}

// Rollback undoes the transaction. A connection on which that fails is closed, which undoes it too.
func (t *tx) Rollback() error {
	defer t.finish()
	if t.session.pg.IsClosed() || t.session.dead {
		return nil
	}
	ctx, cancel := closing()
	defer cancel()
	return t.session.exchange(ctx, "rollback", nil)
}

// finish gives the session back. One that is still inside a transaction is not used again.
func (t *tx) finish() {
	if t.conn.tx != t {
		return
	}
	if !t.session.usable() {
		t.session.abandon()
	}
	t.conn.tx, t.conn.open = nil, nil
	t.release()
}

// abandon closes the session of a transaction that nobody ended.
func (t *tx) abandon(ctx context.Context) {
	_ = t.session.conn.Close(ctx) // it is given up either way
	t.finish()
}
