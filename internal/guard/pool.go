package guard

import (
	"container/list"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Pool lends connections of one login to one database. Tenants and the system have a pool each, so that neither can
// starve the other.
//
// It is cheap as long as nobody uses it: the connections, and what watches over them, are there from the first borrower
// until the Budget needs their room or IdleTimeout has passed, and again from the next borrower on.
type Pool struct {
	budget      *Budget
	config      *pgxpool.Config
	size        int
	idleTimeout time.Duration
	closed      atomic.Bool // set under the lock
	dials       atomic.Int64
	closes      atomic.Int64

	// What follows is guarded by the lock of the budget.

	inner     *pgxpool.Pool // nil while the pool is asleep
	timer     *time.Timer   // puts it to sleep
	sockets   map[*socket]struct{}
	slots     int       // borrowers who have a lease or wait for one, at most size
	leased    int       // those who have one
	line      list.List // of *hopeful, who wait for a slot
	retiring  int       // inner pools that are being closed
	drained   chan struct{}
	wakes     int64
	evictions int64
	waits     int64
	waited    time.Duration
	lastUsed  time.Time
}

// sessionKey is the place of a session in the custom data of its connection.
const sessionKey = "stratum.session"

// PoolConfig says how a Pool makes its connections.
type PoolConfig struct {
	// Pool is for pgx. Some of its hooks are replaced, and with a Budget no connections are made in advance.
	Pool *pgxpool.Config
	// Check looks at each new connection before its first use.
	Check func(context.Context, *pgx.Conn) error
	// BeforeConnect may change what a new connection is made with, as a password that is renewed now and then. It must
	// not borrow from a pool of the same Budget. Defaults to that of Pool.
	BeforeConnect func(context.Context, *pgx.ConnConfig) error
	// Forms are the ways to enter, and System says whether those of the system are needed or those of tenants.
	Forms  *Forms
	System bool
	// Replica says that the pool leads to a replica.
	Replica bool
	// Budget bounds the connections of this pool and others together. Defaults to the bound of Pool alone.
	Budget *Budget
	// IdleTimeout is how long a pool is without a borrower before its connections are closed. Defaults to 0: they stay,
	// but for what Pool says of single ones.
	IdleTimeout time.Duration
}

// NewPool returns a pool for config. No connection is made yet.
func NewPool(ctx context.Context, options PoolConfig) (*Pool, error) {
	p := &Pool{
		budget: options.Budget, idleTimeout: options.IdleTimeout,
		sockets: make(map[*socket]struct{}), drained: make(chan struct{}),
	}
	p.configure(options)
	if p.size < 1 {
		return nil, fmt.Errorf("%w: pool_max_conns=%d (a pool needs at least one)", ErrConfig, p.size)
	}
	if p.budget != nil {
		return p, nil
	}
	p.budget = new(Budget)
	p.budget.mu.Lock()
	defer p.budget.mu.Unlock()
	return p, p.wake(ctx)
}

// acquire borrows a session. release gives it back.
func (p *Pool) acquire(ctx context.Context) (*session, error) {
	inner, err := p.budget.lease(ctx, p)
	if err != nil {
		return nil, p.refusal(err)
	}
	held, err := p.borrow(ctx, inner)
	if err != nil {
		p.budget.unlease(p)
		return nil, p.refusal(err)
	}
	s, ok := held.Conn().PgConn().CustomData()[sessionKey].(*session)
	if !ok {
		held.Release()
		p.budget.unlease(p)
		return nil, ErrProtocol
	}
	s.held = held // nobody else has it until release
	return s, nil
}

// borrow takes a connection, for a borrower with a lease.
func (p *Pool) borrow(ctx context.Context, inner *pgxpool.Pool) (*pgxpool.Conn, error) {
	if !p.counted() {
		return inner.Acquire(ctx)
	}
	c := &claim{Context: ctx}
	for {
		held, err := inner.Acquire(c) //nolint:contextcheck // it has ctx in it
		if err == nil {
			return held, nil
		}
		// pgx takes one more connection than there may be idle ones before it gives up. They may all have been evicted
		// the moment before.
		if !c.evicted || c.refused <= p.size || ctx.Err() != nil {
			c.gone.Store(true)
			return nil, err
		}
		c.evicted, c.refused = false, 0
	}
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
	held, p := s.held, s.pool
	s.held = nil
	if s.socket != nil {
		s.socket.rest()
	}
	held.Release()
	p.budget.unlease(p)
}

// BeginTx begins a transaction without a scope, for the registry's own statements. It makes the pool fit for
// pgx.BeginTxFunc.
func (p *Pool) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	s, err := p.acquire(ctx)
	if err != nil {
		return nil, err
	}
	tx, err := s.held.BeginTx(ctx, options)
	if err != nil {
		s.release()
		return nil, p.refusal(err)
	}
	return &plainTx{Tx: tx, session: s}, nil
}

// plainTx gives its session back at its end.
type plainTx struct {
	pgx.Tx

	session *session
}

// Commit commits the transaction.
func (t *plainTx) Commit(ctx context.Context) error {
	defer t.end()
	return t.Tx.Commit(ctx)
}

// Rollback rolls the transaction back.
func (t *plainTx) Rollback(ctx context.Context) error {
	defer t.end()
	return t.Tx.Rollback(ctx)
}

func (t *plainTx) end() {
	if t.session != nil {
		t.session.release()
		t.session = nil
	}
}

// Batch runs a batch in one round trip and one implicit transaction, without a scope, for the registry's own reads.
func (p *Pool) Batch(ctx context.Context, batch *pgx.Batch) error {
	s, err := p.acquire(ctx)
	if err != nil {
		return err
	}
	defer s.release()
	return s.held.SendBatch(ctx, batch).Close()
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
// rows or its transaction, and the connection is closed when they end. Who waits for one is refused with ErrClosed.
func (p *Pool) Close() error {
	p.shut()
	patience := time.NewTimer(closeTimeout)
	defer patience.Stop()
	select {
	case <-p.drained:
		return nil
	case <-patience.C:
		return ErrInUse
	}
}

func (p *Pool) shut() {
	p.budget.mu.Lock()
	defer p.budget.mu.Unlock()
	if p.closed.Swap(true) {
		return
	}
	p.budget.expel(p)
	if p.inner != nil {
		p.retire()
	}
	p.settle()
}
