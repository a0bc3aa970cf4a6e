package copies

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Widen is widen, for tests.
func Widen(xid uint32, near uint64) uint64 { return widen(xid, near) }

// ParseSnapshot is parseSnapshot's error, for tests.
func ParseSnapshot(text string) error {
	_, err := parseSnapshot(text)
	return err
}

// Sees tells whether a snapshot sees a transaction.
func Sees(t *testing.T, text string, xid uint64) bool {
	t.Helper()
	s, err := parseSnapshot(text)
	require.NoError(t, err)
	return s.sees(xid)
}

// Covers tells whether a snapshot covers another.
func Covers(t *testing.T, text, other string) bool {
	t.Helper()
	a, err := parseSnapshot(text)
	require.NoError(t, err)
	b, err := parseSnapshot(other)
	require.NoError(t, err)
	return a.covers(b)
}
