package guard_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/stratum-hq/stratum-go/internal/guard"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

const (
	fleetBudget    = 12
	fleetPools     = 30
	fleetDatabases = 10
	fleetWorkers   = 48
	fleetSteps     = 60
)

var errUnlucky = errors.New("stratum: a check that fails now and then")

// TestBudgetInAStorm has 48 borrowers over 30 pools of 10 databases, of which a third give up at a random moment: in
// line, while a connection is dialled, during a statement. Some connections fail their check, some are cut while they
// are lent. The budget of 12 holds as the server counts, everybody gets a connection of the database that was meant,
// and nothing is left in the end.
func TestBudgetInAStorm(t *testing.T) {
	t.Parallel()
	databases := make([]*stratumtest.Database, fleetDatabases)
	for i := range databases {
		databases[i] = stratumtest.EmptyDatabase(t)
	}
	f := newFleet(t, fleetBudget, fleetPools, func(i int, config *guard.PoolConfig) {
		name := config.Pool.ConnConfig.RuntimeParams["application_name"]
		size := int32(1 + i%4)
		config.Pool = poolConfig(t, databases[i%fleetDatabases].AdminDSN, size).Pool
		config.Pool.ConnConfig.RuntimeParams["application_name"] = name
		config.IdleTimeout = time.Duration(i%3) * 20 * time.Millisecond
		config.Check = func(context.Context, *pgx.Conn) error {
			if rand.IntN(20) == 0 {
				return errUnlucky
			}
			return nil
		}
	})
	most := f.watch(t)
	var group errgroup.Group
	for worker := range fleetWorkers {
		random := rand.New(rand.NewPCG(12, uint64(worker)))
		group.Go(func() error {
			for range fleetSteps {
				i := random.IntN(fleetPools)
				if err := f.step(t.Context(), random, i, databases[i%fleetDatabases].Name); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	seen := most()
	require.Positive(t, seen)
	require.LessOrEqual(t, seen, fleetBudget)
	stats := f.budget.Stats()
	require.Equal(t, fleetBudget, stats.Peak)
	require.Positive(t, stats.Evictions)
	require.Zero(t, stats.Leased)
	require.Zero(t, stats.Waiting)
	for i := range fleetPools { // each is as good as new
		require.Eventually(t, func() bool { return f.pools[i].Ping(t.Context()) == nil }, waitFor, tick)
	}
}

// step is one borrower. An error is one that should not be.
func (f *fleet) step(ctx context.Context, random *rand.Rand, i int, database string) error {
	if random.IntN(3) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(random.IntN(8000))*time.Microsecond)
		defer cancel()
	}
	if random.IntN(30) == 0 {
		return expected(ctx, guard.Abandon(ctx, f.pools[i]))
	}
	tx, err := f.pools[i].BeginTx(ctx, pgx.TxOptions{})
	if err != nil {
		return expected(ctx, err)
	}
	defer tx.Rollback(ctx) //nolint:errcheck // it is committed, or its connection is gone
	var where, who string
	err = tx.QueryRow(ctx, "SELECT current_database(), current_setting('application_name') FROM pg_sleep($1)",
		random.Float64()/500).Scan(&where, &who)
	if err != nil {
		return expected(ctx, err)
	}
	if where != database || who != f.of(i) {
		return fmt.Errorf("a connection of %s to %s was lent for %s", who, where, database)
	}
	return expected(ctx, tx.Commit(ctx))
}

// expected passes over what a borrower that gives up must expect, and the unlucky one.
func expected(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, errUnlucky) {
		return nil //nolint:nilerr // it was to be expected
	}
	return err
}
