package guard

import "time"

// PoolStats tells of one Pool.
type PoolStats struct {
	Open  int // connections: being dialled, idle, lent, or closed but not yet gone from the server
	InUse int // borrowers who have a connection, or have a lease and are about to
	Idle  int // connections that are lent to nobody

	Wakes     int64         // times that the pool was without connections, and then used
	Dials     int64         // connections made since the beginning; with a Budget, all that were tried
	Closes    int64         // of those, the ones that are gone
	Evictions int64         // of those, the ones that made room for another pool
	Waits     int64         // borrowers who had to wait for room in the pool or in the Budget
	WaitTime  time.Duration // what they waited, all together
	LastUsed  time.Time     // when a connection was given back last; zero if none was
}

// Stats returns the figures of now.
func (p *Pool) Stats() PoolStats {
	b := p.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	stats := PoolStats{
		Open: len(p.sockets), InUse: p.leased, Idle: p.idle(),
		Wakes: p.wakes, Dials: p.dials.Load(), Closes: p.closes.Load(), Evictions: p.evictions,
		Waits: p.waits, WaitTime: p.waited, LastUsed: p.lastUsed,
	}
	if !p.counted() {
		stats.Open = int(stats.Dials - stats.Closes)
		stats.Idle = max(stats.Open-stats.InUse, 0)
	}
	return stats
}

// BudgetStats tells of all pools that share a Budget.
type BudgetStats struct {
	Max       int   // connections that there may be
	Open      int   // connections that there are, see PoolStats
	Peak      int   // the most that there ever were
	Closing   int   // of the open ones, those that are closed but not yet gone from the server
	Leased    int   // borrowers who have a connection, or are about to
	Waiting   int   // borrowers who wait for room in their pool or for a lease
	Dialling  int   // of those with a lease, the ones who wait for another connection to be closed
	Pools     int   // pools that are not asleep
	Evictions int64 // connections that made room
}

// Stats returns the figures of now.
func (b *Budget) Stats() BudgetStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return BudgetStats{
		Max: b.max, Open: b.open, Peak: b.peak, Closing: b.closing, Leased: b.leased, Waiting: b.waiting,
		Dialling: b.dialers.Len(), Pools: len(b.pools), Evictions: b.evictions,
	}
}
