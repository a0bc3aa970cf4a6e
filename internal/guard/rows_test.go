package guard_test

import (
	"context"
	"database/sql"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// errorsComeBeforeTheData they concern: a constraint that is checked at the transaction's end.
func errorsComeBeforeTheData(t *testing.T, h *handle, _ setup) {
	t.Helper()
	ctx := h.as(h.acme)
	for _, twice := range []string{
		"INSERT INTO notes (code) VALUES (7), (7) RETURNING code",
		"INSERT INTO notes (code) SELECT 7 FROM generate_series(1, 1000) RETURNING code",
	} {
		rows, err := h.db.QueryContext(ctx, twice)
		require.NoError(t, err)
		last := failed(t, rows, core.ErrDuplicateKey)
		require.Contains(t, []int{1, 999}, last, "the last row is not handed out")
		require.ErrorIs(t, h.db.QueryRowContext(ctx, twice).Scan(new(int)), core.ErrDuplicateKey)
		_, err = h.db.ExecContext(ctx, twice)
		require.ErrorIs(t, err, core.ErrDuplicateKey)
	}
	require.Equal(t, "0", h.count(ctx))
	violation := h.db.QueryRowContext(ctx, "INSERT INTO notes (code) VALUES (7), (7) RETURNING 1").Scan(new(int))
	require.Error(t, violation)
	require.Contains(t, violation.Error(), `"notes_code_key"`)
	require.NotContains(t, violation.Error(), h.acme.String(), "the server's detail has the key in it")
}

// TestOneViolatingRow has the error of its only row.
func TestOneViolatingRow(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{})
	ctx := h.as(h.acme)
	h.exec(ctx, "INSERT INTO notes (code) VALUES (1)")
	rows, err := h.db.QueryContext(ctx, "INSERT INTO notes (code) VALUES (1) RETURNING code")
	require.NoError(t, err, "one row is looked at ahead, not two")
	require.Zero(t, failed(t, rows, core.ErrDuplicateKey), "no row before its error")
}

// TestStreaming reads many rows and holds few.
func TestStreaming(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{})
	rows, err := h.db.QueryContext(h.as(h.acme), "SELECT i, repeat('x', 100) FROM generate_series(1, 1000000) AS i")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	var i, n int
	var text string
	for rows.Next() {
		n++
		if n%1000 == 0 { // scanning each row is slow under the race detector
			require.NoError(t, rows.Scan(&i, &text))
			require.Equal(t, n, i)
		}
	}
	require.NoError(t, rows.Err())
	require.Equal(t, 1_000_000, n)
	runtime.GC()
	runtime.ReadMemStats(&now)
	require.Less(t, now.HeapAlloc, before.HeapAlloc+64<<20, "the rows together are more than twice that")
}

// TestRowsOfTheirOwn are not overwritten by the rows that come after.
func TestRowsOfTheirOwn(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{})
	rows, err := h.db.QueryContext(h.as(h.acme),
		"SELECT convert_to(i::text, 'UTF8'), i::text, ('[' || i || ']')::jsonb FROM generate_series(1, 9) AS i")
	require.NoError(t, err)
	var bodies, documents [][]byte
	var texts []string
	for rows.Next() {
		var body, document []byte
		var raw sql.RawBytes
		require.NoError(t, rows.Scan(&body, &raw, &document))
		bodies, texts, documents = append(bodies, body), append(texts, string(raw)), append(documents, document)
	}
	ended(t, rows)
	for i := range bodies {
		want := string(rune('1' + i))
		require.Equal(t, []string{want, want, "[" + want + "]"}, []string{string(bodies[i]), texts[i], string(documents[i])})
	}
}

func rowsInATransaction(t *testing.T, h *handle, _ setup) {
	t.Helper()
	ctx := h.as(h.acme)
	tx, err := h.db.BeginTx(ctx, nil)
	require.NoError(t, err)
	rows, err := tx.QueryContext(ctx, "SELECT generate_series(1, 3)")
	require.NoError(t, err)
	require.True(t, rows.Next())
	_, err = tx.ExecContext(ctx, "SELECT 1")
	require.ErrorIs(t, err, core.ErrRowsOpen)
	for rows.Next() { // to the end
	}
	_, err = tx.ExecContext(ctx, "SELECT 1")
	require.NoError(t, err, "rows read to the end need not be closed")
	ended(t, rows)

	rows, err = tx.QueryContext(ctx, "SELECT generate_series(1, 3)")
	require.NoError(t, err)
	require.True(t, rows.Next())
	ended(t, rows)
	_, err = tx.ExecContext(ctx, "SELECT 1")
	require.NoError(t, err, "closed early")

	rows, err = tx.QueryContext(ctx, "SELECT generate_series(1, 3)") //nolint:sqlclosecheck // that is what is tested
	require.NoError(t, err)
	require.True(t, rows.Next())
	require.NoError(t, tx.Commit(), "database/sql closes what is open")
	require.Error(t, rows.Err())
	h.settle()
}

func rowsOfAConnection(t *testing.T, h *handle, _ setup) {
	t.Helper()
	ctx := h.as(h.acme)
	conn, err := h.db.Conn(ctx)
	require.NoError(t, err)
	rows, err := conn.QueryContext(ctx, "SELECT generate_series(1, 3)")
	require.NoError(t, err)
	require.True(t, rows.Next())
	_, err = conn.ExecContext(ctx, "SELECT 1")
	require.ErrorIs(t, err, core.ErrRowsOpen)
	_, err = conn.BeginTx(ctx, nil)
	require.ErrorIs(t, err, core.ErrRowsOpen)
	require.True(t, rows.Next(), "the rows are unharmed")
	ended(t, rows)

	tx, err := conn.BeginTx(ctx, nil)
	require.NoError(t, err)
	_, err = conn.BeginTx(ctx, nil)
	require.ErrorContains(t, err, "savepoints")
	_, err = tx.ExecContext(ctx, "INSERT INTO notes (body) VALUES ('x')")
	require.NoError(t, err, "the transaction is unharmed")
	require.NoError(t, tx.Commit())
	require.Equal(t, "1", h.count(ctx))
	require.NoError(t, conn.Close())
	h.settle()
}

// TestPingBesideRows does not disturb them.
func TestPingBesideRows(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{conns: 2})
	ctx := h.as(h.acme)
	conn, err := h.db.Conn(ctx)
	require.NoError(t, err)
	rows, err := conn.QueryContext(ctx, "SELECT generate_series(1, 3)")
	require.NoError(t, err)
	require.NoError(t, conn.PingContext(ctx))
	require.True(t, rows.Next())
	ended(t, rows)
	require.NoError(t, conn.Close())
}

func rowsAfterCancel(t *testing.T, h *handle, _ setup) {
	t.Helper()
	ctx, cancel := context.WithCancel(h.as(h.acme))
	rows, err := h.db.QueryContext(ctx, "SELECT repeat('x', 1000) FROM generate_series(1, 1000000)")
	require.NoError(t, err)
	require.True(t, rows.Next())
	cancel()
	failed(t, rows, context.Canceled)
	h.settle()
	require.Equal(t, "1", h.text(h.as(h.acme), "SELECT 1"))
}

// TestLeakedRows hold no transaction open: what fits in the network's buffers is done.
func TestLeakedRows(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	h, admin := d.open(t, setup{conns: 2}), d.admin(t)
	ctx, cancel := context.WithCancel(h.as(h.acme))
	//nolint:rowserrcheck // that they are left is what is tested
	rows, err := h.db.QueryContext(ctx, "INSERT INTO notes (body) SELECT 'x' FROM generate_series(1, 10) RETURNING id")
	require.NoError(t, err)
	require.True(t, rows.Next())
	require.Equal(t, "10", h.count(h.as(h.acme)), "it is committed")
	require.Eventually(t, func() bool {
		var busy int
		err := admin.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
			AND state <> 'idle'`).Scan(&busy)
		return err == nil && busy == 0
	}, waitFor, tick)
	cancel() // ends them in the end
	h.settle()
	require.NotNil(t, rows)
}

// TestStatementOfManyConnections prepares itself where it runs.
func TestStatementOfManyConnections(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{conns: 3})
	stmt, err := h.db.PrepareContext(t.Context(), "SELECT $1::int, pg_sleep(0.01)")
	require.NoError(t, err)
	defer func() { require.NoError(t, stmt.Close()) }()
	results := make(chan error)
	for i := range 9 {
		ctx := h.as(h.acme)
		if i%3 == 0 {
			ctx = h.system()
		}
		go func() { results <- stmt.QueryRowContext(ctx, i).Scan(new(int), new(string)) }()
	}
	for range 9 {
		require.NoError(t, <-results)
	}
	tx, err := h.db.BeginTx(h.as(h.acme), nil)
	require.NoError(t, err)
	ofTx := tx.StmtContext(h.as(h.acme), stmt)
	defer ofTx.Close() //nolint:errcheck // the transaction's end has closed it
	require.NoError(t, ofTx.QueryRowContext(h.as(h.acme), 1).Scan(new(int), new(string)))
	require.NoError(t, tx.Commit())
}

// TestTimesOut has the server's own limit and the context's.
func TestTimesOut(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{})
	ctx, cancel := context.WithTimeout(h.as(h.acme), 10*time.Millisecond)
	defer cancel()
	err := h.db.QueryRowContext(ctx, "SELECT pg_sleep(60)").Scan(new(string))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	h.settle()
	tx, err := h.db.BeginTx(h.as(h.acme), nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(h.as(h.acme), "SET LOCAL statement_timeout = 1")
	require.NoError(t, err)
	_, err = tx.ExecContext(h.as(h.acme), "SELECT pg_sleep(60)")
	require.ErrorContains(t, err, "57014")
	require.ErrorIs(t, tx.Commit(), core.ErrTxAborted)
	ctx, cancel = context.WithCancel(h.as(h.acme))
	cancel()
	require.Equal(t, 0, h.trips(func() {
		_, err := h.db.ExecContext(ctx, "SELECT 1")
		require.ErrorIs(t, err, context.Canceled)
	}))
}
