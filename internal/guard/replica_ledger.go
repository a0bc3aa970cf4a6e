package guard

import (
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
)

// maxMarks bounds the memory of a ledger, some 4 MB.
const maxMarks = 1 << 16

// samplesPerLag is how many positions of the primary are known of the last MaxLag.
const samplesPerLag = 4

// ledger remembers who has written to a database, and how far the primary had come then. For most writes the position
// is not known; the next read that needs it asks, and the answer holds for all who had written until then.
type ledger struct {
	mu      sync.Mutex
	clock   uint64 // counts writes
	marks   map[uuid.UUID]mark
	all     mark // what everybody must see
	sampled mark // all writes until its clock are before its position
	samples [samplesPerLag + 1]sample
	newest  int       // of samples
	claimed time.Time // when somebody went to ask
}

// mark is a write: the position may be 0, for not known.
type mark struct{ clock, lsn uint64 }

// sample is the position of the primary at a time, or later.
type sample struct {
	at  time.Time
	lsn uint64
}

// note remembers a write that has ended just now.
func (l *ledger) note(writer uuid.UUID, lsn uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.marks == nil || len(l.marks) >= maxMarks {
		// Nothing is forgotten: from now on it is everybody's.
		l.marks = make(map[uuid.UUID]mark)
		l.all = mark{clock: l.clock}
	}
	l.clock++
	l.marks[writer] = mark{l.clock, lsn}
}

// noteAll remembers that anybody may have written until now.
func (l *ledger) noteAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock++
	l.all = mark{clock: l.clock}
}

// need returns the position that reads of the writer must see, and whether it is known.
func (l *ledger) need(writer uuid.UUID) (lsn uint64, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	own, known := l.marks[writer]
	if !l.resolve(&l.all) || known && !l.resolve(&own) {
		return 0, false
	}
	if known {
		l.marks[writer] = own
	}
	return max(l.all.lsn, own.lsn), true
}

// resolve fills in the position of a write, if it is known. The lock is held.
func (l *ledger) resolve(m *mark) bool {
	if m.lsn == 0 && m.clock > 0 {
		if m.clock > l.sampled.clock {
			return false
		}
		m.lsn = l.sampled.lsn
	}
	return true
}

// now returns the clock, to be given to learn with what the primary says after.
func (l *ledger) now() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clock
}

// learn notes the position that the primary had after all writes until clock, and after a time.
func (l *ledger) learn(clock uint64, at time.Time, lsn uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if clock > l.sampled.clock {
		l.sampled = mark{clock, lsn}
	}
	if at.After(l.samples[l.newest].at) {
		l.newest = (l.newest + 1) % len(l.samples)
		l.samples[l.newest] = sample{at, lsn}
	}
}

// due reports to one caller that the newest sample is older than an interval.
func (l *ledger) due(now time.Time, interval time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.samples[l.newest].at) < interval || now.Sub(l.claimed) < interval {
		return false
	}
	l.claimed = now
	return true
}

// since returns the earliest position that is known of the time after t: who has it has all that was written until t.
func (l *ledger) since(t time.Time) (lsn uint64, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var oldest sample
	for _, s := range l.samples {
		if s.at.After(t) && (oldest.at.IsZero() || s.at.Before(oldest.at)) {
			oldest = s
		}
	}
	return oldest.lsn, !oldest.at.IsZero()
}

// wroteSQL asks behind a statement whether it has written: only what writes has a transaction id.
const wroteSQL = `SELECT pg_catalog.pg_current_xact_id_if_assigned() IS NOT NULL`

// wrote notes that a statement has ended which may have written. Its error may be nil.
func (e *entry) wrote(err error) {
	if e.replica == nil && e.replicas.on() && !rolledBack(err) {
		e.replicas.ledger.note(e.writer, 0)
	}
}

// rolledBack reports an error after which nothing is written. Where the connection broke, something may be.
func rolledBack(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.SeverityUnlocalized == "ERROR"
}
