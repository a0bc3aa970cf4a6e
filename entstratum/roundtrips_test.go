package entstratum_test

import (
	"context"
	"testing"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/ticket"
	"github.com/stratum-hq/stratum-go/internal/pgproxy"
)

// cost is what an operation costs in round trips, guarded.
type cost struct {
	trips int
	run   func(ctx context.Context, c *ent.Client) error
}

// costs are operations on the tenant's ticket.
func (n narrowing) costs() map[string]cost {
	fresh := func(c *ent.Client) *ent.TicketCreate {
		return c.Ticket.Create().SetNumber(uuid.NewString()).SetTenantID(n.ticket.TenantID)
	}
	return map[string]cost{
		"Get": {1, func(ctx context.Context, c *ent.Client) error { _, err := c.Ticket.Get(ctx, n.ticket.ID); return err }},
		"Query": {1, func(ctx context.Context, c *ent.Client) error {
			_, err := c.Ticket.Query().Where(ticket.Title("a")).All(ctx)
			return err
		}},
		"Count": {1, func(ctx context.Context, c *ent.Client) error { _, err := c.Ticket.Query().Count(ctx); return err }},
		"traversal": {1, func(ctx context.Context, c *ent.Client) error {
			_, err := c.Ticket.Query().QueryComments().All(ctx)
			return err
		}},
		"eager": {2, func(ctx context.Context, c *ent.Client) error {
			_, err := c.Ticket.Query().Where(ticket.ID(n.ticket.ID)).WithComments().All(ctx)
			return err
		}},
		"Create": {1, func(ctx context.Context, c *ent.Client) error { return fresh(c).Exec(ctx) }},
		"CreateBulk": {1, func(ctx context.Context, c *ent.Client) error {
			return c.Ticket.CreateBulk(fresh(c), fresh(c)).Exec(ctx)
		}},
		"upsert": {1, func(ctx context.Context, c *ent.Client) error {
			return fresh(c).SetID(n.ticket.ID).OnConflictColumns(ticket.FieldID).Ignore().Exec(ctx)
		}},
		"Update": {1, func(ctx context.Context, c *ent.Client) error { return c.Ticket.Update().SetTitle("a").Exec(ctx) }},
		"UpdateOne": {4, func(ctx context.Context, c *ent.Client) error {
			return c.Ticket.UpdateOneID(n.ticket.ID).SetTitle("a").Exec(ctx)
		}},
		"Delete": {1, func(ctx context.Context, c *ent.Client) error {
			_, err := c.Ticket.Delete().Where(ticket.Title("none")).Exec(ctx)
			return err
		}},
		"ExecContext": {1, func(ctx context.Context, c *ent.Client) error {
			_, err := c.ExecContext(ctx, "UPDATE tickets SET title = 'a'")
			return err
		}},
		"Tx": {3, func(ctx context.Context, c *ent.Client) error {
			tx, err := c.Tx(ctx)
			if err != nil {
				return err
			}
			if _, err := tx.Ticket.Get(ctx, n.ticket.ID); err != nil {
				return err
			}
			return tx.Commit()
		}},
		"BeginTx alone": {2, func(ctx context.Context, c *ent.Client) error {
			tx, err := c.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			return tx.Rollback()
		}},
	}
}

// The tenant travels with the statement: nothing costs more round trips than with plain ent.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	proxy, err := pgproxy.Start(t.Context(), n.DSN)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proxy.Close()) })
	options := n.Options()
	options.DSN = proxy.DSN()
	guarded := n.openStratum(t, options)
	// Plain ent sees the same rows: it is the superuser.
	admin, err := proxy.Rewrite(n.AdminDSN)
	require.NoError(t, err)
	config, err := pgx.ParseConfig(admin)
	require.NoError(t, err)
	pool := stdlib.OpenDB(*config)
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	plain := ent.NewClient(ent.Driver(sql.OpenDB(dialect.Postgres, pool)))

	for name, test := range n.costs() {
		measure := func(c *ent.Client) int {
			for range 2 { // the first has the statement described
				proxy.Reset()
				require.NoError(t, test.run(n.ctx, c), name)
			}
			return proxy.Counts().RoundTrips
		}
		trips := measure(guarded.client)
		require.Equal(t, test.trips, trips, name)
		require.GreaterOrEqual(t, measure(plain), trips, name+": plain ent needs no fewer")
	}
}
