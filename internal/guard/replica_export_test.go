package guard

import (
	"time"

	"github.com/google/uuid"
)

// MaxMarks is the most writers that a ledger keeps apart.
const MaxMarks = maxMarks

// Ledger is what remembers writes, without a database.
type Ledger struct{ ledger ledger }

// Note remembers a write, whose position may be 0 for not known.
func (l *Ledger) Note(writer uuid.UUID, lsn uint64) { l.ledger.note(writer, lsn) }

// NoteAll remembers that anybody may have written.
func (l *Ledger) NoteAll() { l.ledger.noteAll() }

// Need returns what reads of the writer must see.
func (l *Ledger) Need(writer uuid.UUID) (lsn uint64, known bool) { return l.ledger.need(writer) }

// Now is taken before the primary is asked, and Learn told its answer.
func (l *Ledger) Now() uint64 { return l.ledger.now() }

// Learn notes the position of the primary.
func (l *Ledger) Learn(clock uint64, at time.Time, lsn uint64) { l.ledger.learn(clock, at, lsn) }

// Since returns the earliest known position after t.
func (l *Ledger) Since(t time.Time) (lsn uint64, known bool) { return l.ledger.since(t) }

// Due reports that it is time to ask the primary.
func (l *Ledger) Due(now time.Time, interval time.Duration) bool { return l.ledger.due(now, interval) }

// Marks is how many writers are kept apart.
func (l *Ledger) Marks() int { return len(l.ledger.marks) }

// MayTry, Fail and Succeed are those of a server.
func (s *Standby) MayTry(now time.Time) bool { return s.mayTry(now) }

// Fail tells of a failure.
func (s *Standby) Fail(now time.Time) { s.fail(now) }

// Succeed tells of a success.
func (s *Standby) Succeed() { s.succeed() }

// ParseLSN reads a position.
func ParseLSN(text string) (uint64, error) { return parseLSN([]byte(text)) }
