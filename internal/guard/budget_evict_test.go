package guard_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/guard"
)

// TestEvictsTheLeastRecentlyUsed pool, which is not the one that was made first.
func TestEvictsTheLeastRecentlyUsed(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, 6, nil)
	for _, i := range []int{0, 1, 2, 0, 1, 0} {
		f.use(t, i) // 2, then 1, then 0
	}
	for _, step := range []struct {
		use  int
		left []int
	}{
		{3, []int{1, 1, 0, 1, 0, 0}},
		{4, []int{1, 0, 0, 1, 1, 0}},
		{0, []int{1, 0, 0, 1, 1, 0}},
		{5, []int{1, 0, 0, 0, 1, 1}},
		{2, []int{1, 0, 1, 0, 0, 1}},
	} {
		f.use(t, step.use)
		require.Equal(t, step.left, f.open(), "after the use of %d", step.use)
	}
	require.EqualValues(t, 4, f.budget.Stats().Evictions)
}

// TestEvictsWholePools before single connections of pools that are in use.
func TestEvictsWholePools(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 4, 3, nil)
	both := func(i int) (held []pgx.Tx) { return []pgx.Tx{f.begin(t, i), f.begin(t, i)} }
	busy := both(0)
	require.NoError(t, busy[0].Commit(t.Context())) // idle since before pool 1 was used, but its pool is in use
	for _, tx := range both(1) {
		require.NoError(t, tx.Commit(t.Context()))
	}
	f.use(t, 2)
	require.Eventually(t, func() bool { return f.budget.Stats().Closing == 0 }, waitFor, tick)
	require.Equal(t, []int{2, 0, 1}, f.open())
	require.NoError(t, busy[1].Commit(t.Context()))
}

// TestNeverEvictsAPoolInUse: its transaction stays, whatever the others need, and an idle connection beside it goes.
func TestNeverEvictsAPoolInUse(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, 5, nil)
	held := []pgx.Tx{f.begin(t, 0), f.begin(t, 0)}
	require.NoError(t, held[1].Rollback(t.Context()))
	_, err := held[0].Exec(t.Context(), "CREATE TEMP TABLE mine AS SELECT 7 AS n")
	require.NoError(t, err)
	others := []pgx.Tx{f.begin(t, 1), f.begin(t, 2)} // the last takes the place of the idle one
	require.Equal(t, []int{1, 1, 1, 0, 0}, f.open())
	for _, tx := range others {
		require.NoError(t, tx.Rollback(t.Context()))
	}
	for i := range 40 {
		f.use(t, 1+i%4)
	}
	var n int
	require.NoError(t, held[0].QueryRow(t.Context(), "SELECT n FROM mine").Scan(&n))
	require.Equal(t, 7, n)
	require.NoError(t, held[0].Commit(t.Context()))
	stats := f.pools[0].Stats()
	require.EqualValues(t, 1, stats.Evictions)
	require.EqualValues(t, 1, stats.Wakes)
	f.use(t, 0)
	require.EqualValues(t, 2, f.pools[0].Stats().Dials)
}

// closedPort is the DSN of a server that is not there.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it listens to nobody
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return "postgres://x@" + listener.Addr().String() + "/x?sslmode=disable"
}

// TestFailedDials give their tokens back, and cost the others no more than the room for one.
func TestFailedDials(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2, 2, nil)
	config := poolConfig(t, closedPort(t), 2)
	config.Budget = f.budget
	f.add(t, config)
	f.use(t, 0)
	f.use(t, 1)
	for range 30 {
		require.Error(t, f.pools[2].Ping(t.Context()))
	}
	require.EqualValues(t, 1, f.budget.Stats().Evictions)
	require.Equal(t, 1, f.budget.Stats().Pools, "the dead one sleeps")
	f.use(t, 0)
	f.use(t, 1)
	stats := f.budget.Stats()
	require.EqualValues(t, 1, stats.Evictions)
	require.Zero(t, stats.Leased)
}

// TestFailedChecks of new connections give the tokens back too.
func TestFailedChecks(t *testing.T) {
	t.Parallel()
	errCheck := errors.New("stratum: not this one")
	f := newFleet(t, 2, 2, func(i int, config *guard.PoolConfig) {
		if i == 0 {
			config.Check = func(context.Context, *pgx.Conn) error { return errCheck }
		}
	})
	for range 20 {
		require.ErrorIs(t, f.pools[0].Ping(t.Context()), errCheck)
	}
	f.use(t, 1)
	require.Eventually(t, func() bool { return f.pools[0].Stats().Open == 0 }, waitFor, tick)
	require.Equal(t, 1, f.budget.Stats().Open)
}

// orphaned makes a fleet, with a budget of one, whose pool 0 is dialling for a borrower that is gone. It is ready when
// the returned function is called.
func orphaned(t *testing.T) (f *fleet, finish func()) {
	t.Helper()
	checking, finished := make(chan struct{}), make(chan struct{})
	f = newFleet(t, 1, 2, func(i int, config *guard.PoolConfig) {
		if i == 0 {
			config.Check = func(ctx context.Context, _ *pgx.Conn) error {
				close(checking)
				select {
				case <-finished:
				case <-ctx.Done():
				}
				return nil
			}
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() { failed <- f.pools[0].Ping(ctx) }()
	<-checking
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	stats := f.budget.Stats()
	require.Zero(t, stats.Leased)
	require.Equal(t, 1, stats.Open)
	return f, func() { close(finished) }
}

// TestConnectionOfNobody makes room for the next borrower, who waits for it, having nothing else to evict.
func TestConnectionOfNobody(t *testing.T) {
	t.Parallel()
	f, finish := orphaned(t)
	used := make(chan error)
	go func() { used <- f.pools[1].Ping(t.Context()) }()
	require.Eventually(t, func() bool { return f.budget.Stats().Dialling == 1 }, waitFor, tick)
	finish()
	require.NoError(t, <-used)
	require.EqualValues(t, 1, f.pools[0].Stats().Evictions)
	require.Equal(t, []int{0, 1}, f.open())
}

// TestConnectionOfNobodyIsUsed by the next borrower of its pool, who does not dial another.
func TestConnectionOfNobodyIsUsed(t *testing.T) {
	t.Parallel()
	f, finish := orphaned(t)
	used := make(chan error)
	go func() { used <- f.pools[0].Ping(t.Context()) }()
	require.Eventually(t, func() bool { return f.budget.Stats().Leased == 1 }, waitFor, tick)
	finish()
	require.NoError(t, <-used)
	require.EqualValues(t, 1, f.pools[0].Stats().Dials)
}

// TestConnectionOfNobodyEndsWithItsPool, which does not wait for it.
func TestConnectionOfNobodyEndsWithItsPool(t *testing.T) {
	t.Parallel()
	f, _ := orphaned(t)
	require.NoError(t, f.pools[0].Close())
	f.use(t, 1)
}

// TestWhoWaitsForATokenMayLeave: what has not been dialled yet is not dialled for nobody.
func TestWhoWaitsForATokenMayLeave(t *testing.T) {
	t.Parallel()
	f, finish := orphaned(t)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { left <- f.pools[1].Ping(ctx) }()
	require.Eventually(t, func() bool { return f.budget.Stats().Dialling == 1 }, waitFor, tick)
	cancel()
	require.ErrorIs(t, <-left, context.Canceled)
	require.Eventually(t, func() bool { return f.budget.Stats().Dialling == 0 }, waitFor, tick)
	finish()
	f.use(t, 0)
	require.Zero(t, f.pools[1].Stats().Dials)
	require.Zero(t, f.budget.Stats().Evictions)
}

// TestCancelNeedsNoToken: the request to cancel a statement is dialled while the budget is used up by that statement.
func TestCancelNeedsNoToken(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1, 2, nil)
	tx := f.begin(t, 0)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := tx.Exec(ctx, "SELECT pg_sleep(60)")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Error(t, tx.Rollback(t.Context()))
	began := time.Now()
	f.use(t, 1)
	require.Less(t, time.Since(began), 5*time.Second)
}

// TestBrokenConnectionsAreReplaced without an error, so the probe sees through to the socket.
func TestBrokenConnectionsAreReplaced(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2, 1, nil)
	held := []pgx.Tx{f.begin(t, 0), f.begin(t, 0)}
	for _, tx := range held {
		require.NoError(t, tx.Commit(t.Context()))
	}
	conn, err := pgx.Connect(t.Context(), f.dsn)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1",
		f.of(0))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		var n int
		return conn.QueryRow(t.Context(), seen, f.name).Scan(&n) == nil && n == 0
	}, waitFor, tick)
	require.NoError(t, conn.Close(t.Context()))
	f.use(t, 0)
	require.Equal(t, int64(3), f.pools[0].Stats().Dials)
}

// TestServerThatSaysNothing fails its own borrowers, and takes the room of others no longer than that lasts.
func TestServerThatSaysNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1, 1, nil)
	silent := f.silence(t)
	tx := f.begin(t, 0)
	require.NoError(t, tx.Commit(t.Context()))
	require.Error(t, f.pools[silent].Ping(t.Context()))
	f.use(t, 0)
}

// silence adds a pool of a server that accepts connections and says nothing.
func (f *fleet) silence(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // the test closes it
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, listener.Close()) })
	go func() {
		for {
			nc, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = nc.Close() })
		}
	}()
	dsn := url.URL{
		Scheme: "postgres", User: url.User("x"), Host: listener.Addr().String(), Path: "x",
		RawQuery: "sslmode=disable&connect_timeout=1",
	}
	config := poolConfig(t, dsn.String(), 1)
	config.Budget = f.budget
	f.add(t, config)
	return len(f.pools) - 1
}
