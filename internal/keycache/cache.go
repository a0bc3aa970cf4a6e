package keycache

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// Cache keeps a value for each tenant. It is safe for concurrent use.
//
// A shard's map is replaced and never changed, so that reading takes no lock. What is kept ends by a timer and not by
// a look at the clock, which would cost a read more than all the rest of it.
type Cache[V any] struct {
	ttl     time.Duration
	each    int // what a shard holds
	shards  []shard[V]
	flights flights
}

type shard[V any] struct {
	state atomic.Pointer[state[V]]
	mu    sync.Mutex // for writing
	shut  bool
}

// state is what a shard holds. last is the item that was read last: most reads are of the same tenant as the one before,
// and need no look-up. It goes with the state, so that it is never one that was dropped.
type state[V any] struct {
	items map[uuid.UUID]*item[V]
	last  atomic.Pointer[item[V]]
}

type item[V any] struct {
	tenant uuid.UUID
	value  V
	used   atomic.Bool
	end    *time.Timer
}

const (
	maxShards = 256
	minShard  = 32
)

// New returns a cache that keeps about so many values, each no longer than the TTL. Close must be called.
func New[V any](size int, ttl time.Duration) *Cache[V] {
	n := 1
	for n < maxShards && size/(n*2) >= minShard {
		n *= 2
	}
	c := &Cache[V]{ttl: ttl, each: max(1, (size+n-1)/n), shards: make([]shard[V], n)}
	for i := range c.shards {
		c.shards[i].state.Store(&state[V]{})
	}
	return c
}

// shard is chosen by the last byte, which is random in all versions of uuid but those that nobody uses for tenants.
func (c *Cache[V]) shard(tenant uuid.UUID) *shard[V] {
	return &c.shards[int(tenant[15])&(len(c.shards)-1)]
}

// Get returns what is kept.
func (c *Cache[V]) Get(tenant uuid.UUID) (value V, ok bool) {
	s := c.shard(tenant).state.Load()
	if last := s.last.Load(); last != nil && last.tenant == tenant {
		return last.value, true
	}
	i := s.items[tenant]
	if i == nil {
		return value, false
	}
	s.last.Store(i)
	if !i.used.Load() {
		i.used.Store(true)
	}
	return i.value, true
}

// put keeps a value that was read so long ago. Where the shard is full another one goes, rather one that was not read.
func (c *Cache[V]) put(tenant uuid.UUID, value V, age time.Duration) {
	s := c.shard(tenant)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return
	}
	next := s.clone()
	if old := next[tenant]; old != nil {
		old.end.Stop()
	} else if len(next) >= c.each {
		evict(next)
	}
	i := &item[V]{tenant: tenant, value: value}
	i.end = time.AfterFunc(c.ttl-age, func() { s.drop(tenant, i) })
	next[tenant] = i
	s.state.Store(&state[V]{items: next})
}

// clone returns what a shard holds, to be changed. It is never nil.
func (s *shard[V]) clone() map[uuid.UUID]*item[V] {
	next := maps.Clone(s.state.Load().items)
	if next == nil {
		next = make(map[uuid.UUID]*item[V])
	}
	return next
}

// evict drops one that has not been read since the last time, or any.
func evict[V any](items map[uuid.UUID]*item[V]) {
	var victim uuid.UUID
	for tenant, i := range items {
		victim = tenant
		if !i.used.Swap(false) {
			break
		}
	}
	items[victim].end.Stop()
	delete(items, victim)
}

// drop drops an item, or with nil whatever there is.
func (s *shard[V]) drop(tenant uuid.UUID, which *item[V]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.state.Load().items[tenant]
	if i == nil || which != nil && i != which {
		return
	}
	i.end.Stop()
	next := s.clone()
	delete(next, tenant)
	s.state.Store(&state[V]{items: next})
}

// Drop forgets what is kept of a tenant, and what is being loaded for it.
func (c *Cache[V]) Drop(tenant uuid.UUID) {
	c.flights.outdate(tenant)
	c.shard(tenant).drop(tenant, nil)
}

// Clear forgets everything.
func (c *Cache[V]) Clear() {
	c.flights.outdateAll()
	for i := range c.shards {
		c.shards[i].clear(false)
	}
}

// Close forgets everything, and keeps nothing from then on.
func (c *Cache[V]) Close() {
	for i := range c.shards {
		c.shards[i].clear(true)
	}
}

func (s *shard[V]) clear(shut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shut = s.shut || shut
	for _, i := range s.state.Load().items {
		i.end.Stop()
	}
	s.state.Store(&state[V]{})
}

// Len returns how many are kept.
func (c *Cache[V]) Len() int {
	n := 0
	for i := range c.shards {
		n += len(c.shards[i].state.Load().items)
	}
	return n
}
