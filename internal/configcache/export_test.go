package configcache

import (
	"context"
	"time"
)

// Trust is what a look at the database brings.
func (c *Cache) Trust() { c.trust(c.now()) }

// Size returns how many bytes are kept, and for how many tenants the index has a label.
func (c *Cache) Size() (bytes uint64, indexed int) {
	c.entries.CleanUp()
	c.mu.Lock()
	defer c.mu.Unlock()
	tenants := map[any]bool{}
	for _, set := range c.index.tenants {
		for tenant := range set {
			tenants[tenant] = true
		}
	}
	return c.entries.WeightedSize(), len(tenants)
}

// Loading tells whether somebody loads.
func (c *Cache) Loading() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.flights) > 0
}

// History is how many changes are remembered.
var History = len(history{}.changes)

// MaxPending is how many changes wait for a subscriber.
const MaxPending = maxPending

// ParseChange is parseChange.
var ParseChange = parseChange

// ClockResolution is how late the clock may be.
const ClockResolution time.Duration = clockResolution

// Looker asks a database what has changed, from one call to the next.
type Looker struct {
	Read  Reader
	since mark
}

// Look returns what has changed since the last call, and whether there is no telling.
func (l *Looker) Look(ctx context.Context) ([]Change, bool, error) {
	found, err := ask(ctx, l.Read, l.since)
	if err == nil {
		l.since = found.mark
	}
	return found.changes, found.lost, err
}

// At has the next look go back to the moment that another looker is at.
func (l *Looker) At(other *Looker) { l.since = other.since }

// Elsewhere has the looker believe that it was at another server.
func (l *Looker) Elsewhere() { l.since.source += "x" }
