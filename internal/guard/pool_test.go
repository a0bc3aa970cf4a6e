package guard_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/guard"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// TestSystemUsesItsOwnLogin and the tenants theirs.
func TestSystemUsesItsOwnLogin(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	h := d.open(t, setup{})
	who := "SELECT session_user || ' ' || current_user"
	require.Equal(t, d.Name+"_app stratum_tenant", h.text(h.as(h.acme), who))
	require.Equal(t, d.Name+"_app stratum_subtree", h.text(core.WithSubtree(t.Context(), h.acme), who))
	require.Equal(t, d.Name+"_system stratum_system", h.text(h.system(), who))
	tx, err := h.db.BeginTx(h.system(), nil)
	require.NoError(t, err)
	var found string
	require.NoError(t, tx.QueryRowContext(h.system(), who).Scan(&found))
	require.Equal(t, d.Name+"_system stratum_system", found)
	require.NoError(t, tx.Commit())
}

// TestPoolsDoNotStarveEachOther uses up one of them and works with the other.
func TestPoolsDoNotStarveEachOther(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{conns: 2, system: 1})
	for _, kinds := range []struct {
		full, other context.Context //nolint:containedctx // the case itself
		size        int
	}{
		{h.as(h.acme), h.system(), 2},
		{h.system(), h.as(h.acme), 1},
	} {
		var held []*sql.Tx
		for range kinds.size {
			tx, err := h.db.BeginTx(kinds.full, nil)
			require.NoError(t, err)
			held = append(held, tx)
		}
		waiting := make(chan error)
		for range 20 { // more than there are connections of both kinds
			go func() {
				_, err := h.db.ExecContext(kinds.full, "SELECT 1")
				waiting <- err
			}()
		}
		require.Eventually(t, func() bool { return h.db.Stats().InUse >= 20 }, waitFor, tick)
		require.Equal(t, "0", h.count(kinds.other))
		for _, tx := range held {
			require.NoError(t, tx.Commit())
		}
		for range 20 {
			require.NoError(t, <-waiting)
		}
		h.settle()
	}
}

// TestSystemInsideOfATenantsTransaction would wait for itself if it needed one of the tenants' connections.
func TestSystemInsideOfATenantsTransaction(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{})
	tx, err := h.db.BeginTx(h.as(h.acme), nil)
	require.NoError(t, err)
	require.Equal(t, "0", h.count(h.system()))
	_, err = h.Tenants.Get(t.Context(), h.acme)
	require.NoError(t, err)
	require.NoError(t, tx.Commit())
}

// TestPoolsAreBounded counts the server's connections, not those of database/sql.
func TestPoolsAreBounded(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{conns: 3, system: 2})
	done := make(chan error)
	for i := range 40 {
		ctx := h.as(h.acme)
		if i%2 == 0 {
			ctx = h.system()
		}
		go func() {
			_, err := h.db.ExecContext(ctx, "SELECT pg_sleep(0.005)")
			done <- err
		}()
	}
	for range 40 {
		require.NoError(t, <-done)
	}
	h.raw(func(raw any) error {
		require.LessOrEqual(t, guard.Stat(raw, scope.Tenant).Open, 3)
		require.LessOrEqual(t, guard.Stat(raw, scope.System).Open, 2)
		return nil
	})
	require.LessOrEqual(t, h.proxy.Counts().Connections, 5)
}

// TestWaitingForAConnectionEnds with the context.
func TestWaitingForAConnectionEnds(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{})
	tx, err := h.db.BeginTx(h.as(h.acme), nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(h.as(h.globex))
	waiting := make(chan error, 1)
	go func() {
		_, err := h.db.ExecContext(ctx, "SELECT 1")
		waiting <- err
	}()
	require.Eventually(t, func() bool { return h.db.Stats().InUse == 2 }, waitFor, tick)
	cancel()
	require.ErrorIs(t, <-waiting, context.Canceled)
	require.NoError(t, tx.Rollback())
	h.settle()
}

// TestSystemIsReleased after its rows and after its transaction.
func TestSystemIsReleased(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{})
	for range 3 {
		rows, err := h.db.QueryContext(h.system(), "SELECT generate_series(1, 3)")
		require.NoError(t, err)
		require.True(t, rows.Next())
		require.Equal(t, 1, h.lent())
		ended(t, rows)
		require.Zero(t, h.lent())
		tx, err := h.db.BeginTx(h.system(), nil)
		require.NoError(t, err)
		require.Equal(t, 1, h.lent())
		require.NoError(t, tx.Rollback())
		require.Zero(t, h.lent())
		_, err = h.db.ExecContext(h.system(), "SELECT 1 / 0")
		require.Error(t, err)
		require.Zero(t, h.lent())
	}
}
