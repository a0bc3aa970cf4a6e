package guard_test

import (
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/watch"
)

// watching writes down what it is shown, and refuses what it is told to.
type watching struct {
	statements []string
	columns    []string
	types      []uint32
	refuse     map[string]error
}

func (w *watching) Statement(sql string) error {
	w.statements = append(w.statements, sql)
	return w.refuse["statement"]
}

func (w *watching) Rows(columns []string, types []uint32) (func([]driver.Value) error, error) {
	w.columns, w.types = columns, types
	return func(row []driver.Value) error {
		row[0] = "seen"
		return w.refuse["row"]
	}, w.refuse["rows"]
}

// TestWatcher shows each statement of the context, and the rows before anybody has them.
func TestWatcher(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{})
	errRefused := errors.New("refused")
	for _, at := range []string{"nothing", "statement", "rows", "row"} {
		w := &watching{refuse: map[string]error{at: errRefused}}
		ctx := watch.With(h.as(h.acme), w)
		var text string
		err := h.db.QueryRowContext(ctx, `SELECT '\x00'::bytea AS b, 1::bigint AS n`).Scan(&text, new(int))
		require.Len(t, w.statements, 1)
		if at == "nothing" {
			require.NoError(t, err)
			require.Equal(t, "seen", text)
			require.Equal(t, []string{"b", "n"}, w.columns)
			require.Equal(t, []uint32{pgtype.ByteaOID, pgtype.Int8OID}, w.types)
			_, err = h.db.ExecContext(ctx, "SELECT 1")
			require.NoError(t, err)
			require.Len(t, w.statements, 2)
			continue
		}
		require.ErrorIs(t, err, errRefused, at)
		require.Empty(t, text, at)
		tx, err := h.db.BeginTx(h.as(h.acme), nil)
		require.NoError(t, err)
		require.ErrorIs(t, tx.QueryRowContext(ctx, "SELECT 'x'").Scan(&text), errRefused, at)
		require.NoError(t, tx.QueryRowContext(h.as(h.acme), "SELECT 'x'").Scan(&text), "the connection is as good as before")
		require.NoError(t, tx.Commit())
	}
	require.Zero(t, h.lent(), "no connection is left behind")
}

// rewriting sends another statement.
type rewriting struct {
	watching

	to string
}

func (r *rewriting) Rewritten(string) string { return r.to }

// TestRewriter: what is sent is what the watcher makes of a statement that it has allowed, in and out of a transaction.
func TestRewriter(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{})
	w := &rewriting{watching: watching{}, to: "SELECT 'sent' AS b, $1::bigint + 1 AS n"}
	ctx := watch.With(h.as(h.acme), w)
	var n int
	require.NoError(t, h.db.QueryRowContext(ctx, "SELECT 'asked' AS b, $1::bigint AS n", 1).Scan(new(string), &n))
	require.Equal(t, 2, n)
	tx, err := h.db.BeginTx(h.as(h.acme), nil)
	require.NoError(t, err)
	require.NoError(t, tx.QueryRowContext(ctx, "SELECT 'asked' AS b, $1::bigint AS n", 2).Scan(new(string), &n))
	require.Equal(t, 3, n)
	require.NoError(t, tx.Commit())
	require.Equal(t, []string{"SELECT 'asked' AS b, $1::bigint AS n", "SELECT 'asked' AS b, $1::bigint AS n"}, w.statements,
		"what it is asked about is what was written")
	w.refuse = map[string]error{"statement": errors.New("refused")}
	require.ErrorContains(t, h.db.QueryRowContext(ctx, "SELECT 1").Scan(new(int)), "refused")
}
