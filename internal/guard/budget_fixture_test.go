package guard_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/guard"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// fleet is some pools that share a budget. Their connections bear names that no others of the server have.
type fleet struct {
	dsn    string // of a superuser, who sees what others run
	name   string
	budget *guard.Budget
	pools  []*guard.Pool
}

// newFleet makes n pools of a database, of two connections each where change does not say otherwise.
func newFleet(tb testing.TB, budget, n int, change func(i int, config *guard.PoolConfig)) *fleet {
	tb.Helper()
	d := stratumtest.EmptyDatabase(tb)
	f := &fleet{dsn: d.AdminDSN, name: d.Name, budget: guard.NewBudget(budget)}
	for i := range n {
		config := poolConfig(tb, d.AdminDSN, 2)
		config.Budget = f.budget
		config.Pool.ConnConfig.RuntimeParams["application_name"] = f.of(i)
		if change != nil {
			change(i, &config)
		}
		f.add(tb, config)
	}
	tb.Cleanup(func() { f.close(tb) })
	return f
}

func poolConfig(tb testing.TB, dsn string, size int32) guard.PoolConfig {
	tb.Helper()
	config, err := pgxpool.ParseConfig(dsn)
	require.NoError(tb, err)
	config.MaxConns = size
	// Enter needs the schema stratum; here nobody enters.
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec
	return guard.PoolConfig{
		Pool: config, Forms: guard.NewForms(guard.FormOptions{}),
		Check: func(context.Context, *pgx.Conn) error { return nil },
	}
}

func (f *fleet) add(tb testing.TB, config guard.PoolConfig) {
	tb.Helper()
	pool, err := guard.NewPool(tb.Context(), config)
	require.NoError(tb, err)
	f.pools = append(f.pools, pool)
}

// of is the name of connections of a pool.
func (f *fleet) of(i int) string { return fmt.Sprintf("%s %d", f.name, i) }

// close closes all pools, and looks that nothing is left of them.
func (f *fleet) close(tb testing.TB) {
	tb.Helper()
	for _, p := range f.pools {
		require.NoError(tb, p.Close())
		stats := p.Stats()
		require.Zero(tb, stats.Open)
		require.Zero(tb, stats.InUse)
		require.Equal(tb, stats.Dials, stats.Closes)
	}
	stats := f.budget.Stats()
	require.LessOrEqual(tb, stats.Peak, stats.Max)
	want := guard.BudgetStats{Max: stats.Max, Peak: stats.Peak, Evictions: stats.Evictions}
	require.Equal(tb, want, stats)
}

// use borrows a connection of a pool for a moment.
func (f *fleet) use(tb testing.TB, i int) {
	tb.Helper()
	require.NoError(tb, f.pools[i].Ping(tb.Context()))
}

// open is how many connections each pool has.
func (f *fleet) open() (open []int) {
	for _, p := range f.pools {
		open = append(open, p.Stats().Open)
	}
	return open
}

// begin has a connection of a pool lent, until the returned transaction ends.
func (f *fleet) begin(tb testing.TB, i int) pgx.Tx {
	tb.Helper()
	tx, err := f.pools[i].BeginTx(tb.Context(), pgx.TxOptions{})
	require.NoError(tb, err)
	return tx
}

// seen is how many connections of the fleet the server has.
const seen = `SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE $1 || ' %'`

// watch polls the server until the returned function is called, which returns the most that was seen.
func (f *fleet) watch(tb testing.TB) (most func() int) {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), f.dsn)
	require.NoError(tb, err)
	stop, peak := make(chan struct{}), make(chan int, 1)
	go func() {
		found := 0
		defer func() { peak <- found }()
		for {
			var n int
			if conn.QueryRow(tb.Context(), seen, f.name).Scan(&n) != nil {
				found = -1
				return
			}
			found = max(found, n)
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	return func() int {
		close(stop)
		n := <-peak
		require.NoError(tb, conn.Close(tb.Context()))
		return n
	}
}
