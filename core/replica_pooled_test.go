package core_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/pgbouncer"
)

// replicaPooled has PgBouncer in transaction mode before the replica, so that tenants meet each other's connections.
func replicaPooled(t *testing.T, c *cluster, e estate) {
	t.Helper()
	standby := c.standbys[0]
	dsn := standby.URLFor(e.Name, e.Name+"_app", "")
	bouncer, err := pgbouncer.Start(t.Context(), pgbouncer.Options{
		DSNs: []string{dsn, standby.URLFor(e.Name, e.Name+"_system", "")},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, bouncer.Close()) })
	st := e.open(t, func(o *core.Options) {
		o.ReplicaDSNs = []string{bouncer.DSN(dsn) + "&default_query_exec_mode=cache_describe"}
	})
	acme, globex := trio(t, c, e, core.NewTenant{}, "pooled-a"), trio(t, c, e, core.NewTenant{}, "pooled-g")
	var g errgroup.Group
	for _, tenants := range []map[core.Isolation]core.Tenant{acme, globex} {
		for _, tenant := range tenants {
			ctx := reader(t, tenant.ID)
			comesToReplica(ctx, t, st)
			g.Go(func() error {
				for range 30 {
					var got string
					var standby bool
					err := st.DB().QueryRowContext(ctx, "SELECT string_agg(body, ','), pg_is_in_recovery() FROM notes").
						Scan(&got, &standby)
					if err != nil || got != "of "+tenant.Slug || !standby {
						return fmt.Errorf("%s: %q, standby %t: %w", tenant.Slug, got, standby, err)
					}
				}
				return nil
			})
		}
	}
	require.NoError(t, g.Wait())

	// Own writes are seen, and a tenant that is suspended is refused once the replica has heard of it.
	for isolation, tenant := range acme {
		ctx := reader(t, tenant.ID)
		c.pause(t)
		note(t, st, tenant.ID, "second")
		requireBodies(ctx, t, st.DB(), "of "+tenant.Slug+",second")
		c.resume(t)
		comesToReplica(ctx, t, st)
		require.NoError(t, st.Tenants.Suspend(t.Context(), tenant.ID))
		c.settle(t)
		require.ErrorIs(t, st.DB().QueryRowContext(ctx, "SELECT 1").Scan(new(int)), core.ErrTenantNotActive, isolation)
		requireBodies(reader(t, globex[isolation].ID), t, st.DB(), "of "+globex[isolation].Slug)
	}
}
