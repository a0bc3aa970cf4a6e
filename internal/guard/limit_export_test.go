package guard

import (
	"context"

	"github.com/google/uuid"
)

// Limiter is what hands out turns, without a database.
type Limiter struct{ limiter limiter }

// Take waits for a turn.
func (l *Limiter) Take(ctx context.Context, tenant uuid.UUID, limit Limit) error {
	return l.limiter.take(ctx, tenant, limit)
}

// Leave ends a turn.
func (l *Limiter) Leave(tenant uuid.UUID) { l.limiter.leave(tenant) }

// Lines is how many tenants hold a turn or wait for one, and Waiting how many statements of one tenant wait.
func (l *Limiter) Lines() int { return l.limiter.size() }

// Waiting is how many statements of the tenant wait.
func (l *Limiter) Waiting(tenant uuid.UUID) int { return l.limiter.length(tenant) }

// Lines is how many tenants hold a turn or wait for one on the connector of raw.
func Lines(raw any) int { return raw.(*conn).connector.limiter.size() }

// Waiting is how many statements of the tenant wait on the connector of raw.
func Waiting(raw any, tenant uuid.UUID) int { return raw.(*conn).connector.limiter.length(tenant) }

func (l *limiter) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.lines)
}

func (l *limiter) length(tenant uuid.UUID) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := l.lines[tenant]; at != nil {
		return at.waiting.Len()
	}
	return 0
}
