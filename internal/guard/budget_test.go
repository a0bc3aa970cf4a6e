package guard_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/stratum-hq/stratum-go/internal/guard"
)

// TestBudgetOfOneServesMany databases in turn, and there is never more than the one connection, as the server sees it
// from that very connection.
func TestBudgetOfOneServesMany(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1, 3, nil)
	for i := range 60 {
		tx := f.begin(t, i%3)
		var n int
		var who string
		require.NoError(t, tx.QueryRow(t.Context(), seen, f.name).Scan(&n))
		require.Equal(t, 1, n)
		require.NoError(t, tx.QueryRow(t.Context(), "SELECT current_setting('application_name')").Scan(&who))
		require.Equal(t, f.of(i%3), who)
		require.NoError(t, tx.Commit(t.Context()))
	}
	require.EqualValues(t, 59, f.budget.Stats().Evictions)
}

// TestLeasesAreHandedOnInOrder of arrival.
func TestLeasesAreHandedOnInOrder(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1, 5, nil)
	first := f.begin(t, 0)
	var (
		mu    sync.Mutex
		order []int
		group errgroup.Group
	)
	for i := 1; i < 5; i++ {
		group.Go(func() error {
			tx, err := f.pools[i].BeginTx(t.Context(), pgx.TxOptions{})
			if err != nil {
				return err
			}
			mu.Lock()
			order = append(order, i)
			mu.Unlock()
			return tx.Commit(t.Context())
		})
		require.Eventually(t, func() bool { return f.budget.Stats().Waiting == i }, waitFor, tick)
	}
	require.NoError(t, first.Commit(t.Context()))
	require.NoError(t, group.Wait())
	require.Equal(t, []int{1, 2, 3, 4}, order)
	stats := f.pools[4].Stats()
	require.EqualValues(t, 1, stats.Waits)
	require.Positive(t, stats.WaitTime)
}

// TestWaitersForABusyDatabase do not take the places of those whose database is free.
func TestWaitersForABusyDatabase(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, 2, nil)
	held := []pgx.Tx{f.begin(t, 0), f.begin(t, 0)}
	var group errgroup.Group
	for range 10 {
		group.Go(func() error { return f.pools[0].Ping(t.Context()) })
	}
	require.Eventually(t, func() bool { return f.budget.Stats().Waiting == 10 }, waitFor, tick)
	f.use(t, 1)
	for _, tx := range held {
		require.NoError(t, tx.Commit(t.Context()))
	}
	require.NoError(t, group.Wait())
}

// TestCanceledWaiterLeaves the queue of the budget and that of the pool, and is passed over.
func TestCanceledWaiterLeaves(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2, 2, nil)
	held := []pgx.Tx{f.begin(t, 0), f.begin(t, 0)} // neither room in the pool nor a lease
	ctx, cancel := context.WithCancel(t.Context())
	var group errgroup.Group
	for i := range 10 {
		group.Go(func() error {
			err := f.pools[i%2].Ping(ctx)
			if !errors.Is(err, context.Canceled) {
				return errors.New("not canceled")
			}
			return nil
		})
	}
	require.Eventually(t, func() bool { return f.budget.Stats().Waiting == 10 }, waitFor, tick)
	cancel()
	require.NoError(t, group.Wait())
	require.Zero(t, f.budget.Stats().Waiting)
	for _, tx := range held {
		require.NoError(t, tx.Commit(t.Context()))
	}
	f.use(t, 0)
	f.use(t, 1)
	require.Zero(t, f.budget.Stats().Leased)
	require.ErrorIs(t, f.pools[0].Ping(ctx), context.Canceled)
}

// TestOneInnerPool under concurrent first use.
func TestOneInnerPool(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 64, 1, nil)
	start := make(chan struct{})
	var group errgroup.Group
	for range 64 {
		group.Go(func() error {
			<-start
			return f.pools[0].Ping(t.Context())
		})
	}
	close(start)
	require.NoError(t, group.Wait())
	stats := f.pools[0].Stats()
	require.EqualValues(t, 1, stats.Wakes)
	require.LessOrEqual(t, stats.Dials, int64(2))
	require.Equal(t, int(stats.Dials), stats.Idle)
}

// TestBudgetBoundsAPool whose own bound is larger.
func TestBudgetBoundsAPool(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, 1, func(_ int, config *guard.PoolConfig) {
		config.Pool.MaxConns, config.Pool.MinConns, config.Pool.MinIdleConns = 50, 20, 20
	})
	most := f.watch(t)
	var group errgroup.Group
	for range 30 {
		group.Go(func() error {
			return f.pools[0].Batch(t.Context(), batchOf("SELECT pg_sleep(0.005)"))
		})
	}
	require.NoError(t, group.Wait())
	require.Equal(t, 3, most())
	require.Equal(t, 3, f.budget.Stats().Peak)
}

// TestPoolOfNone would have its borrowers wait for ever.
func TestPoolOfNone(t *testing.T) {
	t.Parallel()
	config := poolConfig(t, "postgres://x@127.0.0.1/x", 0)
	for _, config.Budget = range []*guard.Budget{nil, guard.NewBudget(0)} {
		_, err := guard.NewPool(t.Context(), config)
		require.ErrorIs(t, err, guard.ErrConfig)
	}
	require.Equal(t, 1, guard.NewBudget(0).Stats().Max)
}

func batchOf(sql string) *pgx.Batch {
	b := new(pgx.Batch)
	b.Queue(sql)
	return b
}

// TestCloseSendsWaitersAway, and leaves the budget to others at once when those who hold connections end.
func TestCloseSendsWaitersAway(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2, 2, nil)
	held := []pgx.Tx{f.begin(t, 0), f.begin(t, 0)}
	refused := make(chan error)
	for range 5 {
		go func() { refused <- f.pools[0].Ping(t.Context()) }()
	}
	var other errgroup.Group
	other.Go(func() error { return f.pools[1].Ping(t.Context()) })
	require.Eventually(t, func() bool { return f.budget.Stats().Waiting == 6 }, waitFor, tick)
	closed := make(chan error)
	go func() { closed <- f.pools[0].Close() }()
	for range 5 {
		require.ErrorIs(t, <-refused, guard.ErrClosed)
	}
	require.ErrorIs(t, <-closed, guard.ErrInUse)
	require.ErrorIs(t, f.pools[0].Ping(t.Context()), guard.ErrClosed)
	for _, tx := range held {
		require.NoError(t, tx.Rollback(t.Context()))
	}
	require.NoError(t, other.Wait())
	require.NoError(t, f.pools[0].Close())
}

// TestClosedWhileBorrowing opens nothing that nobody would close.
func TestClosedWhileBorrowing(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2, 1, nil)
	require.ErrorIs(t, guard.Overtaken(t.Context(), f.pools[0]), guard.ErrClosed)
}

// TestBeforeConnect may change what a connection is made with, each time, and its error is the borrower's.
func TestBeforeConnect(t *testing.T) {
	t.Parallel()
	var names []string
	f := newFleet(t, 1, 1, func(_ int, config *guard.PoolConfig) {
		config.BeforeConnect = func(_ context.Context, cc *pgx.ConnConfig) error {
			if len(names) == 0 {
				return errors.New("stratum: no password today")
			}
			cc.RuntimeParams["application_name"] = names[0]
			return nil
		}
	})
	require.ErrorContains(t, f.pools[0].Ping(t.Context()), "no password today")
	for _, name := range []string{"yesterday", "today"} {
		names = []string{name}
		tx := f.begin(t, 0)
		var found string
		require.NoError(t, tx.QueryRow(t.Context(), "SELECT current_setting('application_name')").Scan(&found))
		require.Equal(t, name, found)
		require.NoError(t, tx.Rollback(t.Context()))
		require.NoError(t, guard.Abandon(t.Context(), f.pools[0]))
	}
}

// TestPoolSleeps when it has been idle for long enough, never while it is in use, and wakes again.
func TestPoolSleeps(t *testing.T) {
	t.Parallel()
	for _, shared := range []bool{true, false} {
		f := newFleet(t, 2, 1, func(_ int, config *guard.PoolConfig) {
			config.IdleTimeout = 20 * time.Millisecond
			if !shared {
				config.Budget = nil
			}
		})
		for wakes := range int64(3) {
			tx := f.begin(t, 0)
			_, err := tx.Exec(t.Context(), "SELECT pg_sleep(0.1)")
			require.NoError(t, err)
			require.Equal(t, wakes+1, f.pools[0].Stats().Wakes)
			require.NoError(t, tx.Commit(t.Context()))
			require.Eventually(t, func() bool { return f.pools[0].Stats().Open == 0 }, waitFor, tick)
		}
		require.Zero(t, f.budget.Stats().Pools)
	}
}

// TestPoolWithoutConnectionsSleeps, so that it costs nothing.
func TestPoolWithoutConnectionsSleeps(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2, 1, nil)
	require.Zero(t, f.budget.Stats().Pools)
	f.use(t, 0)
	require.Equal(t, 1, f.budget.Stats().Pools)
	require.WithinDuration(t, time.Now(), f.pools[0].Stats().LastUsed, waitFor)
	require.NoError(t, guard.Abandon(t.Context(), f.pools[0]))
	require.Eventually(t, func() bool { return f.budget.Stats().Pools == 0 }, waitFor, tick)
	f.use(t, 0)
	require.EqualValues(t, 2, f.pools[0].Stats().Wakes)
}
