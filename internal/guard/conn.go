package guard

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stratum-hq/stratum-go/internal/scope"
	"github.com/stratum-hq/stratum-go/internal/watch"
)

// closeTimeout bounds the goodbye to the server.
const closeTimeout = 5 * time.Second

// conn is a guarded connection as database/sql sees it. It has the interfaces of database/sql/driver and no way to the
// connection beneath, so that sql.Conn.Raw opens no back door.
//
// database/sql calls one method at a time, and keeps the connection from others while a transaction or rows are open.
// A sql.Conn lends that right to an application, which may then begin twice or query over open rows: what the driver
// must not do because of it is refused here, with an error that says so.
type conn struct {
	connector *Connector
	tx        *tx   // the open transaction, or nil
	open      *rows // rows that are not read to the end, or nil
	turn      turn  // the tenant's, while a session is borrowed
}

var _ interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
} = (*conn)(nil)

// ExecContext runs a statement in the scope of ctx.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	r, err := c.query(ctx, query, args, false)
	if err != nil {
		return nil, err
	}
	tag, err := r.drain()
	if err != nil {
		return nil, err
	}
	return driver.RowsAffected(tag.RowsAffected()), nil
}

// QueryContext runs a statement in the scope of ctx and returns its rows.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	r, err := c.query(ctx, query, args, true)
	if err != nil {
		return nil, err
	}
	if err := r.watch(ctx); err != nil {
		_ = r.Close() // they are given up
		return nil, err
	}
	return r, nil
}

// query is the one way by which a statement reaches the server. Who wants no rows wants what else the statement does,
// so that a replica is of no use.
func (c *conn) query(ctx context.Context, sql string, named []driver.NamedValue, wantsRows bool) (*rows, error) {
	sc, err := c.admit(ctx)
	if err != nil {
		return nil, err
	}
	if w := watch.From(ctx); w != nil {
		if err := w.Statement(sql); err != nil {
			return nil, err
		}
		if r, ok := w.(watch.Rewriter); ok {
			sql = r.Rewritten(sql)
		}
	}
	sql, args, err := plainArgs(ctx, sql, named)
	if err != nil {
		return nil, err
	}
	// Whoever has no tenant has not got this far, and has cost the server nothing.
	if wantsRows && c.tx == nil && scope.WantsReplica(ctx) {
		if r, served, err := c.queryReplica(ctx, sc, sql, args); served {
			return r, err
		}
	}
	for moves := 0; ; moves++ {
		p, s, err := c.borrow(ctx, sc)
		if err == nil {
			var r *rows
			if r, err = c.queryAt(ctx, at{place: p, scope: sc}, s, sql, args); err == nil {
				return r, nil
			}
		}
		if c.tx != nil || !c.connector.moved(err, p, sc, moves) {
			return nil, c.outcome(err, s)
		}
	}
}

// at is a scope and the place that it was led to.
type at struct {
	place   *Place
	scope   scope.Scope
	replica *Replica // of the place's database, or nil for the database itself
}

// queryAt runs a statement at a place.
func (c *conn) queryAt(ctx context.Context, where at, s *session, sql string, args []any) (*rows, error) {
	done := false
	defer func() { c.ifPanics(&done, s) }()
	r, err := c.attempt(ctx, where, s, sql, args)
	done = true
	if err != nil {
		if where.replica == nil {
			err = c.explain(ctx, where, s, err)
		}
		where.blame(ctx, err, s)
		c.giveBack(s)
		return nil, err
	}
	c.keep(r)
	return r, nil
}

// ifPanics gives up the connection that an argument's own code has panicked on, where nobody else would: something may
// have been sent already, and a program that recovers must not run out of connections.
func (c *conn) ifPanics(done *bool, s *session) {
	if *done {
		return
	}
	s.abandon()
	if c.tx == nil {
		c.release(s)
	}
}

// keep counts rows as open until they are read to the end, which they may be already.
func (c *conn) keep(r *rows) {
	if r.err == nil {
		c.open, r.conn = r, c
		return
	}
	c.giveBack(r.session)
}

// admit refuses a statement whose context names no tenant or another one than the transaction's.
func (c *conn) admit(ctx context.Context) (scope.Scope, error) {
	sc, err := scope.Check(ctx)
	switch {
	case err != nil:
		return sc, err
	case c.tx != nil && !sameReach(c.tx.scope, sc):
		return sc, ErrTenantMismatch
	case c.open != nil:
		return sc, ErrRowsOpen
	}
	return sc, nil
}

// sameReach compares scopes without their reasons: a transaction keeps the reason that it began with.
func sameReach(a, b scope.Scope) bool {
	return a.Kind == b.Kind && a.Tenant == b.Tenant && a.At == b.At
}

// borrow returns where a statement of scope sc runs, and the session for it: the transaction's, or one of the place's
// pool for such scopes. A place is returned also where it could not be reached.
func (c *conn) borrow(ctx context.Context, sc scope.Scope) (*Place, *session, error) {
	if c.tx != nil {
		return c.tx.place, c.tx.session, nil
	}
	// Before the session: whoever waits for its tenant's turn holds no connection that another tenant could use.
	t, err := c.connector.takeTurn(ctx, sc)
	if err != nil {
		return nil, nil, err
	}
	p, s, err := c.connector.acquire(ctx, sc)
	if err != nil {
		t.end()
		return p, nil, err
	}
	c.turn = t
	return p, s, nil
}

// giveBack ends a borrowing. The session of a transaction stays until the transaction's end.
func (c *conn) giveBack(s *session) {
	if c.tx == nil || c.tx.session != s {
		c.release(s)
	}
}

// release gives the session back to its pool, and then the tenant's turn: who comes next finds a connection.
func (c *conn) release(s *session) {
	s.release()
	c.turn.end()
}

// attempt runs a statement, and once more where the server refused it for a reason that a new description cures. A
// statement in a transaction is not repeated: its transaction is lost.
func (c *conn) attempt(ctx context.Context, where at, s *session, sql string, args []any) (*rows, error) {
	r, err := c.send(ctx, where, s, sql, args)
	if err == nil || !where.outdated(err) && !retryable(err) {
		return r, err
	}
	// Also where this statement is lost: the next one on this session must not meet the same error.
	s.forgetNames(err)
	if c.tx != nil || !s.usable() {
		return nil, err
	}
	return c.send(ctx, where, s, sql, args)
}

func (c *conn) send(ctx context.Context, where at, s *session, sql string, args []any) (*rows, error) {
	st, err := c.lookup(s, where, sql)
	if err != nil {
		return nil, err
	}
	// BeginTx has entered, and what it set lasts as long as the transaction.
	if c.tx != nil {
		return s.run(ctx, train{}, st, args)
	}
	e, err := c.connector.entry(ctx, where)
	if err != nil {
		return nil, err
	}
	t := newTrain(e, st.command, c.connector.forms.carries || c.connector.needsBlock(st.command))
	r, err := s.run(ctx, t, st, args)
	if err != nil {
		e.wrote(err)
	}
	if err != nil && t.begin != "" {
		// The server passed over the commit at the train's end, so the block is still open.
		s.rollback(ctx)
	}
	return r, err
}

// lookup returns what is known of sql under the scope's role, from the cache or by reading the text. A statement that
// the rules refuse is not returned.
func (c *conn) lookup(s *session, where at, sql string) (*statement, error) {
	key := cacheKey{role: c.connector.role(where.place, where.scope), path: where.place.SearchPath, sql: sql}
	st := s.cache.get(key)
	if st == nil {
		st = &statement{key: key, command: inspect(sql)}
	}
	if err := c.connector.check(st.command, c.tx != nil); err != nil {
		return st, err
	}
	if c.connector.forms.signed && where.scope.Kind != scope.System {
		return st, c.connector.hardened(st.command, c.tx != nil)
	}
	return st, nil
}

// outcome is the error for database/sql. Only an error before anything was sent lets database/sql try another
// connection.
func (c *conn) outcome(err error, s *session) error {
	if s == nil {
		return err // no connection was had, and the pool has said why
	}
	safe := errors.Is(err, errStuck) || pgconn.SafeToRetry(err) && !isContextError(err)
	if c.tx == nil && safe {
		return driver.ErrBadConn
	}
	return translate(err)
}

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// plainArgs takes pgx's special leading arguments out of the list. Named arguments become positions; a query mode is
// passed over, because the connection has decided it; anything else could hand the connection to foreign code.
func plainArgs(ctx context.Context, sql string, named []driver.NamedValue) (string, []any, error) {
	args := make([]any, 0, len(named))
	for _, n := range named {
		if n.Name != "" {
			return "", nil, fmt.Errorf("stratum: no argument has a name in PostgreSQL, as %q has (use $1, or "+
				"pgx.NamedArgs)", n.Name)
		}
		args = append(args, n.Value)
	}
	for len(args) > 0 {
		switch first := args[0].(type) {
		case pgx.QueryExecMode, pgx.QueryResultFormats, pgx.QueryResultFormatsByOID:
			args = args[1:]
			continue
		case pgx.NamedArgs:
			return first.RewriteQuery(ctx, nil, sql, args[1:])
		case pgx.StrictNamedArgs:
			return first.RewriteQuery(ctx, nil, sql, args[1:])
		case pgx.QueryRewriter:
			return "", nil, fmt.Errorf("stratum: a query rewriter of type %T cannot be used (pgx.NamedArgs can)", first)
		}
		break
	}
	return sql, args, nil
}

// CheckNamedValue lets every value pass: pgx knows how to encode it.
func (c *conn) CheckNamedValue(*driver.NamedValue) error { return nil }

// Ping needs no tenant: it reads nothing.
func (c *conn) Ping(ctx context.Context) error {
	return c.connector.config.Home.Database.Data.Ping(ctx)
}

// ResetSession has nothing to reset: what a statement borrowed went back with it.
func (c *conn) ResetSession(context.Context) error {
	if !c.IsValid() {
		return driver.ErrBadConn
	}
	return nil
}

// IsValid reports whether the connection may be used by somebody else.
func (c *conn) IsValid() bool { return c.tx == nil && c.open == nil }

// Close gives up what is still open.
func (c *conn) Close() error {
	if c.open != nil {
		c.open.session.abandon()
		_ = c.open.Close() // it is given up
	}
	if c.tx != nil {
		c.tx.session.abandon()
		c.tx.finish()
	}
	return nil
}

// closing is the context of the driver's methods that database/sql calls without one.
func closing() (context.Context, context.CancelFunc) {
	//nolint:forbidigo // driver.Tx.Rollback and the pool's destructors have no ctx to take
	return context.WithTimeout(context.Background(), closeTimeout)
}
