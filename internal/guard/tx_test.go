package guard_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// optionsOfTransactions are really set.
func optionsOfTransactions(t *testing.T, h *handle, _ setup) {
	t.Helper()
	for level, want := range map[sql.IsolationLevel]string{
		sql.LevelDefault: "read committed", sql.LevelReadUncommitted: "read committed",
		sql.LevelReadCommitted: "read committed", sql.LevelRepeatableRead: "repeatable read",
		sql.LevelSnapshot: "repeatable read", sql.LevelSerializable: "serializable",
	} {
		for _, readOnly := range []bool{false, true} {
			for _, ctx := range []context.Context{h.as(h.acme), h.system()} {
				tx, err := h.db.BeginTx(ctx, &sql.TxOptions{Isolation: level, ReadOnly: readOnly})
				require.NoError(t, err)
				var isolation string
				var off bool
				require.NoError(t, tx.QueryRowContext(ctx, `SELECT current_setting('transaction_isolation'),
					current_setting('transaction_read_only')::bool`).Scan(&isolation, &off))
				require.Equal(t, want, isolation)
				require.Equal(t, readOnly, off)
				_, err = tx.ExecContext(ctx, "SET TRANSACTION READ WRITE")
				require.Equal(t, readOnly, err != nil, "enter has run, so it is too late")
				require.NoError(t, tx.Rollback())
			}
		}
	}
	for _, level := range []sql.IsolationLevel{sql.LevelWriteCommitted, sql.LevelLinearizable, 99} {
		_, err := h.db.BeginTx(h.as(h.acme), &sql.TxOptions{Isolation: level})
		require.ErrorContains(t, err, "isolation level")
	}
}

func transactionsCommitAndRollBack(t *testing.T, h *handle, _ setup) {
	t.Helper()
	ctx := h.as(h.acme)
	pid := h.pid()
	insert := "INSERT INTO notes (body) VALUES ('x')"
	for _, test := range []struct {
		statements []string
		end        func(tx *sql.Tx) error
		want       error
		count      string
	}{
		{[]string{insert}, (*sql.Tx).Commit, nil, "1"},
		{[]string{insert}, (*sql.Tx).Rollback, nil, "1"},
		{[]string{insert, "SAVEPOINT s", insert, "ROLLBACK TO s", "RELEASE s"}, (*sql.Tx).Commit, nil, "2"},
		{[]string{insert, "SELECT 1 / 0"}, (*sql.Tx).Commit, core.ErrTxAborted, "2"},
		{[]string{insert, "SELECT 1 / 0"}, (*sql.Tx).Rollback, nil, "2"},
		{[]string{insert, "SAVEPOINT s", "SELECT 1 / 0", "ROLLBACK TO s"}, (*sql.Tx).Commit, nil, "3"},
		{[]string{"INSERT INTO notes (code) VALUES (1), (1)"}, (*sql.Tx).Commit, core.ErrDuplicateKey, "3"},
		{nil, (*sql.Tx).Commit, nil, "3"},
	} {
		tx, err := h.db.BeginTx(ctx, nil)
		require.NoError(t, err)
		for _, statement := range test.statements {
			_, err := tx.ExecContext(ctx, statement)
			require.Equal(t, statement == "SELECT 1 / 0", err != nil, statement)
		}
		require.ErrorIs(t, test.end(tx), test.want)
		require.ErrorIs(t, tx.Commit(), sql.ErrTxDone)
		require.Equal(t, test.count, h.count(ctx))
	}
	require.Equal(t, pid, h.pid(), "all on one connection")
}

// TestSerialization has two transactions that cannot both be.
func TestSerialization(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{conns: 2})
	ctx := h.as(h.acme)
	options := &sql.TxOptions{Isolation: sql.LevelSerializable}
	first, err := h.db.BeginTx(ctx, options)
	require.NoError(t, err)
	second, err := h.db.BeginTx(ctx, options)
	require.NoError(t, err)
	for _, tx := range []*sql.Tx{first, second} {
		_, err = tx.ExecContext(ctx, "INSERT INTO notes (code) SELECT count(*) + $1 FROM notes", 100)
		require.NoError(t, err)
	}
	require.NoError(t, first.Commit())
	var refused *pgconn.PgError
	require.ErrorAs(t, second.Commit(), &refused)
	require.Equal(t, "40001", refused.Code)
	h.settle()
}

// TestBeginRefusedKeepsTheConnection although it left a failed transaction for a moment.
func TestBeginRefusedKeepsTheConnection(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	for _, mode := range []string{cacheStatement, cacheDescribe, simpleProtocol} {
		h := d.open(t, setup{mode: mode})
		require.NoError(t, h.Tenants.Suspend(t.Context(), h.acme))
		h.count(h.as(h.globex))
		h.proxy.Reset()
		for range 3 {
			_, err := h.db.BeginTx(h.as(h.acme), nil)
			require.ErrorIs(t, err, core.ErrTenantNotActive)
		}
		h.count(h.as(h.globex))
		require.Equal(t, 0, h.proxy.Counts().Connections, mode)
	}
}

// TestCanceledTransaction is rolled back by database/sql when its context ends, whatever it is doing.
func TestCanceledTransaction(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	h := d.open(t, setup{})
	for _, doing := range []string{"SELECT 1", "SELECT pg_sleep(60)", "SELECT generate_series(1, 1000000)"} {
		ctx, cancel := context.WithCancel(h.as(h.acme))
		tx, err := h.db.BeginTx(ctx, nil)
		require.NoError(t, err)
		_, err = tx.ExecContext(ctx, "INSERT INTO notes (body) VALUES ('lost')")
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() {
			_, err := tx.ExecContext(ctx, doing)
			done <- err
		}()
		cancel()
		<-done //nolint:errcheck // whether it was canceled or was quicker
		require.Error(t, tx.Commit())
		h.settle()
		require.Equal(t, "0", h.count(h.as(h.acme)))
	}
}

// TestClosedInTheMiddle closes the handle under a transaction.
func TestClosedInTheMiddle(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	st, err := core.Open(t.Context(), d.options(setup{conns: 2}))
	require.NoError(t, err)
	tenant, err := st.Tenants.Create(t.Context(), core.NewTenant{Name: "Acme", Slug: "acme"})
	require.NoError(t, err)
	ctx := core.WithTenant(t.Context(), tenant.ID)
	tx, err := st.DB().BeginTx(ctx, nil)
	require.NoError(t, err)
	closed := make(chan error, 1)
	go func() { closed <- st.Close() }()
	require.Eventually(t, func() bool { return st.DB().PingContext(t.Context()) != nil }, waitFor, tick)
	_, err = tx.ExecContext(ctx, "INSERT INTO notes (body) VALUES ('in time')")
	require.NoError(t, err)
	require.NoError(t, tx.Commit())
	require.NoError(t, <-closed, "it waits for what goes on")
	_, err = st.DB().ExecContext(ctx, "SELECT 1")
	require.ErrorContains(t, err, "closed")
	_, err = st.Tenants.Get(t.Context(), tenant.ID)
	require.ErrorIs(t, err, core.ErrClosed)
	require.NoError(t, st.Close(), "once more")
}

// TestClosedWithALeak does not wait forever.
func TestClosedWithALeak(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	st, err := core.Open(t.Context(), d.options(setup{}))
	require.NoError(t, err)
	tenant, err := st.Tenants.Create(t.Context(), core.NewTenant{Name: "Acme", Slug: "acme"})
	require.NoError(t, err)
	tx, err := st.DB().BeginTx(core.WithTenant(t.Context(), tenant.ID), nil)
	require.NoError(t, err)
	require.ErrorContains(t, st.Close(), "still in use")
	require.NoError(t, tx.Rollback())
}
