package guard_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/scope"
)

// changedTables are found out and described anew, except in a transaction, which is lost.
func changedTables(t *testing.T, h *handle, s setup) {
	t.Helper()
	table := "changed_" + s.mode
	if s.superuser {
		table += "_su"
	}
	h.d.exec(t, "CREATE TABLE "+table+" (tenant_id uuid DEFAULT stratum.tenant_id(), a int); "+
		"GRANT ALL ON "+table+" TO PUBLIC; INSERT INTO "+table+" (a, tenant_id) VALUES (1, NULL)")
	ctx := h.as(h.acme)
	all, some := "SELECT * FROM "+table, "SELECT a FROM "+table+" WHERE a = $1"
	columns := func() int {
		t.Helper()
		got, err := read(ctx, h.db, all)
		require.NoError(t, err)
		return len(got[0][0].([]string)) //nolint:forcetypeassert // as read makes it
	}
	require.Equal(t, 2, columns())
	h.text(ctx, some, 1)
	h.d.exec(t, "ALTER TABLE "+table+" ADD b text DEFAULT 'b'")
	require.Equal(t, 3, columns())
	h.d.exec(t, "ALTER TABLE "+table+" DROP b")
	require.Equal(t, 2, columns())

	// In a transaction the statement fails once, and the next transaction knows better.
	h.d.exec(t, "ALTER TABLE "+table+" ADD c int")
	inTransaction := func() error {
		tx, err := h.db.BeginTx(ctx, nil)
		require.NoError(t, err)
		defer tx.Rollback() //nolint:errcheck // nothing was done
		return query(tx.QueryContext(ctx, all))
	}
	if err := inTransaction(); err != nil {
		require.Contains(t, err.Error(), "SQLSTATE")
	}
	require.NoError(t, inTransaction())

	// Another type of a parameter: where the description is stale the statement fails once at most.
	h.d.exec(t, "ALTER TABLE "+table+" ALTER a TYPE text")
	_, _ = h.db.ExecContext(ctx, some, "1")
	require.Equal(t, "1", h.text(ctx, some, "1"))
}

// TestForgottenStatements are what a pooler or a session's DEALLOCATE leave of prepared ones.
func TestForgottenStatements(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{mode: cacheStatement})
	ctx := h.as(h.acme)
	forget := func() {
		h.beneath(scope.Tenant, func(conn *pgx.Conn) error {
			_, err := conn.Exec(t.Context(), "DEALLOCATE ALL", pgx.QueryExecModeSimpleProtocol)
			return err
		})
	}
	pid := h.pid()
	h.count(ctx)
	forget()
	require.Equal(t, "0", h.count(ctx), "retried")
	require.Equal(t, 1, h.trips(func() { h.count(ctx) }), "without names from now on")
	require.Equal(t, pid, h.pid())

	h = newDatabase(t).open(t, setup{mode: cacheStatement})
	ctx = h.as(h.acme)
	h.count(ctx)
	forget()
	tx, err := h.db.BeginTx(ctx, nil)
	require.NoError(t, err, "begin is retried too")
	require.NoError(t, tx.Commit())

	h = newDatabase(t).open(t, setup{mode: cacheStatement})
	ctx = h.as(h.acme)
	h.count(ctx)
	tx, err = h.db.BeginTx(ctx, nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(ctx, "DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$")
	require.NoError(t, err)
	_, err = tx.ExecContext(ctx, "SELECT count(*) FROM notes")
	require.ErrorContains(t, err, "26000", "a transaction is not repeated")
	require.NoError(t, tx.Rollback())
	tx, err = h.db.BeginTx(ctx, nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(ctx, "SELECT count(*) FROM notes")
	require.NoError(t, err, "but the lesson is learned")
	require.NoError(t, tx.Commit())
}

// TestNoRetryOfAnOrdinaryError runs a function that counts its calls where a rollback does not reach.
func TestNoRetryOfAnOrdinaryError(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.exec(t, "CREATE SEQUENCE calls; GRANT ALL ON SEQUENCE calls TO PUBLIC")
	h := d.open(t, setup{})
	ctx := h.as(h.acme)
	for _, code := range []string{"23514", "40001", "57014", "22012", "42883"} {
		h.exec(ctx, "SELECT setval('calls', 1)")
		do := "DO $$ BEGIN PERFORM nextval('calls'); RAISE EXCEPTION 'no' USING ERRCODE = '" + code + "'; END $$"
		_, err := h.db.ExecContext(ctx, do)
		require.Error(t, err)
		require.Equal(t, "2", h.text(ctx, "SELECT last_value FROM calls"), code)
	}
}
