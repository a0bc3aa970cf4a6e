package guard

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Pool lends connections of one login. Tenants and the system have a pool each, so that neither can starve the other.
type Pool struct {
	pool   *pgxpool.Pool
	closed atomic.Bool
}

// sessionKey is the place of a session in the custom data of its connection.
const sessionKey = "stratum.session"

// PoolConfig says how a Pool makes its connections.
type PoolConfig struct {
	// Pool is for pgx. Some of its hooks are replaced.
	Pool *pgxpool.Config
	// Check looks at each new connection before its first use.
	Check func(context.Context, *pgx.Conn) error
	// Forms are the ways to enter, and System says whether those of the system are needed or those of tenants.
	Forms  *Forms
	System bool
}

// NewPool returns a pool for config. No connection is made yet.
func NewPool(ctx context.Context, options PoolConfig) (*Pool, error) {
	config := options.Pool.Copy()
	config.AfterConnect = func(ctx context.Context, pc *pgx.Conn) error {
		if err := options.Check(ctx, pc); err != nil {
			return err
		}
		s, err := newSession(ctx, pc, options.Forms.of(options.System))
		if err != nil {
			return err
		}
		pc.PgConn().CustomData()[sessionKey] = s
		return nil
	}
	// A look at the socket replaces the pool's ping, which would cost a round trip.
	config.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
	// Where it finds a broken connection the pool takes the next one, so that a restarted server is not noticed.
	config.PrepareConn = func(_ context.Context, pc *pgx.Conn) (bool, error) {
		s, ok := pc.PgConn().CustomData()[sessionKey].(*session)
		return ok && s.probe.alive(), nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	return &Pool{pool: pool}, nil
}

// acquire borrows a session. release gives it back.
func (p *Pool) acquire(ctx context.Context) (*session, error) {
	held, err := p.pool.Acquire(ctx)
	if err != nil {
		return nil, p.refusal(err)
	}
	s, ok := held.Conn().PgConn().CustomData()[sessionKey].(*session)
	if !ok {
		held.Release()
		return nil, ErrProtocol
	}
	s.held = held // nobody else has it until release
	return s, nil
}

// refusal is why no connection could be had, without what the DSN says.
func (p *Pool) refusal(err error) error {
	if p.closed.Load() {
		return ErrClosed
	}
	return RedactConnect(err)
}

// release gives the session back to its pool, which destroys a connection that is closed, busy or inside a transaction.
// One in a state that is not even known has been closed by abandon.
func (s *session) release() {
	held := s.held
	s.held = nil
	held.Release()
}

// BeginTx begins a transaction without a scope, for the registry's own statements. It makes the pool fit for
// pgx.BeginTxFunc.
func (p *Pool) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	tx, err := p.pool.BeginTx(ctx, options)
	if err != nil {
		return nil, p.refusal(err)
	}
	return tx, nil
}

// Batch runs a batch in one round trip and one implicit transaction, without a scope, for the registry's own reads.
func (p *Pool) Batch(ctx context.Context, batch *pgx.Batch) error {
	held, err := p.pool.Acquire(ctx)
	if err != nil {
		return p.refusal(err)
	}
	defer held.Release()
	return held.SendBatch(ctx, batch).Close()
}

// Ping reports whether the server answers. It reads nothing.
func (p *Pool) Ping(ctx context.Context) error {
	s, err := p.acquire(ctx)
	if err != nil {
		return err
	}
	defer s.release()
	if err := s.pg.Ping(ctx); err != nil {
		s.abandon()
		return RedactConnect(err)
	}
	return nil
}

// Close closes the connections. It waits a moment for those that are lent; whoever holds one for longer has leaked its
// rows or its transaction, and the connection is closed when they end.
func (p *Pool) Close() error {
	p.closed.Store(true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.pool.Close()
	}()
	patience := time.NewTimer(closeTimeout)
	defer patience.Stop()
	select {
	case <-done:
		return nil
	case <-patience.C:
		return ErrInUse
	}
}
