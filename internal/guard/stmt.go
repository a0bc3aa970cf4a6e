package guard

import (
	"context"
	"database/sql/driver"
	"errors"
)

// errNoContext is returned by the methods of database/sql/driver that predate contexts; database/sql does not call
// them on this driver.
var errNoContext = errors.New("stratum: a method without ctx was called on the driver (use the methods with Context)")

// stmt is a prepared statement in name only: which types its parameters have depends on the tenant's search_path, and
// a refusal belongs to the execution, which has a ctx. So the text is kept, and each session prepares it at first use.
type stmt struct {
	conn  *conn
	query string
}

var _ interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
} = (*stmt)(nil)

// PrepareContext keeps the text of the statement. Nothing is sent.
func (c *conn) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	return &stmt{conn: c, query: query}, nil
}

// Prepare is PrepareContext.
func (c *conn) Prepare(query string) (driver.Stmt, error) { return &stmt{conn: c, query: query}, nil }

// NumInput returns -1: the number of parameters is not known before the first execution.
func (s *stmt) NumInput() int { return -1 }

// Close does nothing; the session's cache decides how long a statement stays prepared.
func (s *stmt) Close() error { return nil }

// ExecContext runs the statement in the scope of ctx.
func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.conn.ExecContext(ctx, s.query, args)
}

// QueryContext runs the statement in the scope of ctx and returns its rows.
func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.conn.QueryContext(ctx, s.query, args)
}

// Exec refuses: it has no ctx.
func (s *stmt) Exec([]driver.Value) (driver.Result, error) { return nil, errNoContext }

// Query refuses: it has no ctx.
func (s *stmt) Query([]driver.Value) (driver.Rows, error) { return nil, errNoContext }

// Begin refuses: it has no ctx.
func (c *conn) Begin() (driver.Tx, error) { return nil, errNoContext }
