package guard

import (
	"container/list"
	"context"
	"sync"
	"time"
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
	granted bool          // or the pool was closed
	line    *list.List
	place   *list.Element
}

// lineUp puts w at the end of a line.
func (w *hopeful) lineUp(line *list.List) { w.line, w.place = line, line.PushBack(w) }

// lease returns when the caller may have a connection of p. Each is ended by unlease.
//
// A pool's own bound comes before that of the budget: a borrower that waits for a busy database must not take the
// place of one whose database is free.
func (b *Budget) lease(ctx context.Context, p *Pool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	if p.closed.Load() {
		b.mu.Unlock()
		return ErrClosed
	}
	if p.slots < p.size && b.free() {
		p.slots++
		b.grant(p)
		b.mu.Unlock()
		return nil
	}
	w := &hopeful{pool: p, ready: make(chan struct{})}
	if p.slots < p.size {
		p.slots++
		w.lineUp(&b.queue)
	} else {
		w.lineUp(&p.line)
	}
	b.waiting++
	b.mu.Unlock()
	return b.wait(ctx, w)
}

// free reports whether there is a lease to be had. Nobody waits for one then.
func (b *Budget) free() bool { return b.max == 0 || b.leased < b.max }

func (b *Budget) grant(p *Pool) {
	b.leased++
	p.leased++
}

// wait stands in line. It needs no goroutine: whoever ends a lease hands it on.
func (b *Budget) wait(ctx context.Context, w *hopeful) error {
	began := time.Now()
	select {
	case <-w.ready:
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting--
	w.pool.waits++
	w.pool.waited += time.Since(began)
	select {
	case <-w.ready:
		if w.granted {
			return nil // the ctx of one who is gone by now is looked at by what comes next
		}
		return ErrClosed
	default:
	}
	w.line.Remove(w.place)
	if w.line == &b.queue {
		b.vacate(w.pool)
	}
	return ctx.Err()
}

// unlease ends a lease of p.
func (b *Budget) unlease(p *Pool) {
	b.mu.Lock()
	defer b.mu.Unlock()
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
