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

var errTxOpen = errors.New("stratum: a transaction is open on this connection already (PostgreSQL has savepoints for " +
	"a transaction in a transaction)")

// tx is an open transaction, pinned to the scope that began it. What enter set is local to it, and PostgreSQL undoes it
// at the end whichever way that comes. A savepoint cannot undo it before: there is none that is older than enter.
type tx struct {
	//nolint:containedctx // driver.Tx.Commit takes no ctx; the one of BeginTx bounds it
	ctx     context.Context
	conn    *conn
	session *session
	place   *Place
	scope   scope.Scope
	reads   bool // it is read-only
}

// at is where the transaction is.
func (t *tx) at() at { return at{place: t.place, scope: t.scope} }

// BeginTx begins a transaction and enters the scope of ctx in one round trip, before any savepoint can be made.
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	sc, err := c.admit(ctx)
	switch {
	case err != nil:
		return nil, err
	case c.tx != nil:
		return nil, errTxOpen
	}
	begin, err := beginSQL(opts)
	if err != nil {
		return nil, err
	}
	if opts.ReadOnly && scope.WantsReplica(ctx) && sql.IsolationLevel(opts.Isolation) != sql.LevelSerializable {
		if served, err := c.beginReplica(ctx, sc); served {
			return c.tx, err
		}
	}
	for moves := 0; ; moves++ {
		p, s, err := c.borrow(ctx, sc)
		if err == nil {
			err = c.beginAt(ctx, at{place: p, scope: sc}, s, begin)
		}
		if err == nil {
			c.tx.reads = opts.ReadOnly
			return c.tx, nil
		}
		if !c.connector.moved(err, p, sc, moves) {
			return nil, c.outcome(err, s)
		}
	}
}

// beginAt begins a transaction at a place.
func (c *conn) beginAt(ctx context.Context, where at, s *session, begin string) error {
	done := false
	defer func() { c.ifPanics(&done, s) }()
	err := c.enter(ctx, where, s, begin)
	if err != nil && (where.outdated(err) || retryable(err)) && s.usable() {
		s.forgetNames(err)
		err = c.enter(ctx, where, s, begin)
	}
	done = true
	if err != nil {
		where.blame(ctx, err, s)
		c.release(s)
		return err
	}
	c.tx = &tx{ctx: ctx, conn: c, session: s, place: where.place, scope: where.scope}
	return nil
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
		return "", fmt.Errorf("stratum: PostgreSQL has no isolation level %s (use sql.LevelSerializable or a lower "+
			"one)", sql.IsolationLevel(opts.Isolation))
	}
	if opts.ReadOnly {
		begin += " read only"
	}
	return begin, nil
}

// enter begins a transaction of a scope.
func (c *conn) enter(ctx context.Context, where at, s *session, begin string) error {
	e, err := c.connector.entry(ctx, where)
	if err != nil {
		return err
	}
	return s.begin(ctx, begin, e)
}

// begin sends BEGIN and enter. A refusal by enter leaves a failed transaction, which is rolled back.
func (s *session) begin(ctx context.Context, begin string, e *entry) error {
	if err := s.readsAlike(true); err != nil {
		return err
	}
	_, err := s.exchange(ctx, begin, e)
	if err != nil {
		s.rollback(ctx)
		return s.notEntered(err)
	}
	if s.pg.TxStatus() != 'T' {
		s.abandon()
		return ErrProtocol
	}
	return nil
}

// rollback ends a failed transaction, so that the connection need not be closed. Where that does not work, it is.
func (s *session) rollback(ctx context.Context) {
	if s.pg.IsClosed() || s.pg.IsBusy() || s.pg.TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_, _ = s.exchange(ctx, "rollback", nil) // the transaction's status tells whether it worked
}

// exchange sends a command without arguments and, behind it, enter where there is one; one round trip. It returns the
// tag of the last command.
func (s *session) exchange(ctx context.Context, command string, e *entry) (string, error) {
	if !s.simpleProtocol() {
		b := &pgconn.Batch{}
		b.ExecParams(command, nil, nil, nil, nil)
		if e != nil {
			s.addEnter(b, e)
		}
		return drainResults(ctx, s.pg.ExecBatch(ctx, b), e)
	}
	if e != nil {
		command += ";\n" + e.literal()
	}
	return drainResults(ctx, s.pg.Exec(ctx, command), e)
}

func drainResults(ctx context.Context, results *pgconn.MultiResultReader, e *entry) (tag string, err error) {
	for results.NextResult() {
		// An error is kept by results too.
		last, _ := e.read(results.ResultReader())
		tag = last.String()
	}
	return tag, broken(ctx, results.Close())
}

// Commit ends the transaction. Where the server rolled it back instead, the error is ErrTxAborted.
func (t *tx) Commit() error {
	defer t.finish()
	tag, err := t.commit()
	switch {
	case err != nil:
		return translate(err)
	case tag == "ROLLBACK":
		return ErrTxAborted // the server takes commit for rollback where a statement has failed, and calls it a success
	case tag != "COMMIT":
		t.session.abandon()
		return ErrProtocol
	}
	return nil
}

// Rollback undoes the transaction. A connection on which that fails is closed, which undoes it too.
func (t *tx) Rollback() error {
	defer t.finish()
	if t.session.pg.IsClosed() {
		return nil
	}
	// Not the transaction's ctx: that it has ended is the usual reason for a rollback.
	ctx, cancel := closing()
	defer cancel()
	_, err := t.session.exchange(ctx, "rollback", nil)
	return translate(err)
}

// finish gives the session back. One that is still inside a transaction, or has rows unread, is closed by that.
func (t *tx) finish() {
	c := t.conn
	if c.tx != t {
		return
	}
	if c.open != nil {
		c.open.conn = nil // the session is not the rows' any more
	}
	c.tx, c.open = nil, nil
	c.release(t.session)
}
