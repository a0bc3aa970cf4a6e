package guard

import (
	"context"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// configure prepares what every inner pool of p is made with.
func (p *Pool) configure(options PoolConfig) {
	config := options.Pool.Copy()
	config.AfterConnect = func(ctx context.Context, pc *pgx.Conn) error {
		return p.greet(ctx, pc, options)
	}
	// A look at the socket replaces the pool's ping, which would cost a round trip.
	config.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
	// Where it finds a broken connection the pool takes the next one, so that a restarted server is not noticed.
	config.PrepareConn = func(ctx context.Context, pc *pgx.Conn) (bool, error) { return p.fit(ctx, pc), nil }
	if options.BeforeConnect != nil {
		config.BeforeConnect = options.BeforeConnect
	}
	p.config, p.size = config, int(config.MaxConns)
	if p.budget == nil {
		p.countClosed()
		return
	}
	p.size = min(p.size, p.budget.max)
	config.MaxConns = int32(min(p.size, math.MaxInt32)) //nolint:gosec // it is one of two that fit
	config.MinConns, config.MinIdleConns = 0, 0
	before := config.BeforeConnect
	config.BeforeConnect = func(ctx context.Context, cc *pgx.ConnConfig) error {
		if before != nil {
			if err := before(ctx, cc); err != nil {
				return err
			}
		}
		cc.DialFunc = p.dialWith(cc.DialFunc) // whatever the caller made it
		return nil
	}
}

// countClosed is for a pool without tokens, which tell the same.
func (p *Pool) countClosed() {
	before := p.config.BeforeClose
	p.config.BeforeClose = func(pc *pgx.Conn) {
		p.closes.Add(1)
		if before != nil {
			before(pc)
		}
	}
}

// counted reports whether the connections of p count, for a budget that is shared.
func (p *Pool) counted() bool { return p.budget.max > 0 }

// greet readies a new connection.
func (p *Pool) greet(ctx context.Context, pc *pgx.Conn, options PoolConfig) error {
	if err := options.Check(ctx, pc); err != nil {
		return err
	}
	s, err := newSession(ctx, pc, options.Forms.of(options.System, options.Replica))
	if err != nil {
		return err
	}
	s.pool = p
	pc.PgConn().CustomData()[sessionKey] = s
	if c := claimOf(ctx); c != nil && p.counted() {
		s.socket = c.socket
		s.socket.ready()
		return nil
	}
	p.dials.Add(1)
	return nil
}

// fit reports whether a connection can be lent.
func (p *Pool) fit(ctx context.Context, pc *pgx.Conn) bool {
	s, ok := pc.PgConn().CustomData()[sessionKey].(*session)
	if !ok {
		return false
	}
	evicted := s.socket != nil && !s.socket.lend()
	if !evicted && s.probe.alive() {
		return true
	}
	if c := claimOf(ctx); c != nil {
		c.refused++
		c.evicted = c.evicted || evicted
	}
	return false
}

// awake returns the inner pool, for a borrower with a lease. The first one makes it. The lock is held.
func (p *Pool) awake(ctx context.Context) (*pgxpool.Pool, error) {
	if p.closed.Load() {
		return nil, ErrClosed
	}
	if p.inner == nil {
		if err := p.wake(ctx); err != nil {
			return nil, err
		}
	}
	return p.inner, nil
}

// wake makes the inner pool. The lock is held.
func (p *Pool) wake(ctx context.Context) error {
	inner, err := pgxpool.NewWithConfig(ctx, p.config)
	if err != nil {
		return err
	}
	p.inner = inner
	p.wakes++
	b := p.budget
	if b.pools == nil {
		b.pools = make(map[*Pool]struct{})
	}
	b.pools[p] = struct{}{}
	if p.idleTimeout <= 0 {
		return nil
	}
	if p.timer == nil {
		p.timer = time.AfterFunc(p.idleTimeout, p.doze)
	} else {
		p.timer.Reset(p.idleTimeout)
	}
	return nil
}

// doze puts a pool to sleep that has been idle for long enough, and looks again later otherwise. That costs a timer for
// each pool that is awake, and no goroutine.
func (p *Pool) doze() {
	p.budget.mu.Lock()
	defer p.budget.mu.Unlock()
	if p.inner == nil {
		return
	}
	left := p.idleTimeout
	if p.leased == 0 {
		left -= time.Since(p.lastUsed)
	}
	if left > 0 {
		p.timer.Reset(left)
		return
	}
	p.retire()
}

// retire closes the inner pool, and returns how many idle connections go with it. The lock is held.
func (p *Pool) retire() (idle int) {
	inner, b := p.inner, p.budget
	p.inner = nil
	delete(b.pools, p)
	if p.timer != nil {
		p.timer.Stop()
	}
	for s := range p.sockets {
		if s.spare() {
			b.closing++
			idle++
		}
	}
	p.retiring++
	go func() {
		inner.Close()
		b.mu.Lock()
		defer b.mu.Unlock()
		p.retiring--
		p.settle()
	}()
	return idle
}

// settle puts a pool to sleep of which nothing is left, and tells Close when it has ended. The lock is held.
func (p *Pool) settle() {
	if p.leased > 0 || len(p.sockets) > 0 {
		return
	}
	if p.inner != nil && p.counted() {
		p.retire()
	}
	if p.closed.Load() && p.retiring == 0 {
		select {
		case <-p.drained:
		default:
			close(p.drained)
		}
	}
}

// idle is the number of connections that are lent to nobody. The lock is held.
func (p *Pool) idle() (n int) {
	for s := range p.sockets {
		if s.isSpare() {
			n++
		}
	}
	return n
}
