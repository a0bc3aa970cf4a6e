package core_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/pgproxy"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// cacheSite is a database with a tree, a handle that writes past every cache, and what is needed for handles with one.
type cacheSite struct {
	*configTree

	db *stratumtest.Database
}

func newCacheSite(t *testing.T) *cacheSite {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	db := stratumtest.NewDatabase(t)
	s := &cacheSite{db: db}
	st := s.open(t, func(o *core.Options) { o.ConfigCache.Off = true })
	admin, err := pgxpool.New(ctx, db.AdminDSN)
	require.NoError(t, err)
	t.Cleanup(admin.Close)
	f := forest{Tenants: st.Tenants, admin: admin, close: func() { _ = st.Close() }, slugs: new(atomic.Int64)}
	s.configTree = newConfigTree(t, f, st)
	return s
}

// open is a handle as another process would have it. Nothing but notifications makes it forget.
func (s *cacheSite) open(t *testing.T, change func(*core.Options)) *core.Stratum {
	t.Helper()
	options := s.db.Options()
	options.ConfigCache = core.ConfigCache{MaxStale: time.Hour, TTL: time.Hour}
	if change != nil {
		change(&options)
	}
	st, err := core.Open(context.WithoutCancel(t.Context()), options)
	require.NoError(t, err)
	t.Cleanup(func() { _ = st.Close() })
	return st
}

// proxied is a handle whose round trips to the registry are counted.
func (s *cacheSite) proxied(t *testing.T) (*core.Stratum, *pgproxy.Proxy) {
	t.Helper()
	proxy, err := pgproxy.Start(t.Context(), s.db.SystemDSN)
	require.NoError(t, err)
	t.Cleanup(func() { _ = proxy.Close() })
	return s.open(t, func(o *core.Options) { o.SystemDSN = proxy.DSN() }), proxy
}

// version is that of the entry that holds, 0 where none does.
func version(ctx context.Context, st *core.Stratum, tenant uuid.UUID) (int64, error) {
	values, err := st.Config.Resolve(core.AsSystem(ctx, "a test reads"), tenant)
	for _, v := range values {
		if v.Key == key {
			return v.Version, err
		}
	}
	return 0, err
}

func (s *cacheSite) mustVersion(st *core.Stratum, at core.Tenant) int64 {
	s.Helper()
	v, err := version(s.Context(), st, at.ID)
	require.NoError(s, err)
	return v
}

// isKept waits until the config of tenants is read without a round trip.
func (s *cacheSite) isKept(st *core.Stratum, proxy *pgproxy.Proxy, tenants ...core.Tenant) {
	s.Helper()
	require.Eventually(s, func() bool {
		for _, tenant := range tenants {
			s.mustVersion(st, tenant)
		}
		proxy.Reset()
		for _, tenant := range tenants {
			s.mustVersion(st, tenant)
		}
		return proxy.Counts().RoundTrips == 0
	}, time.Minute, 5*time.Millisecond)
}

// tenants are all but the one beside.
func (s *cacheSite) tenants() []core.Tenant {
	return []core.Tenant{s.root, s.msp, s.acme, s.shop, s.lab, s.globex}
}

// cacheChange is a way in which config changes.
type cacheChange struct {
	name string
	do   func(s *cacheSite, st *core.Stratum)
	// want is what holds for shop then.
	want string
}

func cacheChanges() []cacheChange {
	set := func(at func(s *cacheSite) core.Tenant, c core.ConfigChange) func(s *cacheSite, st *core.Stratum) {
		c.Key = key
		return func(s *cacheSite, st *core.Stratum) {
			require.NoError(s, second(st.Config.Set(s.ctx, at(s).ID, c)))
		}
	}
	root := func(s *cacheSite) core.Tenant { return s.root }
	acme := func(s *cacheSite) core.Tenant { return s.acme }
	globex := func(s *cacheSite) core.Tenant { return s.globex }
	return []cacheChange{
		{"a set above", set(root, core.ConfigChange{Value: 1}), "1"},
		{"a set nearer", set(acme, core.ConfigChange{Value: 2}), "2"},
		{"a set beside", set(globex, core.ConfigChange{Value: 3}), "2"},
		{"a lock", func(s *cacheSite, st *core.Stratum) {
			require.NoError(s, second(st.Config.Lock(s.ctx, s.root.ID, key)))
		}, "1"},
		{"an unlock", func(s *cacheSite, st *core.Stratum) {
			require.NoError(s, st.Config.Unlock(s.ctx, s.root.ID, key))
		}, "2"},
		{"a move", func(s *cacheSite, st *core.Stratum) {
			require.NoError(s, second(st.Tenants.Move(s.ctx, s.shop.ID, s.globex.ID)))
		}, "3"},
		{"a move of an ancestor", func(s *cacheSite, st *core.Stratum) {
			require.NoError(s, second(st.Tenants.Move(s.ctx, s.globex.ID, uuid.Nil)))
			require.NoError(s, st.Config.Delete(s.ctx, s.globex.ID, key))
		}, ""},
		{"a move back", func(s *cacheSite, st *core.Stratum) {
			require.NoError(s, second(st.Tenants.Move(s.ctx, s.shop.ID, s.acme.ID)))
		}, "2"},
		{"a delete", func(s *cacheSite, st *core.Stratum) {
			require.NoError(s, st.Config.Delete(s.ctx, s.acme.ID, key))
		}, "1"},
		{"a batch", func(s *cacheSite, st *core.Stratum) {
			both := []core.ConfigChange{{Key: "x", Value: 1}, {Key: key, Value: 4}}
			require.NoError(s, second(st.Config.SetBatch(s.ctx, s.msp.ID, both, core.ConfigBatch{})))
		}, "4"},
	}
}

func (s *cacheSite) value(st *core.Stratum, at core.Tenant) string {
	s.Helper()
	values, err := st.Config.Resolve(s.ctx, at.ID)
	require.NoError(s, err)
	for _, v := range values {
		if v.Key == key {
			return string(v.Value)
		}
	}
	return ""
}

// TestConfigCacheReadsItsOwnWrites: what a handle has committed it sees at once.
func TestConfigCacheReadsItsOwnWrites(t *testing.T) {
	t.Parallel()
	s := newCacheSite(t)
	proxy, err := pgproxy.Start(t.Context(), s.db.SystemDSN)
	require.NoError(t, err)
	t.Cleanup(func() { _ = proxy.Close() })
	listening, err := pgproxy.Start(t.Context(), s.db.SystemDSN)
	require.NoError(t, err)
	t.Cleanup(func() { _ = listening.Close() })
	st := s.open(t, func(o *core.Options) { o.SystemDSN, o.ConfigCache.ListenDSN = proxy.DSN(), listening.DSN() })
	s.isKept(st, proxy, s.tenants()...)
	listening.Delay(time.Hour) // from now on it hears of nothing
	for _, change := range cacheChanges() {
		s.isKept(st, proxy, s.tenants()...)
		change.do(s, st)
		require.Equal(t, change.want, s.value(st, s.shop), change.name)
		for _, tenant := range s.tenants() {
			require.Equal(t, s.value(s.st, tenant), s.value(st, tenant), change.name)
		}
	}
}

// TestConfigCacheHearsOfWrites: what another process has committed is seen with its notification.
func TestConfigCacheHearsOfWrites(t *testing.T) {
	t.Parallel()
	s := newCacheSite(t)
	st, proxy := s.proxied(t)
	for _, change := range cacheChanges() {
		s.isKept(st, proxy, s.tenants()...)
		change.do(s, s.st)
		for _, tenant := range s.tenants() {
			require.Eventually(t, func() bool { return s.value(st, tenant) == s.value(s.st, tenant) }, time.Minute,
				time.Millisecond, change.name)
		}
		require.Equal(t, change.want, s.value(st, s.shop), change.name)
	}
}

// TestConfigCacheForgetsTheStatus: a suspended tenant is not served from memory, a restored one is.
func TestConfigCacheForgetsTheStatus(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]bool{"by itself": false, "by another": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newCacheSite(t)
			st, proxy := s.proxied(t)
			by := st
			if other {
				by = s.st
			}
			seats := core.Key[int]{Name: key, Default: 5}
			ctx := core.WithTenant(t.Context(), s.shop.ID)
			wants := func(want error) {
				t.Helper()
				if !other {
					require.ErrorIs(t, second(seats.Get(ctx, st)), want)
					return
				}
				require.Eventually(t, func() bool {
					_, err := seats.Get(ctx, st)
					return want == nil && err == nil || want != nil && errors.Is(err, want)
				}, time.Minute, 20*time.Millisecond)
			}
			s.isKept(st, proxy, s.shop)
			require.NoError(t, by.Tenants.Suspend(s.ctx, s.shop.ID))
			wants(core.ErrTenantNotActive)
			require.NoError(t, by.Tenants.Resume(s.ctx, s.shop.ID))
			wants(nil)
			s.set(s.acme, 7)
			require.Eventually(t, func() bool { return s.value(st, s.shop) == "7" }, time.Minute, 20*time.Millisecond)
			for _, tenant := range []core.Tenant{s.shop, s.lab, s.acme} {
				require.NoError(t, by.Tenants.Archive(s.ctx, tenant.ID))
			}
			wants(core.ErrTenantNotActive)
		})
	}
}

// TestConfigCacheHearsOfPlainSQL: whoever changes the tables, the cache learns of it.
func TestConfigCacheHearsOfPlainSQL(t *testing.T) {
	t.Parallel()
	s := newCacheSite(t)
	st, proxy := s.proxied(t)
	s.set(s.acme, 1)
	s.isKept(st, proxy, s.tenants()...)
	_, err := s.f.admin.Exec(t.Context(), "UPDATE stratum.config SET value = '9'")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return s.value(st, s.shop) == "9" }, time.Minute, 20*time.Millisecond)
	s.isKept(st, proxy, s.tenants()...)
	_, err = s.f.admin.Exec(t.Context(), "TRUNCATE stratum.config")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return s.value(st, s.shop) == "" }, time.Minute, 20*time.Millisecond)
}

func TestConfigCacheOff(t *testing.T) {
	t.Parallel()
	s := newCacheSite(t)
	proxy, err := pgproxy.Start(t.Context(), s.db.SystemDSN)
	require.NoError(t, err)
	t.Cleanup(func() { _ = proxy.Close() })
	st := s.open(t, func(o *core.Options) { o.SystemDSN, o.ConfigCache.Off = proxy.DSN(), true })
	s.mustVersion(st, s.shop)
	proxy.Reset()
	for range 3 {
		s.mustVersion(st, s.shop)
	}
	require.Equal(t, 3, proxy.Counts().RoundTrips)
}

// TestConfigCacheWhenTheRegistryIsDown: what is in memory is served for what is left of its time.
func TestConfigCacheWhenTheRegistryIsDown(t *testing.T) {
	t.Parallel()
	s := newCacheSite(t)
	s.set(s.acme, 1)
	proxy, err := pgproxy.Start(t.Context(), s.db.SystemDSN)
	require.NoError(t, err)
	st := s.open(t, func(o *core.Options) {
		o.SystemDSN, o.ConfigCache.TTL, o.ConfigCache.MaxStale = proxy.DSN(), time.Second, 200*time.Millisecond
	})
	s.isKept(st, proxy, s.shop)
	require.NoError(t, proxy.Close())
	begun := time.Now()
	require.Equal(t, "1", s.value(st, s.shop))
	require.ErrorContains(t, second(version(t.Context(), st, s.globex.ID)), "stratum: no connection")
	require.Eventually(t, func() bool { return second(version(t.Context(), st, s.shop.ID)) != nil }, time.Minute,
		20*time.Millisecond)
	require.Less(t, time.Since(begun), 20*time.Second)
}

func TestConfigCacheOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]core.ConfigCache{
		"MaxBytes": {MaxBytes: -1}, "TTL": {TTL: -1}, "MaxStale": {MaxStale: time.Millisecond},
		"ListenDSN": {ListenDSN: "postgres://secret@%"},
	} {
		_, err := core.Open(t.Context(), core.Options{DSN: "postgres://localhost/x", ConfigCache: o})
		require.ErrorIs(t, err, core.ErrConfig, name)
		require.ErrorContains(t, err, name)
		require.NotContains(t, err.Error(), "secret")
	}
}

// TestConfigCacheAllocatesNothing: a read of what is kept leaves nothing to collect, nor does one of what is pinned.
func TestConfigCacheAllocatesNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts everybody's
	s := newCacheSite(t)
	s.set(s.root, 5)
	st, proxy := s.proxied(t)
	seats := core.Key[int]{Name: key}
	ctx := core.WithTenant(t.Context(), s.shop.ID)
	s.isKept(st, proxy, s.shop)
	read := func(ctx context.Context) func() {
		return func() {
			if n, err := seats.Get(ctx, st); n != 5 || err != nil {
				panic("not 5")
			}
		}
	}
	require.Zero(t, testing.AllocsPerRun(1000, read(ctx)))
	pinned, err := st.Config.Pin(ctx)
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(1000, read(pinned)))
}
