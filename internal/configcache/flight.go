package configcache

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/internal/config"
)

// flight is a load that others may wait for.
type flight struct {
	began    uint64 // as a number of the history
	done     chan struct{}
	snapshot *config.Snapshot
	err      error
}

// share loads, or waits for whoever loads the same. What was loaded for another call counts only if no change that was
// heard of before this call is missing in it.
func (c *Cache) share(ctx context.Context, tenant uuid.UUID) (*config.Snapshot, error) {
	arrived := c.number()
	for again := false; ; again = true {
		f, mine := c.board(tenant)
		if mine {
			return c.fly(ctx, tenant, f)
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		switch {
		case f.err == nil:
			if !c.missed(f.snapshot, f.began, arrived) {
				return f.snapshot, nil
			}
		case again && !isEnded(f.err):
			// It began after this call did, and its error is no worse than one's own would be.
			return nil, f.err
		}
	}
}

// isEnded recognizes the end of the ctx of another call.
func isEnded(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// board returns the flight for a tenant, and whether the caller is the one to load. One that has landed since the
// caller looked has left its snapshot.
func (c *Cache) board(tenant uuid.UUID) (f *flight, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f = c.flights[tenant]; f != nil {
		return f, false
	}
	f = &flight{began: c.history.n, done: make(chan struct{}), err: context.Canceled}
	if e, ok := c.entries.GetIfPresent(tenant); ok && !e.spare {
		f.snapshot, f.err = e.snapshot, nil
		close(f.done)
		return f, false
	}
	c.flights[tenant] = f
	return f, true
}

// fly loads for all who wait. Where Load panics they find the flight cancelled, and load for themselves.
func (c *Cache) fly(ctx context.Context, tenant uuid.UUID, f *flight) (*config.Snapshot, error) {
	defer c.land(tenant, f)
	f.snapshot, f.err = c.options.Load(ctx, tenant)
	return f.snapshot, f.err
}

// land keeps what was loaded, before anybody can begin the next flight.
func (c *Cache) land(tenant uuid.UUID, f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.flights, tenant)
	if f.err == nil && !c.history.missed(f.snapshot, f.began, c.history.n) {
		c.keep(tenant, &entry{snapshot: f.snapshot})
	}
	close(f.done)
}
