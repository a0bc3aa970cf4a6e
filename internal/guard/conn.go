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
)

// closeTimeout bounds the goodbye to the server.
const closeTimeout = 5 * time.Second

// conn is a guarded connection as database/sql sees it. It has the interfaces of database/sql/driver and no way to the
// connection beneath, so that sql.Conn.Raw opens no back door.
type conn struct {
	connector *Connector
	data      *session
	tx        *tx   // the open transaction, or nil
	open      *rows // rows that are not read to the end, or nil
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
	r, err := c.query(ctx, query, args)
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
	r, err := c.query(ctx, query, args)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// query is the one way by which a statement reaches the server.
func (c *conn) query(ctx context.Context, sql string, named []driver.NamedValue) (*rows, error) {
	sc, err := c.admit(ctx)
	if err != nil {
		return nil, err
	}
	sql, args, err := plainArgs(ctx, sql, named)
	if err != nil {
		return nil, err
	}
	s, release, err := c.pick(ctx, sc)
	if err != nil {
		return nil, err
	}
	r, err := c.attempt(ctx, s, sc, sql, args)
	if err != nil {
		release()
		return nil, c.outcome(err)
	}
	c.keep(r, release)
	return r, nil
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
func sameReach(a, b scope.Scope) bool { return a.Kind == b.Kind && a.Tenant == b.Tenant }

// attempt runs a statement, and once more where the server refused it for a reason that a new description cures. A
// statement in a transaction is not repeated: its transaction is lost.
func (c *conn) attempt(ctx context.Context, s *session, sc scope.Scope, sql string, args []any) (*rows, error) {
	r, err := c.send(ctx, s, sc, sql, args)
	if err == nil || c.tx != nil || !retryable(err) || !s.usable() {
		return r, err
	}
	s.forgetNames(err)
	return c.send(ctx, s, sc, sql, args)
}

func (c *conn) send(ctx context.Context, s *session, sc scope.Scope, sql string, args []any) (*rows, error) {
	st, err := s.lookup(c, sc, sql)
	if err != nil {
		return nil, err
	}
	var t train
	if c.tx == nil {
		e, err := newEntry(ctx, sc, c.connector.config.Roles, c.connector.config.SearchPath)
		if err != nil {
			return nil, err
		}
		t = train{entry: &e, block: needsBlock(st.command)}
	}
	return s.run(ctx, t, st, args)
}

// keep remembers rows until they are read to the end, and then gives their session back.
func (c *conn) keep(r *rows, release func()) {
	if r.err != nil {
		release()
		return
	}
	c.open = r
	r.done = func() {
		c.open = nil
		release()
	}
}

// outcome is the error for database/sql. Only an error before anything was sent lets database/sql try another
// connection.
func (c *conn) outcome(err error) error {
	if c.tx == nil && pgconn.SafeToRetry(err) && !isContextError(err) {
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
			return "", nil, fmt.Errorf("stratum: PostgreSQL has no named argument %q (use $1, or pgx.NamedArgs)", n.Name)
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
	if err := c.data.pg.Ping(ctx); err != nil {
		c.data.abandon()
		if isContextError(err) {
			return err
		}
		return driver.ErrBadConn
	}
	return nil
}

// ResetSession looks whether the connection is still good, without a round trip.
func (c *conn) ResetSession(context.Context) error {
	if !c.IsValid() || !alive(c.data.pg.Conn()) {
		return driver.ErrBadConn
	}
	return nil
}

// IsValid reports whether the connection may go back to the pool.
func (c *conn) IsValid() bool { return c.tx == nil && c.open == nil && c.data.usable() }

// Close ends the connection.
func (c *conn) Close() error {
	ctx, cancel := closing()
	defer cancel()
	if c.tx != nil {
		c.tx.abandon(ctx)
	}
	return c.data.conn.Close(ctx)
}

// closing is the context of the driver's methods that database/sql calls without one.
func closing() (context.Context, context.CancelFunc) {
	//nolint:forbidigo // driver.Conn.Close and driver.Tx.Rollback have no ctx to take
	return context.WithTimeout(context.Background(), closeTimeout)
}
