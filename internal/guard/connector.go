package guard

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stratum-hq/stratum-go/internal/scope"
)

// Config says how a Connector makes and uses connections.
type Config struct {
	// Data connects as the login that statements of tenants run under.
	Data *pgx.ConnConfig
	// System lends connections for statements across tenants.
	System *System
	// Roles are the roles that statements run as.
	Roles Roles
	// SearchPath is set for every statement. pg_temp must be its last entry.
	SearchPath string
	// Check looks at a new connection before its first use. Defaults to no check.
	Check func(ctx context.Context, conn *pgx.Conn) error
}

// Connector makes guarded connections for sql.OpenDB.
type Connector struct {
	config Config
}

// NewConnector returns a Connector for config. It does not connect.
func NewConnector(config Config) *Connector { return &Connector{config: config} }

// Connect opens a connection, checks it and readies it.
func (c *Connector) Connect(ctx context.Context) (driver.Conn, error) {
	pc, err := pgx.ConnectConfig(ctx, c.config.Data)
	if err != nil {
		return nil, err
	}
	s, err := c.ready(ctx, pc)
	if err != nil {
		return nil, errors.Join(err, pc.Close(ctx))
	}
	return &conn{connector: c, data: s}, nil
}

func (c *Connector) ready(ctx context.Context, pc *pgx.Conn) (*session, error) {
	if c.config.Check != nil {
		if err := c.config.Check(ctx, pc); err != nil {
			return nil, err
		}
	}
	return newSession(ctx, pc)
}

// Driver returns a driver that refuses to open anything: a guarded connection is made by its Connector alone.
func (c *Connector) Driver() driver.Driver { return refusingDriver{} }

type refusingDriver struct{}

// Open always refuses.
func (refusingDriver) Open(string) (driver.Conn, error) {
	return nil, fmt.Errorf("%w: this driver opens no connections by name (use core.Open and st.DB)", ErrConfig)
}

// System is the pool for work across tenants. It is apart from the tenants' connections, so that neither can starve
// the other, and may use another login.
type System struct {
	pool *pgxpool.Pool
}

// sessionKey is the place of a session in the custom data of its connection.
const sessionKey = "stratum.session"

// NewSystem opens the pool for config. check looks at each new connection. No connection is made yet.
func NewSystem(
	ctx context.Context, config *pgxpool.Config, check func(context.Context, *pgx.Conn) error,
) (*System, error) {
	config = config.Copy()
	config.AfterConnect = func(ctx context.Context, pc *pgx.Conn) error {
		if err := check(ctx, pc); err != nil {
			return err
		}
		s, err := newSession(ctx, pc)
		if err != nil {
			return err
		}
		pc.PgConn().CustomData()[sessionKey] = s
		return nil
	}
	// A look at the socket replaces the pool's ping, which would cost a round trip.
	config.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
	config.PrepareConn = func(_ context.Context, pc *pgx.Conn) (bool, error) { return alive(pc.PgConn().Conn()), nil }
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	return &System{pool: pool}, nil
}

// Pool returns the pool itself, for the registry's own statements.
func (s *System) Pool() *pgxpool.Pool { return s.pool }

// lease is a borrowed connection of the system pool.
type lease struct {
	*session
	conn *pgxpool.Conn
}

func (s *System) acquire(ctx context.Context) (*lease, error) {
	pc, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	held, ok := pc.Conn().PgConn().CustomData()[sessionKey].(*session)
	if !ok {
		pc.Release()
		return nil, ErrProtocol
	}
	return &lease{session: held, conn: pc}, nil
}

// release gives the connection back. The pool destroys one that is broken or inside a transaction; one in an unknown
// state is closed here, so that the pool sees it as broken.
func (l *lease) release(ctx context.Context) {
	if !l.usable() {
		_ = l.conn.Conn().Close(ctx) // it is given up either way
	}
	l.conn.Release()
}

// pick returns the session for a statement of scope sc, and what to do when the statement is over.
func (c *conn) pick(ctx context.Context, sc scope.Scope) (*session, func(), error) {
	switch {
	case c.tx != nil:
		return c.tx.session, func() {}, nil
	case sc.Kind == scope.System:
		l, err := c.connector.config.System.acquire(ctx)
		if err != nil {
			return nil, nil, err
		}
		return l.session, func() { l.release(context.WithoutCancel(ctx)) }, nil
	default:
		return c.data, func() {}, nil
	}
}
