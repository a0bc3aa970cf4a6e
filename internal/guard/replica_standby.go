package guard

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Standby is what is known of the server of a replica, the same for all databases on it.
type Standby struct {
	// replayed is how far it was seen to have come: what was committed before that, it shows.
	replayed atomic.Uint64
	asked    atomic.Int64 // when it was asked last, in Unix nanoseconds

	mu       sync.Mutex
	failures int
	until    time.Time // nobody tries before
}

// How long a server that has failed is left alone: twice as long each time, up to the second.
const (
	firstBackoff = 250 * time.Millisecond
	lastBackoff  = 30 * time.Second
)

// askInterval is how long after a question another one is not worth it: the read goes to the primary.
const askInterval = 5 * time.Millisecond

// mayTry reports whether the server is to be tried. Of those who come when a failed one has been left alone for long
// enough, the first one tries.
func (s *Standby) mayTry(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.failures == 0:
		return true
	case now.Before(s.until):
		return false
	}
	s.failures++ // until it succeeds
	s.until = now.Add(s.backoff())
	return true
}

func (s *Standby) backoff() time.Duration {
	return min(firstBackoff<<min(s.failures-1, 10), lastBackoff) //nolint:mnd // more is beyond lastBackoff
}

// fail leaves the server alone for a while. Several that fail at once count as one.
func (s *Standby) fail(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures > 0 && now.Before(s.until) {
		return
	}
	s.failures++
	s.until = now.Add(s.backoff())
}

// succeed forgets failures.
func (s *Standby) succeed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = 0
}

// mayAsk reports whether it is time for another question, and counts it as asked.
func (s *Standby) mayAsk() bool {
	last, now := s.asked.Load(), time.Now().UnixNano()
	return now-last >= int64(askInterval) && s.asked.CompareAndSwap(last, now)
}

// ask has the server say how far it has come.
func (s *Standby) ask(ctx context.Context, on *session) {
	const question = `SELECT CASE WHEN pg_catalog.pg_is_in_recovery() ` +
		`THEN pg_catalog.pg_last_wal_replay_lsn()::pg_catalog.text END`
	values, err := on.ask(ctx, question)
	switch {
	case err == nil && values[0] != nil:
		s.tell(values[0])
		s.succeed()
	case ctx.Err() == nil:
		s.fail(time.Now())
	}
}

// tell notes what the server says of itself. The last word counts, and not the highest: a server may have been put
// back.
func (s *Standby) tell(replayed []byte) {
	if lsn, err := parseLSN(replayed); err == nil {
		s.replayed.Store(lsn)
	}
}

var errLSN = errors.New("stratum: the server's position in its log cannot be read")

// parseLSN reads a pg_lsn.
func parseLSN(text []byte) (uint64, error) {
	high, low, ok := strings.Cut(string(text), "/")
	if !ok {
		return 0, errLSN
	}
	h, err := strconv.ParseUint(high, 16, 32)
	if err != nil {
		return 0, errLSN
	}
	l, err := strconv.ParseUint(low, 16, 32)
	if err != nil {
		return 0, errLSN
	}
	return h<<32 | l, nil
}
