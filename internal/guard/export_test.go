package guard

import (
	"context"
	"net"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/scope"
	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// The functions below take what sql.Conn.Raw shows of a guarded connection.

// Beneath runs fn on a connection of the pool for scopes of kind, as nobody else can. In a pool of one it is the one
// that all statements ran on.
func Beneath(ctx context.Context, raw any, kind scope.Kind, fn func(*pgx.Conn) error) error {
	s, err := poolOf(raw, kind).acquire(ctx)
	if err != nil {
		return err
	}
	defer s.release()
	return fn(s.conn)
}

// Stat tells of the pool for scopes of kind.
func Stat(raw any, kind scope.Kind) PoolStats { return poolOf(raw, kind).Stats() }

func poolOf(raw any, kind scope.Kind) *Pool {
	return raw.(*conn).connector.config.Home.Database.pool(kind)
}

// WithoutRules lets every command through to the server, on every connection beside this one too.
func WithoutRules(raw any) {
	c := raw.(*conn).connector
	c.check = func(sqltext.Command, bool) error { return nil }
	c.hardened = c.check
}

// WithoutBlock takes the transaction block away from around CALL and DO.
func WithoutBlock(raw any) {
	raw.(*conn).connector.needsBlock = func(sqltext.Command) bool { return false }
}

// Carry has settings carried, as on Citus.
func Carry(raw any) { raw.(*conn).connector.forms.carries = true }

// WithoutCarrying sends the block without the settings in it.
func WithoutCarrying(raw any) {
	raw.(*conn).connector.carried = func(*Place, *entry) []string { return []string{} }
}

// Carried are the commands that make the settings of a scope where its rows are.
func Carried(ctx context.Context, raw any, sc scope.Scope) ([]string, error) {
	c := raw.(*conn).connector
	e, err := c.entry(ctx, at{place: c.config.Home, scope: sc})
	if err != nil {
		return nil, err
	}
	return carried(c.config.Home, e), nil
}

// PathList is a search_path as SET takes it.
func PathList(path string) string { return pathList(path) }

// Mode is how the sessions of the pool for tenants send statements; one of them is asked.
func Mode(ctx context.Context, raw any) (pgx.QueryExecMode, error) {
	s, err := poolOf(raw, scope.Tenant).acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer s.release()
	return s.mode, nil
}

// Check and CheckTag are the two lines of defence.
func Check(sql string, tx bool) error { return check(sqltext.Inspect(sql), tx) }

// CheckTag looks at a command tag.
func CheckTag(tag, sql string, tx bool) error { return checkTag(tag, sqltext.Inspect(sql), tx) }

// Translate is what an error of the server or of the network becomes.
func Translate(err error) error { return translate(err) }

// DescribeContext is the setting stratum.context.
func DescribeContext(s scope.Scope, a scope.Actor) ([]byte, error) { return describeContext(s, a) }

// Alive looks at a socket.
func Alive(nc net.Conn) bool { return newProbe(nc).alive() }

// Smuggle sends a text of several statements as if it were the harmless one that sql is, and returns what became of it.
func Smuggle(ctx context.Context, raw any, sc scope.Scope, sql, text string) error {
	c := raw.(*conn).connector
	p, s, err := c.acquire(ctx, sc)
	if err != nil {
		return err
	}
	defer s.release()
	e, err := c.entry(ctx, at{place: p, scope: sc})
	if err != nil {
		return err
	}
	st := &statement{command: inspect(sql)}
	r, err := s.receive(ctx, s.pg.Exec(ctx, e.literal()+";"+text), train{entry: e}, st)
	if err != nil {
		return err
	}
	return r.Close()
}
