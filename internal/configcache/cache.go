package configcache

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"

	"github.com/stratum-hq/stratum-go/internal/config"
)

// Options say what a Cache keeps, and for how long.
type Options struct {
	// Load reads what the config of a tenant comes to. Required.
	Load func(ctx context.Context, tenant uuid.UUID) (*config.Snapshot, error)
	// Unreachable tells whether an error of Load says nothing of the tenant, but that the database could not be asked.
	// Required.
	Unreachable func(error) bool
	// MaxBytes is about how much memory snapshots may take. Required.
	MaxBytes int64
	// TTL is how long a snapshot is kept in any case. Required.
	TTL time.Duration
	// MaxStale is how long what is kept may be trusted after a look at the database. Required.
	MaxStale time.Duration
}

// Cache keeps snapshots. It is safe for concurrent use. Without a Follower it trusts nothing, and every Get loads.
type Cache struct {
	options Options
	entries *otter.Cache[uuid.UUID, *entry]
	clock   *otter.CoarseClock
	// trusted is when trust ends, and down until when the database need not be asked again; both by the clock.
	trusted, down atomic.Int64

	mu      sync.Mutex
	flights map[uuid.UUID]*flight
	history history
	index   index
}

// entry is a snapshot that is kept.
type entry struct {
	snapshot *config.Snapshot
	// spare is one that was read while nothing was trusted. It serves where the database cannot be reached.
	spare bool
}

// The clock costs a read next to nothing, in return for being late by this much.
const clockResolution = 20 * time.Millisecond

// New returns an empty cache. Close must be called.
func New(options Options) (*Cache, error) {
	c := &Cache{
		options: options, clock: otter.NewCoarseClock(clockResolution),
		flights: make(map[uuid.UUID]*flight), index: index{tenants: make(map[string]map[uuid.UUID]struct{})},
	}
	var err error
	c.entries, err = otter.New(&otter.Options[uuid.UUID, *entry]{
		MaximumWeight:    uint64(max(options.MaxBytes, 1)),
		Weigher:          weigh,
		ExpiryCalculator: otter.ExpiryWriting[uuid.UUID, *entry](options.TTL),
		Clock:            c.clock,
	})
	if err != nil {
		c.clock.Stop()
		return nil, err
	}
	return c, nil
}

// entryOverhead is what an entry takes beside its snapshot, in the cache and in the index.
const entryOverhead = 512

func weigh(_ uuid.UUID, e *entry) uint32 {
	return uint32(min(e.snapshot.Size()+entryOverhead, math.MaxUint32)) //nolint:gosec // bounded
}

// Close forgets everything and ends the cache's goroutines. Get goes on to work, and loads.
func (c *Cache) Close() {
	c.Distrust()
	c.entries.StopAllGoroutines()
	c.clock.Stop()
	c.Invalidate("")
}

// Get returns what the config of a tenant comes to, as it is kept or as it is loaded. Its errors are those of Load, and
// that of a ctx which ends while another call loads.
func (c *Cache) Get(ctx context.Context, tenant uuid.UUID) (*config.Snapshot, error) {
	if c.Trusted() {
		if e, ok := c.entries.GetIfPresent(tenant); ok && !e.spare {
			return e.snapshot, nil
		}
		return c.share(ctx, tenant)
	}
	return c.bypass(ctx, tenant)
}

// Trusted tells whether what is kept may be handed out.
func (c *Cache) Trusted() bool { return c.clock.NowNano() < c.trusted.Load() }

// now is the time from which trust counts.
func (c *Cache) now() int64 { return c.clock.NowNano() }

// trust begins, or goes on: what was known at a time holds for MaxStale from then on.
func (c *Cache) trust(known int64) {
	c.down.Store(0)
	c.trusted.Store(known + int64(c.options.MaxStale))
}

// Distrust has everything loaded until there is a reason to trust again.
func (c *Cache) Distrust() { c.trusted.Store(0) }

// bypass loads, and keeps what it has loaded for the time when the database cannot be reached.
func (c *Cache) bypass(ctx context.Context, tenant uuid.UUID) (*config.Snapshot, error) {
	kept, ok := c.entries.GetIfPresent(tenant)
	if ok && c.now() < c.down.Load() {
		return kept.snapshot, nil
	}
	s, err := c.reload(ctx, tenant, ok)
	switch {
	case err == nil && c.Trusted():
		// What is kept, or loaded by those who share, may be older than this: then so would be the next read.
		return c.share(ctx, tenant)
	case err == nil:
		c.down.Store(0)
		c.keepSpare(tenant, s)
	case ok && ctx.Err() == nil && c.options.Unreachable(err):
		c.down.Store(c.now() + int64(c.options.MaxStale))
		return kept.snapshot, nil
	}
	return s, err
}

// reload loads, a second time where the first has met a connection that had been cut before. Whoever has something to
// fall back on does not wait for long.
func (c *Cache) reload(ctx context.Context, tenant uuid.UUID, fallback bool) (*config.Snapshot, error) {
	if !fallback {
		return c.options.Load(ctx, tenant)
	}
	limited, cancel := context.WithTimeout(ctx, c.options.MaxStale)
	defer cancel()
	s, err := c.options.Load(limited, tenant)
	if err != nil && limited.Err() == nil && c.options.Unreachable(err) {
		s, err = c.options.Load(limited, tenant)
	}
	return s, err
}
