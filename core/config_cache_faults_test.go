package core_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/pgbouncer"
	"github.com/stratum-hq/stratum-go/internal/pgproxy"
)

// bound is how long after a commit a reader may see what was before it, while it hears nothing: its clock is late by up
// to 20 ms, and a test's machine may stop at any time between the look at the clock and the read.
const maxStale, slack = 300 * time.Millisecond, 100 * time.Millisecond

// faultyReader reads one tenant's config all the time and compares it with what was written, and when.
type faultyReader struct {
	mu     sync.Mutex
	writes []write // in the order of their commits
}

// write is one that had been committed at a time.
type write struct {
	version int64
	by      time.Time
}

// wrote is told of a commit as soon as it is known.
func (r *faultyReader) wrote(version int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes = append(r.writes, write{version, time.Now()})
}

// least is the version that a read which begins now must see at least.
func (r *faultyReader) least(now time.Time) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	var least int64
	for _, w := range r.writes {
		if now.Sub(w.by) > maxStale+slack {
			least = w.version
		}
	}
	return least
}

// run reads until ctx ends. Reads may fail where the registry's connections are cut; they are never too old.
func (r *faultyReader) run(ctx context.Context, t *testing.T, st *core.Stratum, tenant uuid.UUID) (reads int) {
	t.Helper()
	var last int64
	for ctx.Err() == nil {
		least := r.least(time.Now())
		v, err := version(ctx, st, tenant)
		if err != nil {
			continue
		}
		if v < least || v < last {
			t.Errorf("read version %d, with %d seen before and %d to be seen by now", v, last, least)
			return reads
		}
		last = v
		reads++
	}
	return reads
}

// TestConfigCacheLosesItsConnection ends the connection on which changes are heard of in the middle of writes, in every
// way there is. What is read is never older than the bound, never older than what was read before, and current in the
// end.
func TestConfigCacheLosesItsConnection(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(s *cacheSite, proxy *pgproxy.Proxy, n int){
		"the server ends it": func(s *cacheSite, _ *pgproxy.Proxy, _ int) {
			_, err := s.f.admin.Exec(s.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE datname = current_database() AND application_name = 'stratum: changes of config'`)
			require.NoError(s, err)
		},
		"the server ends all": func(s *cacheSite, _ *pgproxy.Proxy, _ int) {
			_, err := s.f.admin.Exec(s.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE datname = current_database() AND usename = $1 AND client_port <> -1`, s.db.Name+"_system")
			require.NoError(s, err)
		},
		"the network cuts it": func(_ *cacheSite, proxy *pgproxy.Proxy, _ int) { proxy.Cut() },
		"the network is silent": func(_ *cacheSite, proxy *pgproxy.Proxy, n int) {
			proxy.Delay(time.Duration(n%2) * time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newCacheSite(t)
			proxy, err := pgproxy.Start(t.Context(), s.db.SystemDSN)
			require.NoError(t, err)
			t.Cleanup(func() { _ = proxy.Close() })
			st := s.open(t, func(o *core.Options) {
				o.ConfigCache.ListenDSN, o.ConfigCache.MaxStale = proxy.DSN(), maxStale
			})
			reader := &faultyReader{}
			ctx, stop := context.WithCancel(t.Context())
			var reading sync.WaitGroup
			reading.Go(func() {
				if reader.run(ctx, t, st, s.shop.ID) == 0 {
					t.Error("nothing was read")
				}
			})
			places := []core.Tenant{s.root, s.acme, s.shop}
			for n := range 20 {
				// The nearest is set last, so that each write is the one that holds.
				if n%4 == 0 {
					fault(s, proxy, n/4)
				}
				reader.wrote(s.set(places[min(n/7, 2)], n).Version)
				for range rand.IntN(20) {
					s.mustVersion(s.st, s.shop)
				}
			}
			proxy.Delay(0)
			require.Eventually(t, func() bool {
				return s.mustVersion(st, s.shop) == s.mustVersion(s.st, s.shop)
			}, time.Minute, 20*time.Millisecond)
			stop()
			reading.Wait()
		})
	}
}

// TestConfigCacheNoticesSilence: a connection that leads nowhere any more says nothing. Within the bound that is taken
// for what it is.
func TestConfigCacheNoticesSilence(t *testing.T) {
	t.Parallel()
	s := newCacheSite(t)
	proxy, err := pgproxy.Start(t.Context(), s.db.SystemDSN)
	require.NoError(t, err)
	t.Cleanup(func() { _ = proxy.Close() })
	const stale = time.Second
	st := s.open(t, func(o *core.Options) { o.ConfigCache.ListenDSN, o.ConfigCache.MaxStale = proxy.DSN(), stale })
	s.set(s.acme, 1)
	require.Eventually(t, func() bool {
		before := proxy.Counts().RoundTrips
		s.mustVersion(st, s.shop)
		return before > 3
	}, time.Minute, time.Millisecond, "it listens")
	proxy.Delay(time.Hour)
	want := s.set(s.acme, 2).Version
	committed := time.Now()
	for s.mustVersion(st, s.shop) != want {
		require.Less(t, time.Since(committed), stale+2*slack)
	}
	for n := range 5 {
		want, committed := s.set(s.acme, n).Version, time.Now()
		for s.mustVersion(st, s.shop) != want {
			require.Less(t, time.Since(committed), stale+2*slack, "changes are looked for")
		}
	}
	begun := time.Now()
	require.NoError(t, st.Close())
	require.Less(t, time.Since(begun), 10*time.Second)
}

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// TestConfigCacheBehindAPooler: notifications do not come through one in transaction mode. Changes are looked for,
// unless there is a way past it.
func TestConfigCacheBehindAPooler(t *testing.T) {
	t.Parallel()
	s := newCacheSite(t)
	bouncer, err := pgbouncer.Start(t.Context(), pgbouncer.Options{DSNs: []string{s.db.SystemDSN}, PoolSize: 4})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, bouncer.Close()) })
	listeners := func() (n int) {
		require.NoError(t, s.f.admin.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'stratum: changes of config'
				AND query LIKE '%config_changes%'`).Scan(&n))
		return n
	}
	var log syncBuffer
	asked := func(listen string, stale time.Duration) *core.Stratum {
		return s.open(t, func(o *core.Options) {
			o.Logger = slog.New(slog.NewTextHandler(&log, nil))
			o.SystemDSN = bouncer.DSN(s.db.SystemDSN)
			o.ConfigCache.ListenDSN, o.ConfigCache.MaxStale = listen, stale
		})
	}
	polling, listening := asked("", maxStale), asked(s.db.SystemDSN, time.Hour)
	s.mustVersion(listening, s.shop)
	require.Eventually(t, func() bool { return listeners() > 0 }, time.Minute, 20*time.Millisecond)
	for n := range 10 {
		want := s.set(s.acme, n).Version
		committed := time.Now()
		for _, st := range []*core.Stratum{polling, listening} {
			seen := func() bool { return s.mustVersion(st, s.shop) == want }
			require.Eventually(t, seen, time.Minute, 20*time.Millisecond)
		}
		require.Less(t, time.Since(committed), maxStale+20*slack)
	}
	require.Equal(t, 1, strings.Count(log.String(), "a pooler stands in front of the server"), "once, by one of them")
}

// TestConfigCacheDropsAllWhereItCannotKnow: a change that was written down nowhere, as when it has been trimmed away,
// is seen after the connection was lost all the same.
func TestConfigCacheDropsAllWhereItCannotKnow(t *testing.T) {
	t.Parallel()
	s := newCacheSite(t)
	st, proxy := s.proxied(t)
	s.set(s.acme, 1)
	s.isKept(st, proxy, s.tenants()...)
	_, err := s.f.admin.Exec(t.Context(), `ALTER TABLE stratum.config DISABLE TRIGGER note_config;
		UPDATE stratum.config SET value = '7'; ALTER TABLE stratum.config ENABLE ALWAYS TRIGGER note_config;
		INSERT INTO stratum.config_horizon (xid, source)
			SELECT (pg_current_xact_id()::text::bigint + 1)::text::xid8, stratum.config_source()`)
	require.NoError(t, err)
	require.Equal(t, "1", s.value(st, s.shop), "nobody has told")
	proxy.Cut()
	require.Eventually(t, func() bool { return s.value(st, s.shop) == "7" }, time.Minute, 20*time.Millisecond)
	s.isKept(st, proxy, s.shop)
	require.Equal(t, "7", s.value(st, s.lab), "who was not asked for meanwhile, too")
}

// childConfig tells a child of the test where to write config.
const childConfig = "STRATUM_TEST_CONFIG"

// configJob is what a child does.
type configJob struct {
	DSN, SystemDSN, OwnerDSN string
	Tenants                  []uuid.UUID
	Writes                   int
}

// configChild writes config like any application would.
func configChild(text string) int { return childCode(writeAsChild(context.Background(), text)) }

func writeAsChild(ctx context.Context, text string) error {
	var j configJob
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	st, err := core.Open(ctx, core.Options{
		DSN: j.DSN, SystemDSN: j.SystemDSN, OwnerDSN: j.OwnerDSN, NoCopies: true,
	})
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }()
	ctx = core.AsSystem(ctx, "a test writes")
	fmt.Println("begin")
	for n := range j.Writes {
		tenant := j.Tenants[rand.IntN(len(j.Tenants))]
		switch rand.IntN(8) {
		case 0:
			_, _ = st.Config.Lock(ctx, tenant, key) // where it is set and not locked above
		case 1:
			_ = st.Config.Unlock(ctx, tenant, key)
		case 2:
			_ = st.Config.Delete(ctx, tenant, key)
		case 3:
			_, _ = st.Tenants.Move(ctx, j.Tenants[len(j.Tenants)-1], j.Tenants[rand.IntN(len(j.Tenants))])
		default:
			_, _ = st.Config.Set(ctx, tenant, core.ConfigChange{Key: key, Value: n})
		}
	}
	return nil
}

// TestConfigCacheBesideThreeProcesses: three processes write, set, lock, delete and move, and end, twice. Then what is
// read from memory is what the registry has, and what the model says, for every tenant. Meanwhile no tenant's own entry
// is seen to go back.
func TestConfigCacheBesideThreeProcesses(t *testing.T) {
	t.Parallel()
	s := newCacheSite(t)
	st := s.open(t, nil)
	var ids []uuid.UUID
	for _, tenant := range s.tenants() {
		ids = append(ids, tenant.ID)
	}
	ctx, stop := context.WithCancel(t.Context())
	var reading, writing sync.WaitGroup
	reading.Go(func() { neverBack(ctx, t, st, ids) })
	for range 2 {
		for range 3 {
			child := s.child(t, configJob{Tenants: ids, Writes: 60})
			writing.Go(func() {
				if err := child.Wait(); err != nil {
					t.Error(err)
				}
			})
		}
		writing.Wait()
		model := s.model()
		for _, tenant := range s.tenants() {
			held, _ := model.held(tenant.ID, key)
			require.Equal(t, held.value, s.value(s.st, tenant))
			require.Eventually(t, func() bool {
				return s.value(st, tenant) == held.value && s.mustVersion(st, tenant) == s.mustVersion(s.st, tenant)
			}, time.Minute, 20*time.Millisecond)
		}
	}
	stop()
	reading.Wait()
}

// model is the reference model of what the registry has for the key.
func (s *cacheSite) model() *configMachine {
	s.Helper()
	m := &configMachine{
		machine: machine{model: &modelForest{nodes: make(map[uuid.UUID]*modelNode)}},
		entries: make(map[uuid.UUID]map[string]modelEntry),
	}
	for _, tenant := range s.tenants() {
		now, err := s.st.Tenants.Get(s.ctx, tenant.ID)
		require.NoError(s, err)
		m.model.nodes[tenant.ID] = &modelNode{parent: now.ParentID, status: now.Status}
		own, err := s.st.Config.Own(s.ctx, tenant.ID)
		require.NoError(s, err)
		m.entries[tenant.ID] = make(map[string]modelEntry)
		for _, v := range own {
			m.entries[tenant.ID][v.Key] = modelEntry{value: string(v.Value), locked: v.Locked}
		}
	}
	return m
}

// neverBack reads all tenants until ctx ends. The version of what holds may fall, where a lock or a move has another
// entry hold; that of one and the same tenant's entry never does.
func neverBack(ctx context.Context, t *testing.T, st *core.Stratum, tenants []uuid.UUID) {
	t.Helper()
	seen := map[[2]uuid.UUID]int64{}
	for ctx.Err() == nil {
		for _, tenant := range tenants {
			values, err := st.Config.Resolve(core.AsSystem(ctx, "a test reads"), tenant)
			if err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			for _, v := range values {
				of := [2]uuid.UUID{tenant, v.Source.ID}
				if v.Version < seen[of] {
					t.Errorf("version %d after %d", v.Version, seen[of])
				}
				seen[of] = v.Version
			}
		}
	}
}

// child starts a process and returns once it has begun to write.
func (s *cacheSite) child(t *testing.T, j configJob) *exec.Cmd {
	t.Helper()
	j.DSN, j.SystemDSN, j.OwnerDSN = s.db.DSN, s.db.SystemDSN, s.db.OwnerDSN
	text, err := json.Marshal(j)
	require.NoError(t, err)
	executable, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), executable)
	cmd.Env = append(slices.Clone(os.Environ()), childConfig+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "begin\n", line)
	return cmd
}
