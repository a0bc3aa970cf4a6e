package guard_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/pgproxy"
)

// trips are what a statement costs, in round trips, on its first use on a connection and from then on.
var trips = map[string]struct{ first, steady int }{
	cacheStatement: {2, 1},
	cacheDescribe:  {2, 1},
	describeExec:   {2, 2},
	simpleProtocol: {1, 1},
}

func roundTripsOfStatements(t *testing.T, h *handle, s setup) {
	t.Helper()
	want := trips[s.mode]
	ctx := h.as(h.acme)
	h.text(ctx, "SELECT 'connected'")
	for name, run := range map[string]func(){
		"query": func() { h.text(ctx, "SELECT count(*) FROM notes WHERE id > $1", 7) },
		"exec":  func() { h.exec(ctx, "UPDATE notes SET body = $1 WHERE code = $2", "x", 3) },
		"other tenant, same statement": func() {
			h.text(h.as(h.globex), "SELECT count(*) + 1 FROM notes")
		},
	} {
		require.Equal(t, want.first, h.trips(run), name+", first use")
		for range 3 {
			require.Equal(t, want.steady, h.trips(run), name)
		}
	}
	require.Equal(t, want.steady, h.trips(func() { h.text(ctx, "SELECT count(*) + 1 FROM notes") }),
		"a statement's description is the same for every tenant")
	subtree := core.WithSubtree(t.Context(), h.acme)
	require.Equal(t, want.first, h.trips(func() { h.text(subtree, "SELECT count(*) + 1 FROM notes") }),
		"and is another for each role")
}

func roundTripsOfTheSystem(t *testing.T, h *handle, s setup) {
	t.Helper()
	run := func() { h.count(h.system()) }
	run()
	require.Equal(t, trips[s.mode].steady, h.trips(run))
}

func roundTripsOfTransactions(t *testing.T, h *handle, s setup) {
	t.Helper()
	want := trips[s.mode]
	ctx := h.as(h.acme)
	h.count(ctx)
	h.exec(ctx, "DELETE FROM notes WHERE id = $1", 1)
	for range 2 {
		for _, end := range []func(tx *sql.Tx) error{(*sql.Tx).Commit, (*sql.Tx).Rollback} {
			var tx *sql.Tx
			require.Equal(t, 1, h.trips(func() {
				var err error
				tx, err = h.db.BeginTx(ctx, nil)
				require.NoError(t, err)
			}), "begin")
			require.Equal(t, want.steady, h.trips(func() {
				_, err := tx.ExecContext(ctx, "DELETE FROM notes WHERE id = $1", 1)
				require.NoError(t, err)
			}), "in the transaction")
			require.Equal(t, 1, h.trips(func() { require.NoError(t, end(tx)) }), "end")
		}
	}
}

func roundTripsOfPreparedStatements(t *testing.T, h *handle, s setup) {
	t.Helper()
	want := trips[s.mode]
	ctx := h.as(h.acme)
	h.text(ctx, "SELECT 'connected'")
	h.proxy.Reset()
	stmt, err := h.db.PrepareContext(ctx, "SELECT body FROM notes WHERE id = $1")
	require.NoError(t, err)
	defer stmt.Close() //nolint:errcheck // once more does nothing
	require.Equal(t, 0, h.proxy.Counts().RoundTrips, "preparing is put off")
	run := func() { require.ErrorIs(t, stmt.QueryRowContext(ctx, 1).Scan(new(string)), sql.ErrNoRows) }
	require.Equal(t, want.first, h.trips(run))
	require.Equal(t, want.steady, h.trips(run))
	require.Equal(t, 0, h.trips(func() { require.NoError(t, stmt.Close()) }))
}

// roundTripsAfterIdling waits longer than the second after which pgx's own driver sends a ping.
func roundTripsAfterIdling(t *testing.T, h *handle, s setup) {
	t.Helper()
	uses := []func(){
		func() { h.count(h.as(h.acme)) },
		func() { h.count(h.system()) },
		func() {
			tx, err := h.db.BeginTx(h.as(h.acme), nil)
			require.NoError(t, err)
			require.NoError(t, tx.Rollback())
		},
	}
	all := func() {
		for _, use := range uses {
			use()
		}
	}
	all()
	before := h.trips(all)
	<-time.After(1100 * time.Millisecond)
	require.Equal(t, before, h.trips(all))
}

func noRoundTripForARefusal(t *testing.T, h *handle, _ setup) {
	t.Helper()
	ctx := h.as(h.acme)
	h.count(ctx)
	refused := func(ctx context.Context, statement string, want error) {
		t.Helper()
		require.Equal(t, 0, h.trips(func() {
			_, err := h.db.ExecContext(ctx, statement)
			require.ErrorIs(t, err, want)
		}))
	}
	refused(t.Context(), "DELETE FROM notes", core.ErrNoTenant)
	refused(core.AsSystem(t.Context(), " "), "DELETE FROM notes", core.ErrNoReason)
	refused(ctx, "SET search_path = x", core.ErrCommand)
}

// TestEviction runs more statements than the cache holds. Forgetting costs no round trip of its own, and the server is
// not left with more statements than the cache has.
func TestEviction(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	for _, mode := range []string{cacheStatement, cacheDescribe} {
		h := d.open(t, setup{mode: mode, params: "&statement_cache_capacity=3&description_cache_capacity=3"})
		ctx := h.as(h.acme)
		h.text(ctx, "SELECT 'connected'")
		for round := range 3 {
			for i := range 6 {
				query := fmt.Sprintf("SELECT %d", i)
				require.Equal(t, 2, h.trips(func() { h.text(ctx, query) }), "round %d", round)
				require.Equal(t, 1, h.trips(func() { h.text(ctx, query) }), "round %d", round)
			}
		}
		require.LessOrEqual(t, prepared(t, h), 4+3+1, "four ways to enter, the cache, and one to be forgotten next")
	}
}

// TestFailingStatementsAreNotPreparedAgain would fill the server's memory.
func TestFailingStatementsAreNotPreparedAgain(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{mode: cacheStatement})
	ctx := h.as(h.acme)
	for range 20 {
		_, err := h.db.ExecContext(ctx, "SELECT 1 / $1::int", 0)
		require.Error(t, err)
		_, err = h.db.ExecContext(ctx, "SELECT $1::int", "not a number")
		require.Error(t, err)
	}
	require.LessOrEqual(t, prepared(t, h), 4+3)
	require.Equal(t, 1, h.trips(func() {
		_, err := h.db.ExecContext(ctx, "SELECT 1 / $1::int", 0)
		require.Error(t, err)
	}))
}

// prepared is how many statements the only connection of tenants has prepared.
func prepared(t *testing.T, h *handle) int {
	t.Helper()
	var n int
	require.NoError(t, h.db.QueryRowContext(h.as(h.acme), "SELECT count(*) FROM pg_prepared_statements").Scan(&n))
	return n
}

// TestConnectingIsCheap keeps an eye on what a new connection costs.
func TestConnectingIsCheap(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{mode: cacheStatement})
	h.count(h.as(h.acme))
	h.proxy.Cut()
	h.proxy.Reset()
	h.count(h.as(h.acme))
	counts := h.proxy.Counts()
	require.Equal(t, pgproxy.Counts{
		RoundTrips: 3, Connections: 1, Messages: counts.Messages, Sequence: counts.Sequence, Up: counts.Up,
		Down: counts.Down, Cancels: counts.Cancels,
	}, counts, "enter is prepared, the statement described and run")
}
