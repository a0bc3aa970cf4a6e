package keycache_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stratum-hq/stratum-go/internal/keycache"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newCache(t *testing.T, size int, ttl time.Duration) *keycache.Cache[int] {
	t.Helper()
	c := keycache.New[int](size, ttl)
	t.Cleanup(c.Close)
	return c
}

func anything(int) bool { return true }

func give(n int) func(context.Context) (int, error) {
	return func(context.Context) (int, error) { return n, nil }
}

func load(t *testing.T, c *keycache.Cache[int], tenant uuid.UUID, n int) int {
	t.Helper()
	got, err := c.Load(t.Context(), tenant, anything, give(n))
	require.NoError(t, err)
	return got
}

func TestTTL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, 10, time.Minute)
		tenant := uuid.New()
		require.Equal(t, 1, load(t, c, tenant, 1))
		time.Sleep(time.Minute - time.Nanosecond) // of a synthetic clock
		require.Equal(t, 1, load(t, c, tenant, 2))
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Equal(t, 2, load(t, c, tenant, 2), "reading does not prolong it")
	})
}

// TestTTLCountsFromTheBeginning of a load: what is read is as old as that.
func TestTTLCountsFromTheBeginning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, 10, time.Minute)
		tenant := uuid.New()
		_, err := c.Load(t.Context(), tenant, anything, func(context.Context) (int, error) {
			time.Sleep(50 * time.Second)
			return 1, nil
		})
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, 2, load(t, c, tenant, 2))
	})
}

func TestSizeIsBounded(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 7, 100, 5000} {
		c := newCache(t, size, time.Hour)
		for range 3 * size {
			load(t, c, uuid.New(), 1)
		}
		require.LessOrEqual(t, c.Len(), size+256)
		require.GreaterOrEqual(t, c.Len(), size*3/4)
	}
}

// TestReadStays: what is read stays, where there is what is not.
func TestReadStays(t *testing.T) {
	t.Parallel()
	c := newCache(t, 10, time.Hour)
	hot := uuid.New()
	load(t, c, hot, 1)
	for range 1000 {
		load(t, c, uuid.New(), 2)
		_, ok := c.Get(hot)
		require.True(t, ok)
	}
}

func TestDrop(t *testing.T) {
	t.Parallel()
	c := newCache(t, 1000, time.Hour)
	one, two := uuid.New(), uuid.New()
	load(t, c, one, 1)
	load(t, c, two, 1)
	c.Drop(one)
	require.Equal(t, 2, load(t, c, one, 2))
	require.Equal(t, 1, load(t, c, two, 2))
	c.Clear()
	require.Zero(t, c.Len())
	c.Close()
	require.Equal(t, 3, load(t, c, one, 3))
	require.Zero(t, c.Len(), "nothing is kept any more")
}

// TestDroppedWhileLoading: what was read before a drop is not kept behind it.
func TestDroppedWhileLoading(t *testing.T) {
	t.Parallel()
	for name, drop := range map[string]func(*keycache.Cache[int], uuid.UUID){
		"drop": (*keycache.Cache[int]).Drop, "clear": func(c *keycache.Cache[int], _ uuid.UUID) { c.Clear() },
	} {
		c := newCache(t, 10, time.Hour)
		tenant := uuid.New()
		got, err := c.Load(t.Context(), tenant, anything, func(context.Context) (int, error) {
			drop(c, tenant)
			return 1, nil
		})
		require.NoError(t, err)
		require.Equal(t, 1, got)
		require.Equal(t, 2, load(t, c, tenant, 2), name)
	}
}

func TestOneLoadForAll(t *testing.T) {
	t.Parallel()
	c := newCache(t, 10, time.Hour)
	tenant := uuid.New()
	var loads atomic.Int64
	begun, release := make(chan struct{}), make(chan struct{})
	slow := func(context.Context) (int, error) {
		loads.Add(1)
		close(begun)
		<-release
		return 1, nil
	}
	var all sync.WaitGroup
	all.Go(func() { _, _ = c.Load(t.Context(), tenant, anything, slow) })
	<-begun
	for range 20 {
		all.Go(func() {
			if got, err := c.Load(t.Context(), tenant, anything, slow); got != 1 || err != nil {
				t.Error(got, err)
			}
		})
	}
	ended, end := context.WithCancel(t.Context())
	end()
	_, err := c.Load(ended, tenant, anything, slow)
	require.ErrorIs(t, err, context.Canceled, "who waits may give up")
	close(release)
	all.Wait()
	require.EqualValues(t, 1, loads.Load())
}

func TestErrorsAndPanicsAreNotKept(t *testing.T) {
	t.Parallel()
	c := newCache(t, 10, time.Hour)
	tenant, down := uuid.New(), errors.New("down")
	_, err := c.Load(t.Context(), tenant, anything, func(context.Context) (int, error) { return 0, down })
	require.ErrorIs(t, err, down)
	require.Panics(t, func() {
		_, _ = c.Load(t.Context(), tenant, anything, func(context.Context) (int, error) { panic("x") })
	})
	require.Equal(t, 1, load(t, c, tenant, 1))
}

// TestNotAccepted: what is kept and not good enough is loaded again, once.
func TestNotAccepted(t *testing.T) {
	t.Parallel()
	c := newCache(t, 10, time.Hour)
	tenant := uuid.New()
	load(t, c, tenant, 1)
	got, err := c.Load(t.Context(), tenant, func(n int) bool { return n > 5 }, give(2))
	require.NoError(t, err)
	require.Equal(t, 2, got)
	kept, ok := c.Get(tenant)
	require.True(t, ok)
	require.Equal(t, 2, kept)
}

func BenchmarkGet(b *testing.B) {
	c := keycache.New[int](10_000, time.Hour)
	defer c.Close()
	tenants := make([]uuid.UUID, 10_000)
	for i := range tenants {
		tenants[i] = uuid.New()
		_, _ = c.Load(b.Context(), tenants[i], anything, give(i))
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		_, _ = c.Get(tenants[i%len(tenants)])
		i++
	}
}
