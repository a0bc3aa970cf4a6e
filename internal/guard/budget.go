package guard

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Budget bounds the connections of all pools that share it: those that are being dialled, idle, lent, and closed but
// not yet gone from the server. It makes of many pools, over many databases, one bounded set.
//
// It counts two things. Who borrows takes a lease first, in order of arrival, and keeps it until the connection is
// given back; a connection is dialled with a token, which comes back when the server has closed its end. There are as
// many of the one as of the other. So whoever holds a lease and finds no token knows that some connection is lent to
// nobody, and has it closed: that of the pool which nobody has used for longest.
//
// A borrower that waits for a second lease of the same budget while it holds one may wait forever, as all others may
// do the same. What needs two connections at once takes them from pools of two budgets.
type Budget struct {
	max int // 0 is no bound, for a pool that shares nothing

	// mu guards what is below, and of each Pool what its comments say. It is held for a few instructions, and never
	// while somebody waits or talks to a server.
	mu        sync.Mutex
	leased    int
	queue     list.List // of *hopeful, whose pools have room for them, waiting for a lease
	waiting   int       // those and the ones whose pools have no room
	open      int       // tokens that are out
	peak      int
	closing   int       // of the open ones, those on their way back
	dialers   list.List // of *dialer
	pools     map[*Pool]struct{}
	evictions int64
}

// NewBudget returns a budget of so many connections. It has at least one.
func NewBudget(most int) *Budget { return &Budget{max: max(most, 1)} }

// hopeful is a borrower that waits, first for room in its pool and then for a lease.
type hopeful struct {
	pool    *Pool
	ready   chan struct{} // closed when the wait is over
	granted bool          // it has a lease; otherwise its pool was closed
	line    *list.List
	place   *list.Element
}

// lineUp puts w at the end of a line.
func (w *hopeful) lineUp(line *list.List) { w.line, w.place = line, line.PushBack(w) }

// lease returns the inner pool of p when the caller may have a connection of it. Each lease is ended by unlease, and
// keeps the pool awake until then.
//
// A pool's own bound comes before that of the budget: a borrower that waits for a busy database must not take the
// place of one whose database is free.
func (b *Budget) lease(ctx context.Context, p *Pool) (*pgxpool.Pool, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case p.closed.Load():
		return nil, ErrClosed
	case p.slots < p.size && b.free():
		p.slots++
		b.grant(p)
	default:
		if err := b.wait(ctx, p); err != nil {
			return nil, err
		}
	}
	inner, err := p.awake(ctx)
	if err != nil {
		b.end(p)
	}
	return inner, err
}

// free reports whether there is a lease to be had. Nobody waits for one then.
func (b *Budget) free() bool { return b.max == 0 || b.leased < b.max }

func (b *Budget) grant(p *Pool) {
	b.leased++
	p.leased++
}

// wait stands in line, for room in p first where there is none. It needs no goroutine: whoever ends a lease hands it
// on. The lock is held but for the wait itself.
func (b *Budget) wait(ctx context.Context, p *Pool) error {
	w := &hopeful{pool: p, ready: make(chan struct{})}
	if p.slots < p.size {
		p.slots++
		w.lineUp(&b.queue)
	} else {
		w.lineUp(&p.line)
	}
	b.waiting++
	began := time.Now()
	b.mu.Unlock()
	select {
	case <-w.ready:
	case <-ctx.Done():
	}
	b.mu.Lock()
	b.waiting--
	p.waits++
	p.waited += time.Since(began)
	switch {
	case w.granted:
		return nil // where ctx has ended meanwhile, what comes next will see it
	case p.closed.Load():
		return ErrClosed
	}
	w.line.Remove(w.place)
	if w.line == &b.queue {
		b.vacate(p)
	}
	return ctx.Err()
}

// unlease ends a lease of p.
func (b *Budget) unlease(p *Pool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end(p)
}

// end is unlease with the lock held.
func (b *Budget) end(p *Pool) {
	b.leased--
	p.leased--
	p.lastUsed = time.Now()
	b.vacate(p)
	b.serve()
	b.evict()
	p.settle()
}

// vacate gives the room that a borrower had in p to the next in line. The lock is held.
func (b *Budget) vacate(p *Pool) {
	p.slots--
	if next := p.line.Front(); next != nil {
		p.slots++
		p.line.Remove(next).(*hopeful).lineUp(&b.queue)
	}
}

// serve hands out the leases that are free. The lock is held.
func (b *Budget) serve() {
	for next := b.queue.Front(); next != nil && b.free(); next = b.queue.Front() {
		w := b.queue.Remove(next).(*hopeful)
		b.grant(w.pool)
		w.granted = true
		close(w.ready)
	}
}

// expel sends away all who wait for p. The lock is held.
func (b *Budget) expel(p *Pool) {
	for next := p.line.Front(); next != nil; next = p.line.Front() {
		close(p.line.Remove(next).(*hopeful).ready)
	}
	for at := b.queue.Front(); at != nil; {
		w := at.Value.(*hopeful)
		next := at.Next()
		if w.pool == p {
			b.queue.Remove(at)
			p.slots--
			close(w.ready)
		}
		at = next
	}
}
