package attack

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

func TestOutcome_judge(t *testing.T) {
	t.Parallel()
	own, other := uuid.New(), uuid.New()
	errExpected, errElse := errors.New("stratum: no (do this)"), errors.New("column does not exist")
	state := fmt.Errorf("exec: %w", &pgconn.PgError{Code: "2D000", Severity: "ERROR", Message: "no"})
	for name, test := range map[string]struct {
		want Outcome
		got  evidence
		kind kind
		text string
	}{
		"refused":                 {Refused(errExpected), evidence{err: errExpected}, held, "refused: stratum: no"},
		"refused with a state":    {RefusedWith("2D000"), evidence{err: state}, held, "refused: exec: ERROR: no"},
		"another state":           {RefusedWith("42501"), evidence{err: state}, unexpected, "UNEXPECTED: exec: ERROR: no (SQLSTATE 2D000)"},
		"another error":           {Refused(errExpected), evidence{err: errElse}, unexpected, "UNEXPECTED: column does not exist"},
		"an error for nothing":    {Nothing(), evidence{err: errElse}, unexpected, "UNEXPECTED: column does not exist"},
		"not refused":             {Refused(errExpected), evidence{}, leaked, "LEAK: it was not refused"},
		"not refused by state":    {RefusedWith("42501"), evidence{}, leaked, "LEAK: it was not refused"},
		"nothing":                 {Nothing(), evidence{}, held, "nothing: 0 rows of others"},
		"rows of its own":         {OwnRows(), evidence{rows: Reached{own, own}}, held, "own rows only: 2, 0 of others"},
		"no rows of its own":      {OwnRows(), evidence{}, unexpected, "UNEXPECTED: not even rows of its own"},
		"rows of others":          {Nothing(), evidence{rows: Reached{own, other}}, leaked, "LEAK: 1 rows of others"},
		"rows of others, refused": {Refused(errExpected), evidence{rows: Reached{other}, err: errExpected}, leaked, "LEAK: 1 rows of others"},
		"changed":                 {Nothing(), evidence{changed: true}, leaked, "LEAK: rows have changed"},
		"changed though refused":  {Refused(errExpected), evidence{err: errExpected, changed: true}, leaked, "LEAK: rows have changed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.got.own = own
			v := test.want.judge(test.got)
			require.Equal(t, test.kind, v.kind)
			require.Equal(t, test.text, v.describe(false))
		})
	}
}

func TestTally(t *testing.T) {
	t.Parallel()
	var count tally
	require.Regexp(t, `^  1  one \.+ nothing$`, count.line("one", verdict{text: "nothing"}))
	count.line("two", verdict{kind: leaked})
	require.Equal(t, "2 attempts, 1 leaks", count.total())
	count.line("three", verdict{kind: unexpected})
	require.Equal(t, "3 attempts, 1 leaks, 1 failed for another reason than they should", count.total())
}
