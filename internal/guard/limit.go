package guard

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/internal/scope"
)

// ErrTenantBusy refuses a statement of a tenant that has too much going on already. Nothing was sent to the server.
var ErrTenantBusy = errors.New("stratum: the tenant has as many statements and transactions open as it may, and none " +
	"ended in time (end transactions and close rows sooner, begin nothing beside a transaction that the same code " +
	"holds open, or raise core.Options.Limits)")

// Limit bounds what one tenant may have going on at once.
type Limit struct {
	// Concurrent is the most statements and transactions at once, not negative; 0 is no bound.
	Concurrent int
	// Wait is how long one more waits for its turn before it is refused; 0 or less is not at all.
	Wait time.Duration
}

// limiter hands out turns: a tenant holds one for each statement or transaction that it has going on. It knows only
// those tenants that hold a turn or wait for one, so its size is that of what goes on, not of the number of tenants.
//
// Its lock is held for a few instructions, and never while somebody waits.
type limiter struct {
	mu    sync.Mutex
	lines map[uuid.UUID]*line
}

// line is where a tenant's statements stand.
type line struct {
	held    int       // turns that are taken
	waiting list.List // of *waiter, the first one in front
}

// waiter is a statement that waits for its turn.
type waiter struct {
	most  int           // the limit that it came with
	ready chan struct{} // closed when the turn is its own
}

// turn is held while a statement or a transaction of a tenant goes on. The zero turn is that of a scope without a
// limit.
type turn struct {
	limiter *limiter
	tenant  uuid.UUID
}

// end lets the next in the line go on. Ending a turn again does nothing.
func (t *turn) end() {
	if t.limiter != nil {
		t.limiter.leave(t.tenant)
	}
	*t = turn{}
}

// takeTurn returns a turn for a statement or a transaction of scope sc, at once or when others have ended. The system
// has no limit: it is the application itself, and has a pool of its own.
func (c *Connector) takeTurn(ctx context.Context, sc scope.Scope) (turn, error) {
	if c.config.Limit == nil || sc.Kind == scope.System {
		return turn{}, nil
	}
	limit, err := c.config.Limit(sc.Tenant)
	if err != nil || limit.Concurrent == 0 {
		return turn{}, err
	}
	if err := c.limiter.take(ctx, sc.Tenant, limit); err != nil {
		return turn{}, err
	}
	return turn{limiter: &c.limiter, tenant: sc.Tenant}, nil
}

// take returns when the tenant may have one more, or with the reason why it may not.
func (l *limiter) take(ctx context.Context, tenant uuid.UUID, limit Limit) error {
	l.mu.Lock()
	at := l.lines[tenant]
	if at == nil {
		if l.lines == nil {
			l.lines = make(map[uuid.UUID]*line)
		}
		at = new(line)
		l.lines[tenant] = at
	}
	if at.held < limit.Concurrent && at.waiting.Len() == 0 {
		at.held++
		l.mu.Unlock()
		return nil
	}
	if limit.Wait <= 0 {
		l.mu.Unlock()
		return ErrTenantBusy
	}
	place := at.waiting.PushBack(&waiter{most: limit.Concurrent, ready: make(chan struct{})})
	l.mu.Unlock()
	return l.wait(ctx, tenant, place, limit.Wait)
}

// wait stands in line. It needs no goroutine: whoever ends a turn hands it on.
func (l *limiter) wait(ctx context.Context, tenant uuid.UUID, place *list.Element, patience time.Duration) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	ready := place.Value.(*waiter).ready
	err := ErrTenantBusy
	select {
	case <-ready:
		return nil
	case <-timer.C:
	case <-ctx.Done():
		err = fmt.Errorf("%w: %w", ErrTenantBusy, ctx.Err())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.lines[tenant]
	select {
	case <-ready:
		// The turn came in the meantime. Who has run out of patience takes it; who is gone hands it on.
		if ctx.Err() == nil {
			return nil
		}
		at.held--
	default:
		at.waiting.Remove(place)
	}
	l.settle(tenant, at)
	return err
}

// leave gives a turn back.
func (l *limiter) leave(tenant uuid.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.lines[tenant]
	at.held--
	l.settle(tenant, at)
}

// settle hands free turns to those in front, and forgets a line that nobody stands in. The lock is held.
func (l *limiter) settle(tenant uuid.UUID, at *line) {
	for place := at.waiting.Front(); place != nil; place = at.waiting.Front() {
		w := place.Value.(*waiter)
		if at.held >= w.most {
			return
		}
		at.waiting.Remove(place)
		at.held++
		close(w.ready)
	}
	if at.held == 0 {
		delete(l.lines, tenant)
	}
}
