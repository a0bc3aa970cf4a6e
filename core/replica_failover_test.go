package core_test

import (
	"context"
	"database/sql"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/pgproxy"
)

// A replica that is down is not noticed but in the log, nor are both; a promoted one is no replica any more.
func TestReplicaFailover(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	log := new(journal)
	e := c.estate(t, "app", func(o *core.Options) { o.Logger = log.logger() })
	tenant := e.create(t, core.NewTenant{Slug: "failover"})
	note(t, e.st, tenant.ID, "kept")
	ctx := reader(t, tenant.ID)
	const who = "SELECT pg_postmaster_start_time()::text"
	var servers []string
	for _, server := range append(c.standbys, c.primary) {
		servers = append(servers, ask[string](t, server.URL("postgres"), who))
	}
	served := func() (server string) {
		requireBodies(ctx, t, e.st.DB(), "kept")
		require.NoError(t, e.st.DB().QueryRowContext(ctx, who).Scan(&server))
		return server
	}
	require.Eventually(t, func() bool {
		both := map[string]bool{served(): true, served(): true, served(): true}
		return both[servers[0]] && both[servers[1]]
	}, time.Minute, time.Millisecond, "both are read from")

	require.NoError(t, c.standbys[0].Close())
	for range 20 {
		require.Equal(t, servers[1], served())
	}
	require.Contains(t, log.read(), "a replica cannot be used for now")

	runAs(t, c.standbys[1].URL("postgres"), "SELECT pg_promote()")
	for range 20 {
		require.Equal(t, servers[2], served())
	}
	require.Contains(t, log.read(), "no streaming replica")
	tx, err := e.st.DB().BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	require.NoError(t, err)
	require.NoError(t, tx.Commit())
	require.NoError(t, c.standbys[1].Close())
	for range 20 {
		require.Equal(t, servers[2], served())
	}
}

// The primary's end does not end reads of tenants that have written nothing.
func TestReplicaOutlivesPrimary(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	e := c.estate(t, "app")
	reads, wrote := e.create(t, core.NewTenant{Slug: "reads"}), e.create(t, core.NewTenant{Slug: "writes"})
	comesToReplica(reader(t, reads.ID), t, e.st)
	comesToReplica(reader(t, wrote.ID), t, e.st)
	note(t, e.st, wrote.ID, "x")
	require.NoError(t, c.primary.Close())
	require.True(t, onReplica(reader(t, reads.ID), t, e.st.DB()))
	require.Error(t, e.st.DB().QueryRowContext(reader(t, wrote.ID), "SELECT 1").Scan(new(int)), "it may have been replayed or not")
	require.Error(t, e.st.DB().QueryRowContext(core.WithTenant(t.Context(), reads.ID), "SELECT 1").Scan(new(int)))
}

// A connection that breaks while it waits for an answer has the primary asked, once.
func TestReplicaConnectionBreaks(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	e := c.estate(t, "app")
	proxy, err := pgproxy.Start(t.Context(), c.standbys[0].URL("app"))
	require.NoError(t, err)
	defer func() { require.NoError(t, proxy.Close()) }()
	st := e.open(t, func(o *core.Options) { o.ReplicaDSNs = []string{proxy.DSN()} })
	tenant := e.create(t, core.NewTenant{Slug: "breaks"})
	ctx := reader(t, tenant.ID)
	comesToReplica(ctx, t, st)
	answer := make(chan bool)
	go func() {
		var standby bool
		err := st.DB().QueryRowContext(ctx, "SELECT pg_is_in_recovery() FROM (SELECT CASE WHEN pg_is_in_recovery() "+
			"THEN pg_sleep(60) END) x(y) WHERE y IS NOT NULL OR NOT pg_is_in_recovery()").Scan(&standby)
		answer <- err == nil && !standby
	}()
	require.Eventually(t, func() bool {
		return ask[bool](t, c.standbys[0].URL("postgres"), "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')")
	}, time.Minute, 20*time.Millisecond)
	proxy.Cut()
	require.True(t, <-answer)

	// Who gives up is not answered by the primary in the end.
	comesToReplica(ctx, t, st)
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, st.DB().QueryRowContext(short, "SELECT pg_sleep(60)").Scan(new(string)), context.DeadlineExceeded)
	comesToReplica(ctx, t, st)
}

// Signatures are made and checked on the standby as well.
func TestReplicaHardened(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	e := c.estate(t, "app", func(o *core.Options) { o.Hardened = true })
	tenants := trio(t, c, e, core.NewTenant{}, "hard")
	for isolation, tenant := range tenants {
		ctx := reader(t, tenant.ID)
		comesToReplica(ctx, t, e.st)
		for range 3 {
			requireBodies(ctx, t, e.st.DB(), "of hard-"+string(isolation))
		}
		comesToReplica(core.WithReplica(core.AsSystemAt(t.Context(), "test", tenant.ID)), t, e.st)
		tx, err := e.st.DB().BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
		require.NoError(t, err)
		require.True(t, onReplica(ctx, t, tx))
		requireBodies(ctx, t, tx, "of hard-"+string(isolation))
		require.NoError(t, tx.Commit())
		c.pause(t)
		note(t, e.st, tenant.ID, "second")
		requireBodies(ctx, t, e.st.DB(), "of hard-"+string(isolation)+",second")
		c.resume(t)
	}
	// The login for tenants cannot do on a standby what it cannot do on the primary: set a tenant without a proof.
	var n int
	err := queryAs(t, c.standbys[0].URLFor("app", "app_app", ""), &n, "SELECT set_config('stratum.tenant', '"+
		tenants[core.SharedIsolation].ID.String()+"', false), set_config('role', 'stratum_tenant', false)", "SELECT count(*) FROM notes")
	require.ErrorContains(t, err, "ST007")
}

// TestReplicaStorm has tenants write and read while replay stops and goes on: none ever fails to read its own write, and
// none sees another's.
func TestReplicaStorm(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	e := c.estate(t, "app", func(o *core.Options) { o.MaxConns = 8 })
	var tenants []uuid.UUID
	for i := range 6 {
		tenant := e.create(t, core.NewTenant{Slug: "storm-" + strconv.Itoa(i), Isolation: isolations()[i%3]})
		tenants = append(tenants, tenant.ID)
	}
	c.settle(t)
	storm := &weather{st: e.st, until: time.Now().Add(4 * time.Second)}
	var work sync.WaitGroup
	for i, tenant := range tenants {
		work.Go(func() { storm.rage(t, tenant, i) })
	}
	for storm.on() {
		c.pause(t)
		storm.await(t, &storm.primary)
		c.resume(t)
		storm.await(t, &storm.replica)
	}
	work.Wait()
	t.Logf("%d reads on replicas, %d on the primary", storm.replica.Load(), storm.primary.Load())
	require.Positive(t, storm.replica.Load())
	require.Positive(t, storm.primary.Load())
}

// weather is what goes on, and how many reads went where.
type weather struct {
	st               *core.Stratum
	until            time.Time
	replica, primary atomic.Int64
}

func (s *weather) on() bool { return time.Now().Before(s.until) }

// await waits until some more reads have gone to one side.
func (s *weather) await(t *testing.T, reads *atomic.Int64) {
	t.Helper()
	before := reads.Load()
	require.Eventually(t, func() bool { return reads.Load() > before+10 || !s.on() }, time.Minute, 20*time.Millisecond)
}

// rage writes one note after the other, and reads them.
func (s *weather) rage(t *testing.T, tenant uuid.UUID, seed int) {
	t.Helper()
	ctx := reader(t, tenant)
	all := writes(s.st)
	kinds := []string{"exec", "transaction", "returning", "tx of pgx"}
	for n := 1; s.on(); n++ {
		if err := all[kinds[(n+seed)%len(kinds)]](ctx, "x"); err != nil {
			t.Errorf("write: %v", err)
			return
		}
		for range 1 + n%5 {
			if !s.read(ctx, t, tenant, n) {
				return
			}
		}
	}
}

// read wants to see n notes of the tenant, and none of others.
func (s *weather) read(ctx context.Context, t *testing.T, tenant uuid.UUID, n int) bool {
	t.Helper()
	var found, foreign int
	var standby bool
	err := s.st.DB().QueryRowContext(ctx, "SELECT count(*), count(*) FILTER (WHERE tenant_id <> $1), pg_is_in_recovery() FROM notes",
		tenant).Scan(&found, &foreign, &standby)
	if err != nil || found != n || foreign != 0 {
		t.Errorf("%d notes of %d, %d foreign, standby %v: %v", found, n, foreign, standby, err)
		return false
	}
	if standby {
		s.replica.Add(1)
	} else {
		s.primary.Add(1)
	}
	return true
}
