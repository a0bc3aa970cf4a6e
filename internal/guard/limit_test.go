package guard_test

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/guard"
	"github.com/stratum-hq/stratum-go/internal/pgproxy"
)

// TestLimitIsKept by many goroutines of some tenants, some of which give up while they wait. Each tenant reaches its
// limit, none exceeds it, and nothing is left behind.
func TestLimitIsKept(t *testing.T) {
	t.Parallel()
	const workers, steps, most = 48, 300, 3
	var limiter guard.Limiter
	tenants := []uuid.UUID{uuid.New(), uuid.New(), uuid.New(), uuid.New()}
	running, peak := make([]atomic.Int32, len(tenants)), make([]atomic.Int32, len(tenants))
	var group errgroup.Group
	for worker := range workers {
		random := rand.New(rand.NewPCG(11, uint64(worker)))
		group.Go(func() error {
			for range steps {
				i := random.IntN(len(tenants))
				ctx, cancel := context.WithCancel(t.Context())
				if random.IntN(4) == 0 {
					ctx, cancel = context.WithTimeout(ctx, time.Duration(random.IntN(100))*time.Microsecond)
				}
				err := limiter.Take(ctx, tenants[i], guard.Limit{Concurrent: most, Wait: waitFor})
				cancel()
				if err != nil {
					if !errors.Is(err, context.DeadlineExceeded) {
						return err
					}
					continue
				}
				n := running[i].Add(1)
				for p := peak[i].Load(); n > p && !peak[i].CompareAndSwap(p, n); p = peak[i].Load() {
				}
				runtime.Gosched()
				running[i].Add(-1)
				limiter.Leave(tenants[i])
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	for i := range peak {
		require.EqualValues(t, most, peak[i].Load(), "at the limit, and not over it")
	}
	require.Zero(t, limiter.Lines(), "a tenant that does nothing costs no memory")
}

// TestTurnsComeInOrder of arrival, and one at a time.
func TestTurnsComeInOrder(t *testing.T) {
	t.Parallel()
	const n = 20
	var limiter guard.Limiter
	tenant, limit := uuid.New(), guard.Limit{Concurrent: 1, Wait: waitFor}
	require.NoError(t, limiter.Take(t.Context(), tenant, limit))
	order := make(chan int, n)
	for i := range n {
		go func() {
			if limiter.Take(t.Context(), tenant, limit) == nil {
				order <- i
			}
		}()
		require.Eventually(t, func() bool { return limiter.Waiting(tenant) == i+1 }, waitFor, tick)
	}
	for i := range n {
		limiter.Leave(tenant)
		require.Equal(t, i, <-order)
		require.Empty(t, order, "one turn, one statement")
		require.Equal(t, n-i-1, limiter.Waiting(tenant))
	}
	limiter.Leave(tenant)
	require.Zero(t, limiter.Lines())
}

// TestNobodyPushesIn before those who wait, even where a limit that has grown would let it.
func TestNobodyPushesIn(t *testing.T) {
	t.Parallel()
	var limiter guard.Limiter
	tenant := uuid.New()
	require.NoError(t, limiter.Take(t.Context(), tenant, guard.Limit{Concurrent: 1}))
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { first <- limiter.Take(ctx, tenant, guard.Limit{Concurrent: 1, Wait: waitFor}) }()
	require.Eventually(t, func() bool { return limiter.Waiting(tenant) == 1 }, waitFor, tick)
	larger := guard.Limit{Concurrent: 2}
	require.ErrorIs(t, limiter.Take(t.Context(), tenant, larger), guard.ErrTenantBusy, "it is not its turn")
	second := make(chan error, 1)
	larger.Wait = waitFor
	go func() { second <- limiter.Take(t.Context(), tenant, larger) }()
	require.Eventually(t, func() bool { return limiter.Waiting(tenant) == 2 }, waitFor, tick)
	cancel()
	require.ErrorIs(t, <-first, context.Canceled)
	require.NoError(t, <-second, "whoever stood in its way has left")
	limiter.Leave(tenant)
	limiter.Leave(tenant)
	require.Zero(t, limiter.Lines())
}

// TestWaitingEnds with the patience, or with ctx.
func TestWaitingEnds(t *testing.T) {
	t.Parallel()
	var limiter guard.Limiter
	tenant := uuid.New()
	require.NoError(t, limiter.Take(t.Context(), tenant, guard.Limit{Concurrent: 1}))
	err := limiter.Take(t.Context(), tenant, guard.Limit{Concurrent: 1, Wait: 5 * time.Millisecond})
	require.ErrorIs(t, err, guard.ErrTenantBusy)
	require.NotErrorIs(t, err, context.DeadlineExceeded, "no ctx has ended")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("somebody went away"))
	err = limiter.Take(ctx, tenant, guard.Limit{Concurrent: 1, Wait: waitFor})
	require.ErrorIs(t, err, guard.ErrTenantBusy)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, limiter.Waiting(tenant))
	require.NoError(t, limiter.Take(t.Context(), uuid.New(), guard.Limit{Concurrent: 1}), "another tenant's limit is its own")
	limiter.Leave(tenant)
	require.Equal(t, 1, limiter.Lines())
	require.NoError(t, limiter.Take(t.Context(), tenant, guard.Limit{Concurrent: 1}), "whoever gave up holds no turn")
}

// openLimited returns a handle with limits.
func (d *database) openLimited(tb testing.TB, s setup, limits core.Limits) *handle {
	tb.Helper()
	options := d.options(s)
	options.Limits = limits
	proxy, err := pgproxy.Start(tb.Context(), d.DSN)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, proxy.Close()) })
	options.DSN, err = proxy.Rewrite(options.DSN)
	require.NoError(tb, err)
	h := openWith(tb, options)
	h.d, h.proxy = d, proxy
	return h
}

// lines is how many tenants hold a turn or wait for one.
func (h *handle) lines() (n int) {
	h.tb.Helper()
	h.raw(func(raw any) error {
		n = guard.Lines(raw)
		return nil
	})
	return n
}

// awaitWaiting returns when n statements of the tenant wait for their turn.
func (h *handle) awaitWaiting(tenant uuid.UUID, n int) {
	h.tb.Helper()
	h.raw(func(raw any) error {
		require.Eventually(h.tb, func() bool { return guard.Waiting(raw, tenant) == n }, waitFor, tick)
		return nil
	})
}

// TestOthersAreServed while a tenant is at its limit: whoever waits holds no connection. There are two of them.
func TestOthersAreServed(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).openLimited(t, setup{conns: 2}, core.Limits{Tenant: core.Limit{Concurrent: 1, Wait: waitFor}})
	acme := h.as(h.acme)
	tx, err := h.db.BeginTx(acme, nil)
	require.NoError(t, err)
	var group errgroup.Group
	for range 8 {
		group.Go(func() error {
			_, err := h.db.ExecContext(acme, "INSERT INTO notes (body) VALUES ('patient')")
			return err
		})
	}
	h.awaitWaiting(h.acme, 8)
	require.Equal(t, 1, h.lent(), "the transaction's")
	for range 10 {
		require.Equal(t, "0", h.count(h.as(h.globex)))
	}
	_, err = tx.ExecContext(acme, "INSERT INTO notes (body) VALUES ('in the transaction')")
	require.NoError(t, err, "it has its turn already")
	rows, err := tx.QueryContext(acme, "SELECT body FROM notes")
	require.NoError(t, err)
	ended(t, rows)
	require.NoError(t, tx.Commit())
	require.NoError(t, group.Wait())
	require.Equal(t, "9", h.count(acme))
	require.Zero(t, h.lines())
}

// TestOthersStarveWithoutALimit is what the one above is about.
func TestOthersStarveWithoutALimit(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).openLimited(t, setup{conns: 2}, core.Limits{})
	for range 2 {
		tx, err := h.db.BeginTx(h.as(h.acme), nil)
		require.NoError(t, err)
		defer tx.Rollback() //nolint:errcheck // it is the end
	}
	ctx, cancel := context.WithTimeout(h.as(h.globex), 50*time.Millisecond)
	defer cancel()
	_, err := h.db.ExecContext(ctx, "SELECT 1")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// TestBusyTenant is refused before anything is sent, in every way of sending.
func TestBusyTenant(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).openLimited(t, setup{conns: 4, system: 2},
		core.Limits{Tenant: core.Limit{Concurrent: 1, Wait: core.NoWait}})
	acme := h.as(h.acme)
	tx, err := h.db.BeginTx(acme, nil)
	require.NoError(t, err)
	busy := func(ctx context.Context) {
		_, err := h.db.ExecContext(ctx, "SELECT 1")
		require.ErrorIs(t, err, core.ErrTenantBusy)
		require.ErrorContains(t, err, "core.Options.Limits", "the cure")
		require.ErrorIs(t, h.db.QueryRowContext(ctx, "SELECT 1").Scan(new(int)), core.ErrTenantBusy)
		_, err = h.db.BeginTx(ctx, nil)
		require.ErrorIs(t, err, core.ErrTenantBusy)
	}
	require.Zero(t, h.trips(func() {
		busy(acme)
		busy(core.WithSubtree(t.Context(), h.acme))
	}))
	h.count(h.system())
	require.NoError(t, h.Ping(t.Context()))
	for range 2 {
		systemTx, err := h.db.BeginTx(h.system(), nil)
		require.NoError(t, err, "the system has no limit")
		defer systemTx.Rollback() //nolint:errcheck // it is the end
	}
	require.NoError(t, tx.Rollback())
	h.count(acme)
	require.Zero(t, h.lines())
}

// TestTurnsEnd with whatever they were for.
func TestTurnsEnd(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	for _, mode := range []string{cacheStatement, simpleProtocol} {
		h := d.openLimited(t, setup{mode: mode, conns: 2}, core.Limits{Tenant: core.Limit{Concurrent: 1, Wait: waitFor}})
		for name, action := range actions() {
			action(t, h, h.as(h.acme))
			h.settle()
			require.Zero(t, h.lines(), name)
		}
		turnsEndWithRows(t, h)
		turnsEndWithFailures(t, h)
		require.Zero(t, h.lines())
	}
}

func turnsEndWithRows(t *testing.T, h *handle) {
	t.Helper()
	const many = "SELECT generate_series(1, 1000)"
	for name, end := range map[string]func(rows *sql.Rows, cancel func()){
		"closed": func(rows *sql.Rows, _ func()) { ended(t, rows) },
		"read": func(rows *sql.Rows, _ func()) {
			for rows.Next() {
				_ = rows // to the end
			}
			require.NoError(t, rows.Err())
			require.Zero(t, h.lines(), "read to the end, and not closed yet")
		},
		"leaked":  func(_ *sql.Rows, cancel func()) { cancel() },
		"a panic": func(rows *sql.Rows, _ func()) { require.Panics(t, func() { defer ended(t, rows); panic("here") }) },
	} {
		ctx, cancel := context.WithCancel(h.as(h.acme))
		//nolint:rowserrcheck // the test is about rows that are not closed
		rows, err := h.db.QueryContext(ctx, many)
		require.NoError(t, err)
		require.True(t, rows.Next())
		require.Equal(t, 1, h.lines(), name)
		end(rows, cancel)
		require.Eventually(t, func() bool { return h.lines() == 0 }, waitFor, tick, name)
		require.NoError(t, rows.Close()) //nolint:sqlclosecheck // once more
		cancel()
	}
}

func turnsEndWithFailures(t *testing.T, h *handle) {
	t.Helper()
	acme := h.as(h.acme)
	require.NoError(t, h.Tenants.Suspend(t.Context(), h.acme))
	for range 3 {
		_, err := h.db.ExecContext(acme, "SELECT 1")
		require.ErrorIs(t, err, core.ErrTenantNotActive)
		_, err = h.db.BeginTx(acme, nil)
		require.ErrorIs(t, err, core.ErrTenantNotActive)
	}
	require.NoError(t, h.Tenants.Resume(t.Context(), h.acme))
	h.proxy.Cut()
	for range 3 {
		h.count(acme)
	}
	tx, err := h.db.BeginTx(acme, nil)
	require.NoError(t, err)
	h.proxy.Cut()
	_, err = tx.ExecContext(acme, "SELECT 1")
	require.Error(t, err)
	require.NoError(t, tx.Rollback())
	gone, cancel := context.WithCancel(acme)
	cancel()
	_, err = h.db.ExecContext(gone, "SELECT 1")
	require.ErrorIs(t, err, context.Canceled)
	conn, err := h.db.Conn(t.Context())
	require.NoError(t, err)
	tx, err = conn.BeginTx(acme, nil)
	require.NoError(t, err)
	_, err = conn.ExecContext(acme, "SELECT 1")
	require.NoError(t, err, "in the connection's transaction")
	require.NoError(t, tx.Rollback())
	require.NoError(t, conn.Close())
}

// TestBesideItsOwnTransaction a statement waits for itself, and is told so when its patience has ended.
func TestBesideItsOwnTransaction(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).openLimited(t, setup{conns: 2},
		core.Limits{Tenant: core.Limit{Concurrent: 1, Wait: 20 * time.Millisecond}})
	acme := h.as(h.acme)
	tx, err := h.db.BeginTx(acme, nil)
	require.NoError(t, err)
	_, err = h.db.ExecContext(acme, "INSERT INTO notes (body) VALUES ('beside it')")
	require.ErrorIs(t, err, core.ErrTenantBusy)
	require.ErrorContains(t, err, "begin nothing beside a transaction that the same code holds open")
	_, err = tx.ExecContext(acme, "INSERT INTO notes (body) VALUES ('in it')")
	require.NoError(t, err, "the transaction goes on")
	require.NoError(t, tx.Commit())
	require.Equal(t, "1", h.count(acme))
}

// TestStormAtTheLimit has more goroutines than turns and more turns than connections.
func TestStormAtTheLimit(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	h := d.openLimited(t, setup{conns: 6, system: 2}, core.Limits{
		Tenant: core.Limit{Wait: waitFor},
		PerTenant: func(tenant uuid.UUID, limit core.Limit) core.Limit {
			limit.Concurrent = 1 + int(tenant[15]%3)
			return limit
		},
	})
	newStorm(t, h).run(t)
	require.Zero(t, h.lines())
	noLocks(t, d)
}

// TestLimitPerTenant is asked for each tenant, and one that cannot be refuses the statement.
func TestLimitPerTenant(t *testing.T) {
	t.Parallel()
	var limits atomic.Pointer[map[uuid.UUID]core.Limit]
	limits.Store(&map[uuid.UUID]core.Limit{})
	h := newDatabase(t).openLimited(t, setup{conns: 4}, core.Limits{
		Tenant: core.Limit{Concurrent: 1, Wait: core.NoWait},
		PerTenant: func(tenant uuid.UUID, limit core.Limit) core.Limit {
			if own, ok := (*limits.Load())[tenant]; ok {
				return own
			}
			return limit
		},
	})
	free := h.tenant("free")
	limits.Store(&map[uuid.UUID]core.Limit{h.globex: {Concurrent: 2, Wait: core.NoWait}, free: {}})
	for tenant, most := range map[uuid.UUID]int{h.acme: 1, h.globex: 2} {
		for range most {
			tx, err := h.db.BeginTx(h.as(tenant), nil)
			require.NoError(t, err)
			defer tx.Rollback() //nolint:errcheck // it is the end
		}
		_, err := h.db.ExecContext(h.as(tenant), "SELECT 1")
		require.ErrorIs(t, err, core.ErrTenantBusy, "more than %d", most)
	}
	h.count(h.as(free))
	for i, limit := range []core.Limit{{Concurrent: -1}, {Wait: -2}, {StatementTimeout: time.Microsecond}} {
		limits.Store(&map[uuid.UUID]core.Limit{free: limit})
		require.Zero(t, h.trips(func() {
			_, err := h.db.ExecContext(h.as(free), "SELECT 1")
			require.ErrorIs(t, err, core.ErrConfig, strconv.Itoa(i))
			require.ErrorContains(t, err, "PerTenant")
		}))
	}
}
