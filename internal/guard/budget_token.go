package guard

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"
)

// claim is the ctx of a borrower on its way to a connection. A dial knows by it for whom it is: pgx goes on dialling
// for a borrower that is gone, and does not say so.
type claim struct {
	context.Context //nolint:containedctx // it is one, for the time of a call

	gone    atomic.Bool // the borrower came away with nothing
	socket  *socket     // the last that was dialled for it
	refused int         // connections that were not fit to be lent to it
	evicted bool        // among them, one that had made room
}

type claimKey struct{}

// Value finds the claim itself beneath whatever pgx makes of it.
func (c *claim) Value(key any) any {
	if _, ok := key.(claimKey); ok {
		return c
	}
	return c.Context.Value(key)
}

func claimOf(ctx context.Context) *claim {
	c, _ := ctx.Value(claimKey{}).(*claim)
	return c
}

// dialer is somebody with a lease who waits for a token.
type dialer struct {
	socket *socket
	ready  chan struct{}
}

// dialWith returns dial with a token around it. Requests to cancel a statement are dialled without: the server does not
// count them, and they must not wait for what they are about to free.
func (p *Pool) dialWith(dial pgconn.DialFunc) pgconn.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c := claimOf(ctx)
		if c == nil {
			return dial(ctx, network, address)
		}
		s := &socket{pool: p}
		s.claim.Store(c)
		if err := p.budget.take(ctx, c, s); err != nil {
			return nil, err
		}
		nc, err := dial(ctx, network, address)
		if err != nil {
			p.budget.mu.Lock()
			defer p.budget.mu.Unlock()
			p.budget.giveBack(s)
			return nil, err
		}
		s.Conn, c.socket = nc, s
		return s, nil
	}
}

// take returns when s has a token, for which another connection may have to go.
func (b *Budget) take(ctx context.Context, c *claim, s *socket) error {
	b.mu.Lock()
	if b.open < b.max {
		b.issue(s)
		b.mu.Unlock()
		return nil
	}
	d := &dialer{socket: s, ready: make(chan struct{})}
	place := b.dialers.PushBack(d)
	b.evict()
	b.mu.Unlock()
	var err error
	select {
	case <-d.ready:
		return nil
	case <-ctx.Done(): // the pool is closed, or it took too long
		err = ctx.Err()
	case <-c.Done(): // the borrower is gone: what has not begun need not be ended
		err = c.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-d.ready:
		b.giveBack(s)
	default:
		b.dialers.Remove(place)
	}
	return err
}

// issue gives s a token. The lock is held.
func (b *Budget) issue(s *socket) {
	b.open++
	b.peak = max(b.peak, b.open)
	s.pool.sockets[s] = struct{}{}
	s.pool.dials.Add(1)
}

// giveBack takes the token of s back, for the next who waits for one. The lock is held.
func (b *Budget) giveBack(s *socket) {
	b.open--
	delete(s.pool.sockets, s)
	s.pool.closes.Add(1)
	if next := b.dialers.Front(); next != nil {
		d := b.dialers.Remove(next).(*dialer)
		b.issue(d.socket)
		close(d.ready)
	}
	s.pool.settle()
}

// closes marks s, and counts it among those whose tokens are on their way back. The lock is held.
func (b *Budget) closes(s *socket) {
	if s.state.Swap(leaving) != leaving {
		b.closing++
	}
}

// evict has as many connections closed as there are borrowers who wait for a token, less those that are closed already.
// Connections that are lent, or dialled for somebody who is there to take them, are not touched; that there are others
// follows from the number of leases. Where one is still being dialled for a borrower that is gone, evict is called once
// more when it is ready. The lock is held.
func (b *Budget) evict() {
	for b.dialers.Len() > b.closing {
		if p := b.stalest(); p != nil {
			b.evicted(p, p.retire())
			continue
		}
		s := b.idlest()
		if s == nil {
			return
		}
		if s.spare() {
			b.closing++
			b.evicted(s.pool, 1)
			go s.end()
		}
	}
}

func (b *Budget) evicted(p *Pool, n int) {
	p.evictions += int64(n)
	b.evictions += int64(n)
}

// stalest is the pool with something to evict that has been without a borrower for longest.
func (b *Budget) stalest() (found *Pool) {
	for p := range b.pools {
		if p.leased == 0 && (found == nil || p.lastUsed.Before(found.lastUsed)) && p.idle() > 0 {
			found = p
		}
	}
	return found
}

// idlest is the connection of a pool with borrowers that has been idle for longest.
func (b *Budget) idlest() (found *socket) {
	for p := range b.pools {
		for s := range p.sockets {
			if s.isSpare() && (found == nil || s.since.Load() < found.since.Load()) {
				found = s
			}
		}
	}
	return found
}
