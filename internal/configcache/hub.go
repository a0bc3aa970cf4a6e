package configcache

import "sync"

// maxPending is how many changes wait for a subscriber one by one. More become one: everything.
const maxPending = 1024

// Hub passes changes on to whoever has subscribed. The zero Hub is ready.
type Hub struct {
	mu   sync.Mutex
	subs map[*Subscription]struct{}
	done chan struct{} // closed by Close
	shut bool
}

// Subscription collects changes until they are taken. The same change is in it once, however often it was told.
type Subscription struct {
	hub     *Hub
	wake    chan struct{}
	pending map[Change]struct{}
	order   []Change
}

// Subscribe begins to collect. What was before is everything, and waits already. Cancel must be called.
func (h *Hub) Subscribe() *Subscription {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &Subscription{hub: h, wake: make(chan struct{}, 1), pending: make(map[Change]struct{})}
	if h.subs == nil {
		h.subs = make(map[*Subscription]struct{})
	}
	h.subs[s] = struct{}{}
	s.add(Change{})
	return s
}

// Done is closed when there will be no more changes.
func (h *Hub) Done() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ended()
}

func (h *Hub) ended() chan struct{} {
	if h.done == nil {
		h.done = make(chan struct{})
	}
	return h.done
}

// Close ends Done.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.shut {
		h.shut = true
		close(h.ended())
	}
}

// Tell gives a change to all who have subscribed. It waits for nobody.
func (h *Hub) Tell(c Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		s.add(c)
	}
}

// add is called with the hub's lock.
func (s *Subscription) add(c Change) {
	if len(s.order) >= maxPending {
		c = Change{}
	}
	if c == (Change{}) {
		clear(s.pending)
		s.order = s.order[:0]
	}
	if _, told := s.pending[c]; !told {
		s.pending[c] = struct{}{}
		s.order = append(s.order, c)
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Wake receives when there is something to take.
func (s *Subscription) Wake() <-chan struct{} { return s.wake }

// Take returns what has been collected since the last call, in the order in which it was told first.
func (s *Subscription) Take() []Change {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	taken := s.order
	s.order = nil
	clear(s.pending)
	return taken
}

// Cancel ends the subscription.
func (s *Subscription) Cancel() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	delete(s.hub.subs, s)
}
