package configcache_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/config"
	"github.com/stratum-hq/stratum-go/internal/configcache"
)

var (
	errDown    = errors.New("the registry is down")
	errUnknown = errors.New("no such tenant")
)

// patience is how long a test waits for what ought to come.
const patience = 30 * time.Second

// registry is what a cache loads from: tenants with a path, and one version of everything.
type registry struct {
	version atomic.Int64
	loads   atomic.Int64
	down    atomic.Bool

	mu    sync.Mutex
	paths map[uuid.UUID][]string
	// held, where it is not nil, keeps loads that have read from returning.
	held chan struct{}
	read chan struct{}
}

func (r *registry) add(labels ...string) uuid.UUID {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.paths == nil {
		r.paths = map[uuid.UUID][]string{}
	}
	id := uuid.New()
	r.paths[id] = labels
	return id
}

func (r *registry) load(ctx context.Context, tenant uuid.UUID) (*config.Snapshot, error) {
	r.loads.Add(1)
	if r.down.Load() {
		return nil, errDown
	}
	r.mu.Lock()
	labels, held, read := r.paths[tenant], r.held, r.read
	r.mu.Unlock()
	if labels == nil {
		return nil, errUnknown
	}
	path := make([]config.Tenant, len(labels))
	for i, label := range labels {
		path[i] = config.Tenant{ID: uuid.NewSHA1(uuid.Nil, []byte(label)), Label: label}
	}
	path[len(path)-1].ID = tenant
	s := config.New(path, []config.Entry{{Key: "k", Value: []byte("1"), Version: r.version.Load()}})
	if held != nil {
		read <- struct{}{}
		select {
		case <-held:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return s, nil
}

// hold has loads wait between reading and returning. The first channel receives when one has read; closing the second
// lets all of them go on.
func (r *registry) hold() (read <-chan struct{}, release func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	held := make(chan struct{})
	r.held, r.read = held, make(chan struct{}, 1000)
	return r.read, sync.OnceFunc(func() {
		r.mu.Lock()
		r.held = nil
		r.mu.Unlock()
		close(held)
	})
}

func newCache(t *testing.T, r *registry, change func(*configcache.Options)) *configcache.Cache {
	t.Helper()
	options := configcache.Options{
		Load: r.load, Unreachable: func(err error) bool { return errors.Is(err, errDown) },
		MaxBytes: 1 << 20, TTL: time.Hour, MaxStale: time.Hour,
	}
	if change != nil {
		change(&options)
	}
	c, err := configcache.New(options)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// version is that of what Get returns.
func version(t *testing.T, c *configcache.Cache, tenant uuid.UUID) int64 {
	t.Helper()
	s, err := c.Get(t.Context(), tenant)
	require.NoError(t, err)
	require.Equal(t, tenant, s.Tenant().ID)
	return s.Lookup("k").Version
}

func TestGetKeepsWhileTrusted(t *testing.T) {
	t.Parallel()
	r := &registry{}
	tenant := r.add("a")
	c := newCache(t, r, nil)
	for range 3 {
		version(t, c, tenant)
	}
	require.EqualValues(t, 3, r.loads.Load(), "nothing is known of changes, so all is loaded")
	c.Trust()
	for range 3 {
		version(t, c, tenant)
	}
	require.EqualValues(t, 4, r.loads.Load())
	c.Distrust()
	version(t, c, tenant)
	require.EqualValues(t, 5, r.loads.Load())
}

func TestTrustEnds(t *testing.T) {
	t.Parallel()
	r := &registry{}
	tenant := r.add("a")
	c := newCache(t, r, func(o *configcache.Options) { o.MaxStale = 100 * time.Millisecond })
	begun := time.Now()
	c.Trust()
	version(t, c, tenant)
	require.Eventually(t, func() bool { return !c.Trusted() }, patience, time.Millisecond)
	require.GreaterOrEqual(t, time.Since(begun), 100*time.Millisecond-2*configcache.ClockResolution)
	r.version.Add(1)
	require.EqualValues(t, 1, version(t, c, tenant))
}

func TestTTL(t *testing.T) {
	t.Parallel()
	r := &registry{}
	tenant := r.add("a")
	c := newCache(t, r, func(o *configcache.Options) { o.TTL = 50 * time.Millisecond })
	c.Trust()
	version(t, c, tenant)
	r.version.Add(1)
	require.Eventually(t, func() bool { return version(t, c, tenant) == 1 }, patience, time.Millisecond)
}

func TestInvalidateReachesTheSubtree(t *testing.T) {
	t.Parallel()
	r := &registry{}
	tenants := map[string]uuid.UUID{
		"root": r.add("root"), "a": r.add("root", "a"), "ab": r.add("root", "a", "ab"),
		"abc": r.add("root", "a", "ab", "abc"), "b": r.add("root", "b"), "other": r.add("other"),
	}
	for label, gone := range map[string][]string{
		"root": {"root", "a", "ab", "abc", "b"}, "a": {"a", "ab", "abc"}, "ab": {"ab", "abc"}, "abc": {"abc"},
		"other": {"other"}, "nobody": {}, "": {"root", "a", "ab", "abc", "b", "other"},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			c := newCache(t, r, nil)
			c.Trust()
			before := map[string]*config.Snapshot{}
			for name, id := range tenants {
				before[name], _ = c.Get(t.Context(), id)
			}
			c.Invalidate(label)
			var loaded []string
			for name, id := range tenants {
				if s, err := c.Get(t.Context(), id); s != before[name] {
					require.NoError(t, err)
					loaded = append(loaded, name)
				}
			}
			require.ElementsMatch(t, gone, loaded)
		})
	}
}

func TestOneLoadForAll(t *testing.T) {
	t.Parallel()
	r := &registry{}
	tenant := r.add("a")
	c := newCache(t, r, nil)
	c.Trust()
	read, release := r.hold()
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := c.Get(t.Context(), tenant); err != nil {
				t.Error(err)
			}
		})
	}
	<-read
	release()
	all.Wait()
	require.EqualValues(t, 1, r.loads.Load())
}

// TestLoadFromBeforeIsNotKept: what began to be loaded before a change was heard of is neither kept behind it nor given
// to whoever comes behind it.
func TestLoadFromBeforeIsNotKept(t *testing.T) {
	t.Parallel()
	for name, label := range map[string]string{"itself": "ab", "above": "a", "everything": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { loadFromBefore(t, label) })
		})
	}
}

func loadFromBefore(t *testing.T, label string) {
	t.Helper()
	r := &registry{}
	tenant := r.add("a", "ab")
	c := newCache(t, r, nil)
	c.Trust()
	read, release := r.hold()
	first := make(chan int64, 1)
	go func() {
		s, err := c.Get(t.Context(), tenant)
		if err != nil {
			t.Error(err)
		}
		first <- s.Lookup("k").Version
	}()
	<-read
	r.version.Store(7)
	c.Invalidate(label)
	second := make(chan int64, 1)
	go func() {
		s, err := c.Get(t.Context(), tenant)
		if err != nil {
			t.Error(err)
		}
		second <- s.Lookup("k").Version
	}()
	synctest.Wait() // it has joined the load from before
	release()
	require.Zero(t, <-first, "it began before the change")
	require.EqualValues(t, 7, <-second)
	require.EqualValues(t, 7, version(t, c, tenant))
	require.EqualValues(t, 2, r.loads.Load(), "the second was kept")
}

func TestLoadIsKeptBesideChangesOfOthers(t *testing.T) {
	t.Parallel()
	for changes, kept := range map[int]bool{configcache.History: true, configcache.History + 1: false} {
		t.Run(strconv.Itoa(changes), func(t *testing.T) {
			t.Parallel()
			r := &registry{}
			tenant := r.add("a")
			c := newCache(t, r, nil)
			c.Trust()
			read, release := r.hold()
			var load sync.WaitGroup
			load.Go(func() { _, _ = c.Get(t.Context(), tenant) })
			<-read
			for range changes {
				c.Invalidate("other")
			}
			release()
			load.Wait()
			version(t, c, tenant)
			require.Equal(t, kept, r.loads.Load() == 1, "kept, unless there is no telling any more")
		})
	}
}

// TestWaitingForWhoGivesUp: the ctx of one caller is not that of another.
func TestWaitingForWhoGivesUp(t *testing.T) {
	t.Parallel()
	r := &registry{}
	tenant := r.add("a")
	c := newCache(t, r, nil)
	c.Trust()
	read, release := r.hold()
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := c.Get(ctx, tenant)
		first <- err
	}()
	<-read
	ended, end := context.WithCancel(t.Context())
	end()
	_, err := c.Get(ended, tenant)
	require.ErrorIs(t, err, context.Canceled, "who waits may give up, too")
	second := make(chan error, 1)
	go func() {
		_, err := c.Get(t.Context(), tenant)
		second <- err
	}()
	cancel()
	require.ErrorIs(t, <-first, context.Canceled)
	<-read
	release()
	require.NoError(t, <-second)
}

func TestErrorsAreNotKept(t *testing.T) {
	t.Parallel()
	r := &registry{}
	c := newCache(t, r, nil)
	c.Trust()
	_, err := c.Get(t.Context(), uuid.New())
	require.ErrorIs(t, err, errUnknown)
	tenant := r.add("a")
	r.down.Store(true)
	_, err = c.Get(t.Context(), tenant)
	require.ErrorIs(t, err, errDown)
	r.down.Store(false)
	version(t, c, tenant)
	require.False(t, c.Loading())
}

// TestRegistryDown: what is kept serves until its time is up, and not in place of an answer.
func TestRegistryDown(t *testing.T) {
	t.Parallel()
	r := &registry{}
	known, unknown := r.add("a"), r.add("b")
	c := newCache(t, r, func(o *configcache.Options) { o.MaxStale, o.TTL = 100*time.Millisecond, 400*time.Millisecond })
	version(t, c, known)
	r.down.Store(true)
	version(t, c, known)
	require.EqualValues(t, 3, r.loads.Load(), "a connection may have been cut before: it was tried twice")
	version(t, c, known)
	require.EqualValues(t, 3, r.loads.Load(), "that it is down is remembered for a while")
	_, err := c.Get(t.Context(), unknown)
	require.ErrorIs(t, err, errDown)
	r.down.Store(false)
	r.version.Store(1)
	require.Eventually(t, func() bool { return version(t, c, known) == 1 }, patience, time.Millisecond)
	r.down.Store(true)
	require.Eventually(t, func() bool {
		_, err := c.Get(t.Context(), known)
		return errors.Is(err, errDown)
	}, patience, 10*time.Millisecond, "its time is up")
	r.down.Store(false)
	version(t, c, known)
	r.mu.Lock()
	delete(r.paths, known)
	r.mu.Unlock()
	_, err = c.Get(t.Context(), known)
	require.ErrorIs(t, err, errUnknown, "an answer counts")
}

// TestSparesAreNoneWhenTrusted: what was seen while nothing was trusted is never followed by something older.
func TestSparesAreNoneWhenTrusted(t *testing.T) {
	t.Parallel()
	r := &registry{}
	tenant := r.add("a")
	c := newCache(t, r, nil)
	c.Trust()
	read, release := r.hold()
	var flight sync.WaitGroup
	flight.Go(func() { _, _ = c.Get(t.Context(), tenant) }) // reads 0
	<-read
	c.Distrust()
	r.version.Store(5)
	r.mu.Lock()
	r.held = nil
	r.mu.Unlock()
	require.EqualValues(t, 5, version(t, c, tenant))
	c.Trust()
	seen := make(chan int64, 1)
	go func() {
		s, err := c.Get(t.Context(), tenant)
		if err != nil {
			t.Error(err)
		}
		seen <- s.Lookup("k").Version
	}()
	release()
	flight.Wait()
	require.EqualValues(t, 5, <-seen)
	require.EqualValues(t, 5, version(t, c, tenant))
}

// TestSlowSparesAreNone: of two loads while nothing was trusted the one that ends last may be the older one.
func TestSlowSparesAreNone(t *testing.T) {
	t.Parallel()
	r := &registry{}
	tenant := r.add("a")
	c := newCache(t, r, nil)
	read, release := r.hold()
	var slow sync.WaitGroup
	slow.Go(func() { _, _ = c.Get(t.Context(), tenant) }) // reads 0
	<-read
	r.version.Store(5)
	r.mu.Lock()
	r.held = nil
	r.mu.Unlock()
	require.EqualValues(t, 5, version(t, c, tenant))
	release()
	slow.Wait()
	c.Trust()
	require.EqualValues(t, 5, version(t, c, tenant))
}

func TestBounded(t *testing.T) {
	t.Parallel()
	const limit = 64 << 10
	r := &registry{}
	c := newCache(t, r, func(o *configcache.Options) { o.MaxBytes = limit })
	c.Trust()
	for i := range 5000 {
		version(t, c, r.add("root", fmt.Sprintf("t%d", i)))
	}
	bytes, indexed := c.Size()
	require.LessOrEqual(t, bytes, uint64(limit))
	require.NotZero(t, bytes)
	require.Less(t, indexed, 1000)
}

func TestCachedReadAllocatesNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts everybody's
	r := &registry{}
	tenant := r.add("a", "b", "c", "d", "e", "f", "g", "h")
	c := newCache(t, r, nil)
	c.Trust()
	ctx := t.Context()
	version(t, c, tenant)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if _, err := c.Get(ctx, tenant); err != nil {
			panic(err)
		}
	}))
}

// TestReadersNeverGoBack has writers, readers, and trust that comes and goes.
func TestReadersNeverGoBack(t *testing.T) {
	t.Parallel()
	r := &registry{}
	tenant := r.add("root", "a")
	c := newCache(t, r, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			var last int64
			for ctx.Err() == nil {
				atLeast := r.version.Load() - 1 // the last write may not be known yet
				s, err := c.Get(ctx, tenant)
				if err != nil {
					continue
				}
				if v := s.Lookup("k").Version; v < last || v < atLeast {
					t.Errorf("%d after %d, with %d told", v, last, atLeast)
				}
				last = max(last, s.Lookup("k").Version)
			}
		})
	}
	for i := range 3000 {
		if i%7 == 0 {
			c.Distrust()
		}
		r.version.Add(1)
		c.Invalidate([]string{"root", "a", ""}[i%3])
		c.Trust()
	}
	cancel()
	all.Wait()
}

func FuzzParseChange(f *testing.F) {
	f.Add("1a 00000000-0000-0000-0000-000000000001 max_seats")
	f.Add("  ")
	f.Add("1a 00000000-0000-0000-0000-000000000001 ")
	f.Add("a b c d")
	f.Fuzz(func(t *testing.T, payload string) {
		c := configcache.ParseChange(payload)
		if c.Label == "" {
			require.Equal(t, configcache.Change{}, c, "what cannot be read is everything")
			return
		}
		require.Contains(t, payload, c.Label+" ")
	})
}
