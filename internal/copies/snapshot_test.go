package copies_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/stratum-hq/stratum-go/internal/copies"
)

func TestSnapshotSees(t *testing.T) {
	t.Parallel()
	for xid, want := range map[uint64]bool{9: true, 10: false, 11: true, 12: false, 15: true, 20: false, 21: false} {
		require.Equal(t, want, copies.Sees(t, "10:20:10,12", xid), xid)
	}
}

// TestSnapshotCovers is the definition: no transaction that the other sees is missing.
func TestSnapshotCovers(t *testing.T) {
	t.Parallel()
	require.True(t, copies.Covers(t, "10:20:10,12", "10:20:10,12"))
	require.True(t, copies.Covers(t, "12:20:12", "10:20:10,12"))
	require.True(t, copies.Covers(t, "10:25:10,21", "10:20:10,12"))
	require.False(t, copies.Covers(t, "10:20:10,12", "12:20:12"))
	require.False(t, copies.Covers(t, "10:20:10", "10:21:10"))
}

func TestSnapshotIsRead(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "1", "1:2", "1:2:x", "1:2:3:4", "-1:2:"} {
		require.Error(t, copies.ParseSnapshot(text), text)
	}
	require.NoError(t, copies.ParseSnapshot("1:2:"))
}

// TestWiden: an id of 32 bits is that of the nearest transaction.
func TestWiden(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		near := rapid.Uint64Range(1<<31, 1<<40).Draw(rt, "near")
		distance := rapid.Int64Range(-1<<31+1, 1<<31-1).Draw(rt, "distance")
		xid := uint64(int64(near) + distance)
		require.Equal(rt, xid, copies.Widen(uint32(xid), near))
	})
	require.Equal(t, uint64(5), copies.Widen(5, 3), "the first epoch has none before it")
}
