package configcache

import (
	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/internal/config"
)

// past is a change that was heard of: of a label or of everything, or, for alone, of what is kept of one tenant.
type past struct {
	label string
	alone uuid.UUID
}

func (p past) concerns(s *config.Snapshot) bool {
	if p.alone != uuid.Nil {
		return s.Tenant().ID == p.alone
	}
	return Change{Label: p.label}.Concerns(s)
}

// history has the last changes that were heard of, by their number. A load remembers the number at which it began, so
// that afterwards it is known what it may lack. Which labels are on its path shows only then. That the path may have
// been another one before does no harm: the label of who has moved is on both.
type history struct {
	n       uint64
	changes [1024]past
}

func (h *history) add(p past) {
	h.n++
	h.changes[h.n%uint64(len(h.changes))] = p
}

// missed tells whether a change with a number above from and up to to concerns a snapshot. If it cannot know it says
// so.
func (h *history) missed(s *config.Snapshot, from, to uint64) bool {
	if to <= from {
		return false
	}
	if h.n-from > uint64(len(h.changes)) {
		return true
	}
	for n := from + 1; n <= to; n++ {
		if h.changes[n%uint64(len(h.changes))].concerns(s) {
			return true
		}
	}
	return false
}

func (c *Cache) number() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.history.n
}

func (c *Cache) missed(s *config.Snapshot, from, to uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.history.missed(s, from, to)
}

// index has the tenants with a snapshot in whose path a label is. It has others too, that are not kept any more, until
// it is made anew.
type index struct {
	tenants map[string]map[uuid.UUID]struct{}
	added   int // since it was made
}

func (x *index) add(tenant uuid.UUID, labels []string) {
	x.added++
	for _, label := range labels {
		if x.tenants[label] == nil {
			x.tenants[label] = make(map[uuid.UUID]struct{})
		}
		x.tenants[label][tenant] = struct{}{}
	}
}

func (x *index) clear() {
	clear(x.tenants)
	x.added = 0
}

// Invalidate forgets the config of the tenant with a label and of all beneath it, or of all tenants where it is empty.
// No call of Get that begins afterwards returns what was loaded before.
func (c *Cache) Invalidate(label string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.history.add(past{label: label})
	if label == "" {
		c.entries.InvalidateAll()
		c.index.clear()
		return
	}
	for tenant := range c.index.tenants[label] {
		c.entries.Invalidate(tenant)
	}
	delete(c.index.tenants, label)
}

// keep is called with the lock.
func (c *Cache) keep(tenant uuid.UUID, e *entry) {
	c.entries.Set(tenant, e)
	c.index.add(tenant, e.snapshot.Labels())
	c.sweep()
}

// keepSpare keeps what was loaded while nothing was trusted. Flights that have begun before count no more: they may
// bring an older state than somebody has seen now.
func (c *Cache) keepSpare(tenant uuid.UUID, s *config.Snapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.history.add(past{alone: tenant})
	c.keep(tenant, &entry{snapshot: s, spare: true})
}

// sweepSlack keeps a small cache from being swept all the time.
const sweepSlack = 256

// sweep makes the index anew when it may have twice as many tenants as are kept.
func (c *Cache) sweep() {
	if c.index.added <= 2*c.entries.EstimatedSize()+sweepSlack {
		return
	}
	c.index.clear()
	for tenant, e := range c.entries.All() {
		c.index.add(tenant, e.snapshot.Labels())
	}
	c.index.added = 0
}
