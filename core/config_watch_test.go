package core_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// watching is a loop over Watch, and what it has been told.
type watching struct {
	t      *testing.T
	stop   func()
	told   chan string
	events sync.WaitGroup
}

// watch begins a loop. It tells "key=value@slug", "key=" for none, and for errors their text.
func watch(ctx context.Context, t *testing.T, st *core.Stratum, keys ...string) *watching {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	w := &watching{t: t, told: make(chan string, 10_000)}
	w.events.Go(func() {
		for event, err := range st.Config.Watch(ctx, keys...) {
			switch {
			case err != nil:
				w.told <- err.Error()
			case event.Value != nil:
				w.told <- fmt.Sprintf("%s=%s@%s", event.Key, event.Value.Value, event.Value.Source.Slug)
			default:
				w.told <- event.Key + "="
			}
		}
		close(w.told)
	})
	w.stop = sync.OnceFunc(func() {
		cancel()
		w.events.Wait()
	})
	t.Cleanup(w.stop)
	return w
}

// tells waits for exactly this as the next.
func (w *watching) tells(want ...string) {
	w.t.Helper()
	for _, wanted := range want {
		select {
		case got := <-w.told:
			require.Equal(w.t, wanted, got)
		case <-time.After(time.Minute):
			require.Fail(w.t, "nothing was told", wanted)
		}
	}
}

// until waits until it is told, whatever is told before.
func (w *watching) until(want string) {
	w.t.Helper()
	for {
		select {
		case got := <-w.told:
			if got == want {
				return
			}
		case <-time.After(time.Minute):
			require.Fail(w.t, "never told", want)
		}
	}
}

// TestWatch tells a tenant what holds, and then each change of it, whoever made it.
func TestWatch(t *testing.T) {
	t.Parallel()
	for name, own := range map[string]bool{"by itself": true, "by another": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newCacheSite(t)
			st := s.open(t, nil)
			by := s.st
			if own {
				by = st
			}
			c := &configTree{T: t, f: s.f, st: by, ctx: s.ctx, acme: s.acme}
			c.set(s.acme, 1)
			w := watch(core.WithTenant(t.Context(), s.shop.ID), t, st, key, "color")
			w.tells("color=", key+"=1@"+s.acme.Slug)
			c.set(s.shop, 2)
			w.tells(key + "=2@" + s.shop.Slug)
			require.NoError(t, second(by.Config.Set(s.ctx, s.root.ID, core.ConfigChange{Key: "other", Value: 1})))
			c.set(s.globex, 3)
			c.lock(s.acme)
			w.tells(key + "=1@" + s.acme.Slug)
			c.unlock(s.acme)
			w.tells(key + "=2@" + s.shop.Slug)
			c.delete(s.shop)
			w.tells(key + "=1@" + s.acme.Slug)
			require.NoError(t, second(by.Tenants.Move(s.ctx, s.shop.ID, s.globex.ID)))
			w.tells(key + "=3@" + s.globex.Slug)
			c.delete(s.globex)
			w.tells(key + "=")
			require.NoError(t, by.Tenants.Suspend(s.ctx, s.shop.ID))
			w.until("watch config: " + core.ErrTenantNotActive.Error())
			require.NoError(t, by.Tenants.Resume(s.ctx, s.shop.ID))
			c.set(s.shop, 9)
			w.until(key + "=9@" + s.shop.Slug)
			w.stop()
			for told := range w.told {
				require.NotContains(t, told, "other")
			}
		})
	}
}

// TestWatchAllKeys tells of keys that come and go.
func TestWatchAllKeys(t *testing.T) {
	t.Parallel()
	seats := core.Key[int]{Name: key, Default: 5}
	s := newCacheSite(t)
	st := s.open(t, func(o *core.Options) {
		o.ConfigKeys = []core.ConfigKey{seats, core.Key[string]{Name: "color"}}
	})
	w := watch(core.WithTenant(t.Context(), s.shop.ID), t, st)
	w.tells(`color=""@`, key+"=5@")
	require.NoError(t, second(s.st.Config.Set(s.ctx, s.root.ID, core.ConfigChange{Key: "new", Value: true})))
	w.tells("new=true@" + s.root.Slug)
	s.set(s.root, 5)
	w.tells(key + "=5@" + s.root.Slug)
	require.NoError(t, s.st.Config.Delete(s.ctx, s.root.ID, "new"))
	w.tells("new=")
	s.delete(s.root)
	w.tells(key + "=5@")
}

// TestWatchAsSystem tells of all tenants, where something was changed.
func TestWatchAsSystem(t *testing.T) {
	t.Parallel()
	s := newCacheSite(t)
	st := s.open(t, nil)
	ctx, stop := context.WithCancel(s.ctx)
	events := make(chan core.ConfigEvent, 100)
	var loop sync.WaitGroup
	loop.Go(func() {
		for event, err := range st.Config.Watch(ctx, key) {
			if err != nil {
				t.Error(err)
			}
			events <- event
		}
	})
	next := func() core.ConfigEvent {
		select {
		case e := <-events:
			return e
		case <-time.After(time.Minute):
			require.Fail(t, "nothing was told")
			return core.ConfigEvent{}
		}
	}
	require.Equal(t, core.ConfigEvent{}, next(), "what was before may be anything")
	// What is changed before it listens is in another such event.
	for e := (core.ConfigEvent{}); e == (core.ConfigEvent{}); e = next() {
		s.set(s.acme, 1)
	}
	require.NoError(t, second(s.st.Config.Set(s.ctx, s.acme.ID, core.ConfigChange{Key: "color", Value: 1})))
	require.NoError(t, second(s.st.Tenants.Move(s.ctx, s.shop.ID, s.globex.ID)))
	for e := next(); e != (core.ConfigEvent{Tenant: s.shop.ID}); e = next() {
		require.Equal(t, core.ConfigEvent{Tenant: s.acme.ID, Key: key}, e, "told twice, and no other key")
	}
	stop()
	loop.Wait()
	require.Empty(t, events)
}

// TestWatchLosesItsConnection: the last state is told, however often the connection goes.
func TestWatchLosesItsConnection(t *testing.T) {
	t.Parallel()
	s := newCacheSite(t)
	st := s.open(t, func(o *core.Options) { o.ConfigCache.MaxStale = maxStale })
	w := watch(core.WithTenant(t.Context(), s.shop.ID), t, st, key)
	w.tells(key + "=")
	for n := range 20 {
		_, err := s.f.admin.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND usename = $1`, s.db.Name+"_system")
		require.NoError(t, err)
		set := func() bool { return second(s.try(s.acme, core.ConfigChange{Value: n})) == nil }
		require.Eventually(t, set, time.Minute, 20*time.Millisecond)
		w.until(fmt.Sprintf("%s=%d@%s", key, n, s.acme.Slug))
	}
}

// TestWatchTellsTheStateAndNotItsHistory: a slow loop is told the last of many changes, and nothing piles up.
func TestWatchTellsTheStateAndNotItsHistory(t *testing.T) {
	t.Parallel()
	s := newCacheSite(t)
	st := s.open(t, nil)
	told, reached := 0, false
	for event, err := range st.Config.Watch(core.WithTenant(t.Context(), s.shop.ID), key) {
		require.NoError(t, err)
		if told++; told == 1 {
			require.Nil(t, event.Value)
			for n := range 100 {
				s.set(s.acme, n)
			}
			continue
		}
		if reached = string(event.Value.Value) == "99"; reached {
			break
		}
	}
	require.True(t, reached)
	require.Less(t, told, 50)
}

// TestWatchEnds with the handle, with ctx, with the loop, and where ctx has no scope.
func TestWatchEnds(t *testing.T) {
	t.Parallel()
	s := newCacheSite(t)
	st := s.open(t, func(o *core.Options) { o.ConfigCache.Off = true })
	w := watch(core.WithTenant(t.Context(), s.shop.ID), t, st, key)
	w.tells(key + "=")
	s.set(s.acme, 1)
	w.tells(key + "=1@" + s.acme.Slug)
	require.NoError(t, st.Close())
	w.until("watch config: " + core.ErrClosed.Error())
	_, more := <-w.told
	require.False(t, more)
	for _, err := range st.Config.Watch(core.WithTenant(t.Context(), s.shop.ID)) {
		require.ErrorIs(t, err, core.ErrClosed)
	}
	for _, err := range s.st.Config.Watch(t.Context()) {
		require.ErrorIs(t, err, core.ErrNoTenant)
	}
	for _, err := range s.st.Config.Watch(core.WithTenant(t.Context(), uuid.New())) {
		require.ErrorIs(t, err, core.ErrTenantNotFound)
		break
	}
	ended, end := context.WithCancel(core.WithTenant(t.Context(), s.shop.ID))
	end()
	for _, err := range s.st.Config.Watch(ended) {
		require.Fail(t, "ctx has ended", err)
	}
}
