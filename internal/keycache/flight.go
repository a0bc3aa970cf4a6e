package keycache

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
)

// flights are the loads that are on their way.
type flights struct {
	mu  sync.Mutex
	all map[uuid.UUID]*flight
}

// flight is one load. Those who come meanwhile wait for its end and look again.
type flight struct {
	done     chan struct{}
	outdated bool // what it brings was dropped before it came
}

// begin returns a flight of the caller's own, or that of somebody else to wait for.
func (f *flights) begin(tenant uuid.UUID) (own, other *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if other = f.all[tenant]; other != nil {
		return nil, other
	}
	if f.all == nil {
		f.all = make(map[uuid.UUID]*flight)
	}
	own = &flight{done: make(chan struct{})}
	f.all[tenant] = own
	return own, nil
}

// end ends a flight and calls keep before anybody else may begin, unless what it brings is outdated.
func (f *flights) end(tenant uuid.UUID, own *flight, keep func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.all, tenant)
	if keep != nil && !own.outdated {
		keep()
	}
	close(own.done)
}

func (f *flights) outdate(tenant uuid.UUID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if flight := f.all[tenant]; flight != nil {
		flight.outdated = true
	}
}

func (f *flights) outdateAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, flight := range f.all {
		flight.outdated = true
	}
}

// Load returns what is kept where accept has it, and otherwise what load returns, which is kept. Of one tenant one load
// runs at a time, with the ctx of who began it; the others wait and look again. What load returns may be refused by
// accept, and is returned all the same. Errors are not kept.
func (c *Cache[V]) Load(
	ctx context.Context, tenant uuid.UUID, accept func(V) bool, load func(context.Context) (V, error),
) (V, error) {
	for {
		if value, ok := c.Get(tenant); ok && accept(value) {
			return value, nil
		}
		own, other := c.flights.begin(tenant)
		if own != nil {
			return c.fly(ctx, tenant, own, load)
		}
		select {
		case <-other.done:
		case <-ctx.Done():
			var none V
			return none, ctx.Err()
		}
	}
}

func (c *Cache[V]) fly(
	ctx context.Context, tenant uuid.UUID, own *flight, load func(context.Context) (V, error),
) (value V, err error) {
	loaded, begun := false, time.Now()
	defer func() {
		keep := func() { c.put(tenant, value, time.Since(begun)) }
		if !loaded { // or load has panicked
			keep = nil
		}
		c.flights.end(tenant, own, keep)
	}()
	value, err = load(ctx)
	loaded = err == nil
	return value, err
}
