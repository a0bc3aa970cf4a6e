package guard

import (
	"sync"

	"github.com/google/uuid"
)

// maxStanding bounds the memory of a standing, some 5 MB.
const maxStanding = 1 << 17

// standing remembers which tenants the server has found active in the epoch at hand, so that it need not look again
// while the epoch lasts. It is no authority: the server compares the epoch with each statement, and what is remembered
// wrongly costs a second look. That goes for the status alone: nobody compares where the tenant's data is, so a tenant
// that was found in a schema of its own has no short way into the shared tables beside it.
type standing struct {
	mu     sync.RWMutex
	epoch  int64
	active map[uuid.UUID]bool // true for those with a schema of their own
}

// in returns the epoch in which the tenant was found active: in its own schema, or in the shared tables.
func (s *standing) in(tenant uuid.UUID, ownSchema bool) (epoch int64, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	own, ok := s.active[tenant]
	return s.epoch, ok && own == ownSchema
}

// put remembers the tenant. An epoch other than the one at hand takes its place with nothing in it yet. So does a map
// that is full: to find out again is cheap.
func (s *standing) put(tenant uuid.UUID, ownSchema bool, epoch int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active == nil || s.epoch != epoch || len(s.active) >= maxStanding {
		s.epoch, s.active = epoch, make(map[uuid.UUID]bool)
	}
	s.active[tenant] = ownSchema
}

// drop forgets the tenant, and reports whether it was known.
func (s *standing) drop(tenant uuid.UUID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.active[tenant]
	delete(s.active, tenant)
	return known
}
