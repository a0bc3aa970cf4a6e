package copies_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/copies"
)

// lagOf is the lag of one table.
func lagOf(t *testing.T, source, target place, name string) copies.TableLag {
	t.Helper()
	for _, l := range lags(t, source, target) {
		if l.Name == name {
			return l
		}
	}
	require.Fail(t, "not reported", name)
	return copies.TableLag{}
}

func TestLag(t *testing.T) {
	t.Parallel()
	source, target := newShop(t)
	require.True(t, lagOf(t, source, target, "regions").Never)
	source.exec(t, fillShop)
	refreshed(t, source, target, shop())
	for _, l := range lags(t, source, target) {
		require.True(t, l.Current(), l.Name)
		require.Zero(t, l.Age)
		require.WithinDuration(t, time.Now(), l.RefreshedAt, time.Minute)
	}
	require.Equal(t, int64(2), lagOf(t, source, target, "regions").Rows)

	source.exec(t, "INSERT INTO regions VALUES (40, 'a', 1)")
	source.exec(t, "INSERT INTO regions VALUES (41, 'b', 1); INSERT INTO regions VALUES (42, 'c', 1)")
	lag := lagOf(t, source, target, "regions")
	require.Equal(t, int64(2), lag.Changes, "transactions")
	require.Positive(t, lag.Age)
	require.Less(t, lag.Age, time.Minute)
	require.False(t, lag.Current())
	require.True(t, lagOf(t, source, target, "units").Current())
	require.Greater(t, lagOf(t, source, target, "regions").Age, lag.Age, "it grows")

	refreshed(t, source, target, shop())
	require.True(t, lagOf(t, source, target, "regions").Current())
	require.Zero(t, lagOf(t, source, target, "regions").Age)

	source.exec(t, "ALTER TABLE units ADD COLUMN more int")
	require.True(t, lagOf(t, source, target, "units").Never, "its columns have changed")
}

// TestPrune: what is removed is missed by nobody, and a copy that would need it is found behind.
func TestPrune(t *testing.T) {
	t.Parallel()
	source, target := newShop(t)
	late := newPlace(t, shopDDL)
	source.exec(t, fillShop)
	refreshed(t, source, late, shop())
	source.exec(t, moreShop)
	const changes = "SELECT count(*) FROM stratum.copy_changes"
	before := value[int](t, source, changes)
	snapshot := refreshed(t, source, target, shop()).Snapshot

	removed, err := copies.Prune(t.Context(), source.connect(t), nil)
	require.NoError(t, err)
	require.Zero(t, removed, "nobody is known to have anything")
	// The server's other transactions hold the oldest one up.
	require.Eventually(t, func() bool {
		removed, err := copies.Prune(t.Context(), source.connect(t), []string{snapshot})
		require.NoError(t, err)
		if removed == 0 {
			snapshot = "1000000000:1000000000:"
		}
		return value[int](t, source, changes) == 0
	}, settleTimeout, 50*time.Millisecond)
	require.Positive(t, before)

	require.Positive(t, lagOf(t, source, late, "regions").Changes)
	refreshed(t, source, late, shop())
	require.Equal(t, source.content(t), late.content(t))
	isCurrent(t, source, late)
	refreshed(t, source, target, shop())
	source.exec(t, "INSERT INTO regions VALUES (60, 'z', 1)")
	require.Equal(t, int64(1), lagOf(t, source, target, "regions").Changes)
}

// TestRestoredSource: a marker of another line of the source's history says nothing.
func TestRestoredSource(t *testing.T) {
	t.Parallel()
	source, target := newShop(t)
	source.exec(t, fillShop)
	refreshed(t, source, target, shop())
	target.exec(t, "UPDATE stratum.copies SET source = 'another'; UPDATE regions SET name = 'lost' WHERE id = 2")
	require.True(t, lagOf(t, source, target, "regions").Never)
	refreshed(t, source, target, shop())
	require.Equal(t, source.content(t), target.content(t))
}

// TestRestoredDump: changes that came with a dump have ids of another server, from its future here.
func TestRestoredDump(t *testing.T) {
	t.Parallel()
	source, target := newShop(t)
	source.exec(t, fillShop)
	source.exec(t, `INSERT INTO stratum.copy_changes VALUES ('public', 'regions', '4000000000');
		INSERT INTO stratum.copy_horizon VALUES (true, '4000000000', 'another')`)
	refreshed(t, source, target, shop())
	isCurrent(t, source, target)
	require.False(t, refreshed(t, source, target, shop()).Changed())
}

func TestLagBeforeMigrate(t *testing.T) {
	t.Parallel()
	source, target := newShop(t)
	run(t, target.AdminDSN, "DROP TABLE stratum.copies")
	_, err := copies.Lag(t.Context(), source.connect(t), copies.Target{Conn: target.connect(t)}, shop())
	require.ErrorIs(t, err, copies.ErrNotInstalled)
	_, err = refresh(t, source, target, shop())
	require.ErrorIs(t, err, copies.ErrNotInstalled)
	run(t, source.AdminDSN, "DROP TABLE stratum.copy_changes CASCADE")
	_, err = refresh(t, source, source, shop())
	require.ErrorIs(t, err, copies.ErrNotInstalled)
}
