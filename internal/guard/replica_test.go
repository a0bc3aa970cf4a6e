package guard_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/stratum-hq/stratum-go/internal/guard"
)

// Whatever is written and asked in between, a reader must see all that its tenant has written, and the primary need not
// be asked again once it was asked after the last write.
func TestLedger(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var (
			ledger   guard.Ledger
			position uint64 = 1
			written         = map[uuid.UUID]uint64{}
			asking   []question
			writers  = []uuid.UUID{{}, {1}, {2}}
		)
		began := time.Now()
		write := func(t *rapid.T) {
			position++
			who := rapid.SampledFrom(writers).Draw(t, "writer")
			written[who] = position
			lsn := position
			if rapid.Bool().Draw(t, "unknown") {
				lsn = 0
			}
			ledger.Note(who, lsn)
		}
		t.Repeat(map[string]func(*rapid.T){
			"write":  write,
			"others": func(*rapid.T) { position++ },
			"everybody": func(*rapid.T) {
				position++
				for _, who := range writers {
					written[who] = position
				}
				ledger.NoteAll()
			},
			"ask": func(*rapid.T) { asking = append(asking, question{ledger.Now(), position}) },
			"answer": func(t *rapid.T) {
				if len(asking) == 0 {
					t.Skip("nobody has asked")
				}
				i := rapid.IntRange(0, len(asking)-1).Draw(t, "which")
				ledger.Learn(asking[i].clock, began, asking[i].lsn)
				asking = append(asking[:i], asking[i+1:]...)
			},
			"read": func(t *rapid.T) {
				who := rapid.SampledFrom(writers).Draw(t, "reader")
				if need, known := ledger.Need(who); known && need < written[who] {
					t.Fatalf("%d would do for a write at %d", need, written[who])
				}
			},
			"ask and read": func(t *rapid.T) {
				ledger.Learn(ledger.Now(), began, position)
				for _, who := range writers {
					need, known := ledger.Need(who)
					if !known || need > position {
						t.Fatalf("%d, known %v, at %d", need, known, position)
					}
				}
			},
		})
	})
}

// question is one to the primary: when it was asked, and what it will say.
type question struct{ clock, lsn uint64 }

// A ledger that is full forgets nothing, and stays small.
func TestLedgerIsBounded(t *testing.T) {
	t.Parallel()
	var ledger guard.Ledger
	first := uuid.New()
	ledger.Note(first, 7)
	for range 2*guard.MaxMarks + 1 {
		ledger.Note(uuid.New(), 7)
	}
	require.LessOrEqual(t, ledger.Marks(), guard.MaxMarks)
	_, known := ledger.Need(first)
	require.False(t, known)
	ledger.Learn(ledger.Now(), time.Now(), 9)
	need, known := ledger.Need(first)
	require.True(t, known)
	require.EqualValues(t, 9, need)
}

func TestLedgerOfPositions(t *testing.T) {
	t.Parallel()
	var ledger guard.Ledger
	began := time.Now()
	at := func(n int) time.Time { return began.Add(time.Duration(n) * time.Second) }
	_, known := ledger.Since(at(0))
	require.False(t, known)
	require.True(t, ledger.Due(at(0), time.Second))
	require.False(t, ledger.Due(at(0), time.Second), "one asks")
	for n := 1; n <= 10; n++ {
		ledger.Learn(ledger.Now(), at(n), uint64(n))
	}
	ledger.Learn(ledger.Now(), at(3), 3)
	lsn, known := ledger.Since(at(7))
	require.True(t, known)
	require.EqualValues(t, 8, lsn)
	_, known = ledger.Since(at(10))
	require.False(t, known)
	require.False(t, ledger.Due(at(10), time.Second))
	require.True(t, ledger.Due(at(11), time.Second))
}

// A server that has failed is tried by one at a time, less and less often.
func TestStandbyBackoff(t *testing.T) {
	t.Parallel()
	var s guard.Standby
	now := time.Now()
	require.True(t, s.MayTry(now))
	s.Fail(now)
	s.Fail(now)
	var waits []time.Duration
	for range 10 {
		began := now
		for !s.MayTry(now) {
			now = now.Add(time.Millisecond)
		}
		require.False(t, s.MayTry(now), "one tries")
		s.Fail(now)
		waits = append(waits, now.Sub(began))
	}
	require.Equal(t, 250*time.Millisecond, waits[0])
	require.Equal(t, 500*time.Millisecond, waits[1])
	require.Equal(t, 30*time.Second, waits[9])
	s.Succeed()
	require.True(t, s.MayTry(now))
	require.True(t, s.MayTry(now))
}

func TestParseLSN(t *testing.T) {
	t.Parallel()
	lsn, err := guard.ParseLSN("16/B374D848")
	require.NoError(t, err)
	require.EqualValues(t, 0x16B374D848, lsn)
	for _, text := range []string{"", "/", "1", "1/", "/1", "g/1", "1/g", "1/123456789", "-1/1", "1/2/3"} {
		_, err := guard.ParseLSN(text)
		require.Error(t, err, text)
	}
}
