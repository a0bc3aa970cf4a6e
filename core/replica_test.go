package core_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/pgproxy"
)

// TestReplica has one cluster for all that leaves it as it was.
func TestReplica(t *testing.T) { //nolint:tparallel // they pause the same standby
	t.Parallel()
	c := newCluster(t, 1)
	e := c.estate(t, "app")
	for _, test := range []struct { //nolint:paralleltest // they pause the same standby
		name string
		run  func(t *testing.T, c *cluster, e estate)
	}{
		{"what goes there", replicaServes},
		{"what does not", replicaDoesNotServe},
		{"own writes", replicaOwnWrites},
		{"a write in a query", replicaWriteInQuery},
		{"isolation", replicaIsolation},
		{"status", replicaStatus},
		{"a change under way", replicaUnsettled},
		{"one snapshot", replicaSnapshot},
		{"a new tenant", replicaNewTenant},
		{"tokens", replicaTokens},
		{"lag", replicaLag},
		{"round trips", replicaRoundTrips},
		{"modes", replicaModes},
		{"placement", replicaPlacement},
		{"behind PgBouncer", replicaPooled},
		{"no replica", replicaIsNone},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, c, e) })
	}
}

// trio makes a tenant of each isolation, each with a note.
func trio(t *testing.T, c *cluster, e estate, n core.NewTenant, slug string) map[core.Isolation]core.Tenant {
	t.Helper()
	tenants := map[core.Isolation]core.Tenant{}
	for _, isolation := range isolations() {
		n.Slug, n.Isolation = slug+"-"+string(isolation), isolation
		tenants[isolation] = e.create(t, n)
		note(t, e.st, tenants[isolation].ID, "of "+n.Slug)
	}
	c.settle(t)
	return tenants
}

func replicaServes(t *testing.T, c *cluster, e estate) {
	t.Helper()
	for isolation, tenant := range trio(t, c, e, core.NewTenant{}, "serves") {
		ctx := reader(t, tenant.ID)
		comesToReplica(ctx, t, e.st)
		requireBodies(ctx, t, e.st.DB(), "of serves-"+string(isolation))
		require.True(t, onReplica(core.WithReplica(core.WithSubtree(t.Context(), tenant.ID)), t, e.st.DB()))
		at := core.WithReplica(core.AsSystemAt(t.Context(), "test", tenant.ID))
		comesToReplica(at, t, e.st)

		tx, err := e.st.DB().BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
		require.NoError(t, err)
		require.True(t, onReplica(ctx, t, tx))
		requireBodies(ctx, t, tx, "of serves-"+string(isolation))
		require.NoError(t, tx.Commit())
		require.NoError(t, e.st.BeginTxFunc(ctx, &sql.TxOptions{ReadOnly: true}, func(tx *core.Tx) error {
			var standby bool
			require.NoError(t, tx.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&standby))
			require.True(t, standby)
			return nil
		}))
	}
	comesToReplica(core.WithReplica(core.AsSystem(t.Context(), "test")), t, e.st)
	lookup, err := core.NewLookup[bool](e.st, "which server", "SELECT pg_is_in_recovery()")
	require.NoError(t, err)
	standby, err := lookup.One(core.WithReplica(t.Context()))
	require.NoError(t, err)
	require.True(t, standby)
	standby, err = lookup.One(t.Context())
	require.NoError(t, err)
	require.False(t, standby)
}

func replicaDoesNotServe(t *testing.T, _ *cluster, e estate) {
	t.Helper()
	tenant := e.create(t, core.NewTenant{Slug: "not-served"})
	plain, ctx := core.WithTenant(t.Context(), tenant.ID), reader(t, tenant.ID)
	comesToReplica(ctx, t, e.st)
	db := e.st.DB()
	require.False(t, onReplica(plain, t, db))
	for _, query := range []string{
		"SELECT pg_is_in_recovery() FROM (SELECT 1 FOR UPDATE) x", "SELECT pg_is_in_recovery() FOR SHARE",
		"SELECT pg_is_in_recovery() FROM pg_advisory_xact_lock(1)",
		"WITH n AS (INSERT INTO notes (body) VALUES ('x') RETURNING id) SELECT pg_is_in_recovery() FROM n",
		"INSERT INTO notes (body) VALUES ('y') RETURNING pg_is_in_recovery()",
		"DELETE FROM notes WHERE body = 'y' RETURNING pg_is_in_recovery()",
	} {
		var standby bool
		require.NoError(t, db.QueryRowContext(ctx, query).Scan(&standby), query)
		require.False(t, standby, query)
	}
	_, err := db.ExecContext(ctx, "SELECT try_note('by Exec')")
	require.NoError(t, err)
	for _, options := range []*sql.TxOptions{nil, {ReadOnly: true, Isolation: sql.LevelSerializable}} {
		tx, err := db.BeginTx(ctx, options)
		require.NoError(t, err)
		require.False(t, onReplica(ctx, t, tx))
		require.NoError(t, tx.Commit())
	}
	requireBodies(ctx, t, db, "by Exec,x")
	_, err = db.ExecContext(core.WithReplica(t.Context()), "SELECT 1")
	require.ErrorIs(t, err, core.ErrNoTenant)
	require.ErrorIs(t, db.QueryRowContext(core.WithReplica(t.Context()), "SELECT 1").Scan(new(int)), core.ErrNoTenant)
}

func replicaIsolation(t *testing.T, c *cluster, e estate) {
	t.Helper()
	for isolation, acme := range trio(t, c, e, core.NewTenant{}, "acme") {
		globex := e.create(t, core.NewTenant{Slug: "globex-" + string(isolation), Isolation: isolation})
		foreign := note(t, e.st, globex.ID, "secret")
		c.settle(t)
		ctx := reader(t, acme.ID)
		comesToReplica(ctx, t, e.st)
		comesToReplica(reader(t, globex.ID), t, e.st)
		for _, ctx := range []context.Context{ctx, core.WithReplica(core.WithSubtree(t.Context(), acme.ID))} {
			for _, query := range []string{
				"SELECT count(*) FROM notes WHERE tenant_id = $1", "SELECT count(*) FROM marks WHERE tenant_id = $1",
				"SELECT count(*) FROM (SELECT tenant_id FROM notes UNION ALL SELECT tenant_id FROM public.notes) x WHERE tenant_id = $1",
			} {
				var n int
				err := e.st.DB().QueryRowContext(ctx, query, globex.ID).Scan(&n)
				if err == nil {
					require.Zero(t, n, query)
				}
			}
			var body string
			err := e.st.DB().QueryRowContext(ctx, "SELECT body FROM notes WHERE id = $1 AND body = 'secret'", foreign).Scan(&body)
			require.ErrorIs(t, err, sql.ErrNoRows)
			requireBodies(ctx, t, e.st.DB(), "of acme-"+string(isolation))
		}
		// One connection after the other.
		for range 20 {
			requireBodies(reader(t, globex.ID), t, e.st.DB(), "secret")
			requireBodies(ctx, t, e.st.DB(), "of acme-"+string(isolation))
		}
		tx, err := e.st.DB().BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
		require.NoError(t, err)
		require.ErrorIs(t, tx.QueryRowContext(reader(t, globex.ID), "SELECT 1").Scan(new(int)), core.ErrTenantMismatch)
		require.NoError(t, tx.Rollback())
	}
	require.ErrorIs(t, e.st.DB().QueryRowContext(reader(t, uuid.New()), "SELECT 1").Scan(new(int)), core.ErrTenantUnknown)
	var name string
	require.NoError(t, e.st.DB().QueryRowContext(reader(t, e.create(t, core.NewTenant{Slug: "g"}).ID),
		"SELECT name FROM countries WHERE code = 'de'").Scan(&name))
}

func replicaStatus(t *testing.T, c *cluster, e estate) {
	t.Helper()
	for isolation, tenant := range trio(t, c, e, core.NewTenant{}, "status") {
		ctx := reader(t, tenant.ID)
		comesToReplica(ctx, t, e.st)
		c.pause(t)
		require.NoError(t, e.st.Tenants.Suspend(t.Context(), tenant.ID))
		err := e.st.DB().QueryRowContext(core.WithTenant(t.Context(), tenant.ID), "SELECT 1").Scan(new(int))
		require.ErrorIs(t, err, core.ErrTenantNotActive)
		require.True(t, onReplica(ctx, t, e.st.DB()), "it has not heard yet")
		c.resume(t)
		c.settle(t)
		require.ErrorIs(t, e.st.DB().QueryRowContext(ctx, "SELECT 1").Scan(new(int)), core.ErrTenantNotActive, isolation)
		_, err = e.st.DB().BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
		require.ErrorIs(t, err, core.ErrTenantNotActive)
		c.pause(t)
		require.NoError(t, e.st.Tenants.Resume(t.Context(), tenant.ID))
		require.False(t, onReplica(ctx, t, e.st.DB()), "the primary has the last word")
		c.resume(t)
		comesToReplica(ctx, t, e.st)
	}
}

// A read-only transaction sees what it has been admitted to, also where that is gone meanwhile: on the primary the tenant's
// lock would keep it there.
func replicaSnapshot(t *testing.T, c *cluster, e estate) {
	t.Helper()
	tenant := trio(t, c, e, core.NewTenant{}, "snapshot")[core.SharedIsolation]
	ctx := reader(t, tenant.ID)
	comesToReplica(ctx, t, e.st)
	tx, err := e.st.DB().BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelReadCommitted})
	require.NoError(t, err)
	require.True(t, onReplica(ctx, t, tx))
	require.NoError(t, e.st.Tenants.Suspend(t.Context(), tenant.ID))
	runAs(t, e.AdminDSN, "DELETE FROM notes WHERE tenant_id = '"+tenant.ID.String()+"'")
	c.settle(t)
	requireBodies(ctx, t, tx, "of snapshot-shared")
	require.NoError(t, tx.Commit())
	require.ErrorIs(t, e.st.DB().QueryRowContext(ctx, "SELECT 1").Scan(new(int)), core.ErrTenantNotActive)
}

// The epoch of a change reaches a replica before the change itself, whose snapshots do not show that it is under way. A
// replica that remembered the tenant as active in the new epoch would go on serving it for good.
func replicaUnsettled(t *testing.T, c *cluster, e estate) {
	t.Helper()
	tenant := e.create(t, core.NewTenant{Slug: "unsettled"})
	ctx := reader(t, tenant.ID)
	comesToReplica(ctx, t, e.st)
	commit := c.underWay(t, e, "UPDATE stratum.tenants SET status = 'suspended' WHERE id = '"+tenant.ID.String()+"'")
	for range 3 {
		require.True(t, onReplica(ctx, t, e.st.DB()))
	}
	commit()
	c.settle(t)
	require.ErrorIs(t, e.st.DB().QueryRowContext(ctx, "SELECT 1").Scan(new(int)), core.ErrTenantNotActive)

	// What the primary has said of an epoch does not hold for a replica that has yet to see the change.
	commit = c.underWay(t, e, "UPDATE stratum.tenants SET status = 'active' WHERE id = '"+tenant.ID.String()+"'")
	c.pause(t)
	defer c.resume(t)
	commit()
	for range 3 {
		require.False(t, onReplica(core.WithTenant(t.Context(), tenant.ID), t, e.st.DB()))
		require.False(t, onReplica(ctx, t, e.st.DB()))
	}
	c.resume(t)
	comesToReplica(ctx, t, e.st)
}

func replicaNewTenant(t *testing.T, c *cluster, e estate) {
	t.Helper()
	comesToReplica(core.WithReplica(core.AsSystem(t.Context(), "test")), t, e.st)
	c.pause(t)
	defer c.resume(t)
	for _, isolation := range isolations() {
		tenant := e.create(t, core.NewTenant{Slug: "new-" + string(isolation), Isolation: isolation})
		requireBodies(reader(t, tenant.ID), t, e.st.DB(), "")
		note(t, e.st, tenant.ID, "first")
		requireBodies(reader(t, tenant.ID), t, e.st.DB(), "first")
	}
}

func replicaRoundTrips(t *testing.T, c *cluster, e estate) {
	t.Helper()
	primary, err := pgproxy.Start(t.Context(), e.DSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, primary.Close()) }()
	replica, err := pgproxy.Start(t.Context(), c.standbys[0].URL(e.Name))
	require.NoError(t, err)
	defer func() { require.NoError(t, replica.Close()) }()
	st := e.open(t, func(o *core.Options) {
		o.DSN, o.ReplicaDSNs = primary.DSN(), []string{replica.DSN()}
	})
	tenant := e.create(t, core.NewTenant{Slug: "trips"})
	c.settle(t)
	ctx := reader(t, tenant.ID)
	comesToReplica(ctx, t, st)
	for range 5 {
		primary.Reset()
		replica.Reset()
		require.True(t, onReplica(ctx, t, st.DB()))
		require.Equal(t, []int{0, 1}, []int{primary.Counts().RoundTrips, replica.Counts().RoundTrips})
	}
	// A transaction brings the position with its commit; the replica is asked once.
	c.pause(t)
	primary.Reset()
	require.NoError(t, writes(st)["transaction"](core.WithTenant(t.Context(), tenant.ID), "x"))
	require.LessOrEqual(t, primary.Counts().RoundTrips, 4, "begin, describe, insert, commit")
	c.resume(t)
	c.settle(t)
	primary.Reset()
	replica.Reset()
	require.True(t, onReplica(ctx, t, st.DB()))
	require.Equal(t, []int{0, 2}, []int{primary.Counts().RoundTrips, replica.Counts().RoundTrips})
	// A statement leaves the position to be asked for.
	require.NoError(t, writes(st)["exec"](core.WithTenant(t.Context(), tenant.ID), "x"))
	c.settle(t)
	primary.Reset()
	replica.Reset()
	comesToReplica(ctx, t, st)
	require.LessOrEqual(t, primary.Counts().RoundTrips, 2)
	require.True(t, onReplica(ctx, t, st.DB()))
	primary.Reset()
	require.True(t, onReplica(ctx, t, st.DB()))
	require.Zero(t, primary.Counts().RoundTrips)
}

// Tenants at another placement have its replicas, whatever their isolation.
func replicaPlacement(t *testing.T, c *cluster, e estate) {
	t.Helper()
	db := c.database(t, "eu")
	placement := core.Placement{
		Name: "eu", DSN: e.dsns.put("eu/data", db.DSN), SystemDSN: e.dsns.put("eu/system", db.SystemDSN),
		OwnerDSN: e.dsns.put("eu/owner", db.OwnerDSN),
	}
	_, err := e.st.Placements.Register(t.Context(), placement)
	require.NoError(t, err)
	tenants := trio(t, c, e, core.NewTenant{Placement: "eu"}, "eu")
	for _, tenant := range tenants {
		require.False(t, onReplica(reader(t, tenant.ID), t, e.st.DB()))
	}
	placement.ReplicaDSNs = []string{e.dsns.put("eu/replica", c.standbys[0].URL("postgres"))}
	_, err = e.st.Placements.Register(t.Context(), placement)
	require.NoError(t, err)
	for isolation, tenant := range tenants {
		ctx := reader(t, tenant.ID)
		comesToReplica(ctx, t, e.st)
		requireBodies(ctx, t, e.st.DB(), "of eu-"+string(isolation))
		c.pause(t)
		note(t, e.st, tenant.ID, "second")
		requireBodies(ctx, t, e.st.DB(), "of eu-"+string(isolation)+",second")
		c.resume(t)
		comesToReplica(ctx, t, e.st)
		comesToReplica(core.WithReplica(core.AsSystemAt(t.Context(), "test", tenant.ID)), t, e.st)
	}
	// The registry's own may be registered, too.
	_, err = e.st.Placements.Register(t.Context(), core.Placement{
		Name: "home", ReplicaDSNs: []string{"vault:eu/replica"},
	})
	require.NoError(t, err)
	shared := e.create(t, core.NewTenant{Slug: "home-registered", Placement: "home"})
	st := e.open(t)
	e.dsns.put("eu/replica", "")
	require.False(t, onReplica(reader(t, shared.ID), t, st.DB()), "the reference leads nowhere")
	e.dsns.put("eu/replica", c.standbys[0].URL("postgres"))
	comesToReplica(reader(t, shared.ID), t, st)
}

// A server that is no replica is not read from, and the reads are answered.
func replicaIsNone(t *testing.T, c *cluster, e estate) {
	t.Helper()
	tenant := e.create(t, core.NewTenant{Slug: "none"})
	stranger := startServer(t, newStranger())
	for name, dsn := range map[string]string{
		"the primary": c.primary.URL("postgres"), "another server": stranger.URL("postgres"),
		"nobody": "postgres://127.0.0.1:1/x?sslmode=disable",
	} {
		log := new(journal)
		st := e.open(t, func(o *core.Options) { o.ReplicaDSNs, o.Logger = []string{dsn}, log.logger() })
		for range 3 {
			require.False(t, onReplica(reader(t, tenant.ID), t, st.DB()), name)
		}
		require.Contains(t, log.read(), "a replica cannot be used for now", name)
		require.NotContains(t, log.read(), "postgres://", name)
	}
	_, err := core.Open(t.Context(), e.options(func(o *core.Options) { o.ReplicaDSNs = []string{"postgres://a:pw@h:x/"} }))
	require.ErrorIs(t, err, core.ErrConfig)
	require.NotContains(t, err.Error(), "pw")
	_, err = core.Open(t.Context(), e.options(func(o *core.Options) { o.MaxReplicaLag = -1 }))
	require.ErrorIs(t, err, core.ErrConfig)
}
