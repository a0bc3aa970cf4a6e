package guard_test

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// scopedTransactions are the properties of a Tx that hold in each way of sending statements.
var scopedTransactions = []struct {
	name string
	test func(t *testing.T, h *handle, s setup)
}{
	{"commit and rollback", scopedEnds},
	{"round trips", scopedRoundTrips},
	{"it is pinned", scopedIsPinned},
	{"commands are refused", scopedRefusals},
	{"rows", scopedRows},
	{"results left open", scopedLeftOpen},
	{"batches", scopedBatches},
	{"batches that fail", scopedBatchesThatFail},
	{"it is dead afterwards", scopedIsDead},
	{"copy in", copyIn},
	{"copy in of every type", copyInTypes},
	{"copy in that fails", copyInFails},
	{"copy out", copyOut},
	{"read only", readOnly},
}

// TestScopedTransactions runs each property on one connection, one after the other, and looks each time that nothing
// was left on it.
func TestScopedTransactions(t *testing.T) {
	t.Parallel()
	for _, s := range modes() {
		t.Run(s.name(), func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t)
			d.exec(t, copyTables)
			d.protect(t, "everything")
			h := d.open(t, s)
			clean := h.look(scope.Tenant)
			for _, property := range scopedTransactions {
				t.Run(property.name, func(t *testing.T) {
					part := h.in(t)
					property.test(t, part, s)
					part.settle()
					require.Equal(t, clean, part.look(scope.Tenant))
				})
			}
		})
	}
}

// begin runs fn in a transaction of the tenant acme.
func (h *handle) begin(fn func(ctx context.Context, tx *core.Tx) error) error {
	ctx := h.as(h.acme)
	return h.BeginFunc(ctx, func(tx *core.Tx) error { return fn(ctx, tx) })
}

// inTx is begin for what must succeed.
func (h *handle) inTx(fn func(ctx context.Context, tx *core.Tx)) {
	h.tb.Helper()
	require.NoError(h.tb, h.begin(func(ctx context.Context, tx *core.Tx) error {
		fn(ctx, tx)
		return nil
	}))
}

const insertNote = "INSERT INTO notes (body) VALUES ($1)"

var errOwn = errors.New("an application's own")

func scopedEnds(t *testing.T, h *handle, _ setup) {
	t.Helper()
	pid := h.pid()
	insert := func(ctx context.Context, tx *core.Tx) {
		tag, err := tx.Exec(ctx, insertNote, "x")
		require.NoError(t, err)
		require.Equal(t, "INSERT 0 1", tag.String())
	}
	h.inTx(insert)
	require.Equal(t, "1", h.count(h.as(h.acme)))
	require.Equal(t, "0", h.count(h.as(h.globex)))
	err := h.begin(func(ctx context.Context, tx *core.Tx) error {
		insert(ctx, tx)
		return errOwn
	})
	require.Equal(t, errOwn, err, "as it is")
	require.PanicsWithValue(t, "here", func() {
		_ = h.begin(func(ctx context.Context, tx *core.Tx) error {
			insert(ctx, tx)
			panic("here")
		})
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = h.begin(func(ctx context.Context, tx *core.Tx) error {
			insert(ctx, tx)
			runtime.Goexit()
			return nil
		})
	}()
	<-done
	err = h.begin(func(ctx context.Context, tx *core.Tx) error {
		_, err := tx.Exec(ctx, "SELECT 1 / 0")
		require.Error(t, err)
		return nil
	})
	require.ErrorIs(t, err, core.ErrTxAborted)
	err = h.begin(func(ctx context.Context, tx *core.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO notes (code) VALUES (1), (1)")
		return err
	})
	require.ErrorIs(t, err, core.ErrDuplicateKey, "a deferred constraint")
	h.inTx(func(ctx context.Context, tx *core.Tx) {
		for _, statement := range []string{"SAVEPOINT s", "SELECT 1 / 0", "ROLLBACK TO s", "RELEASE s"} {
			_, err := tx.Exec(ctx, statement)
			require.Equal(t, statement == "SELECT 1 / 0", err != nil, statement)
		}
	})
	require.Equal(t, "1", h.count(h.as(h.acme)))
	require.Equal(t, pid, h.pid(), "no connection was lost")
}

func scopedRoundTrips(t *testing.T, h *handle, s setup) {
	t.Helper()
	want := trips[s.mode]
	h.inTx(func(context.Context, *core.Tx) {})
	require.Equal(t, 2, h.trips(func() { h.inTx(func(context.Context, *core.Tx) {}) }), "begin with enter, and commit")
	batch := func(ctx context.Context, tx *core.Tx) {
		b := new(pgx.Batch)
		for range 3 {
			b.Queue("INSERT INTO notes (body, code) VALUES ($1, NULL)", "x")
			b.Queue("SELECT count(*) + 2 FROM notes")
		}
		require.NoError(t, tx.SendBatch(ctx, b).Close())
	}
	statement := func(ctx context.Context, tx *core.Tx) {
		_, err := tx.Exec(ctx, "SELECT count(*) + 3 FROM notes")
		require.NoError(t, err)
	}
	for name, run := range map[string]func(context.Context, *core.Tx){"batch": batch, "statement": statement} {
		require.Equal(t, 2+want.first, h.trips(func() { h.inTx(run) }), name)
		require.Equal(t, 2+want.steady, h.trips(func() { h.inTx(run) }), name)
	}
}

func scopedIsPinned(t *testing.T, h *handle, _ setup) {
	t.Helper()
	err := h.begin(func(ctx context.Context, tx *core.Tx) error {
		for wrong, want := range map[context.Context]error{
			t.Context():                              core.ErrNoTenant,
			h.as(h.globex):                           core.ErrTenantMismatch,
			h.system():                               core.ErrTenantMismatch,
			core.WithSubtree(t.Context(), h.acme):    core.ErrTenantMismatch,
			core.AsSystem(t.Context(), " "):          core.ErrNoReason,
			core.WithTenant(t.Context(), [16]byte{}): core.ErrNoTenant,
		} {
			_, err := tx.Exec(wrong, "SELECT 1")
			require.ErrorIs(t, err, want)
			require.ErrorIs(t, tx.QueryRow(wrong, "SELECT 1").Scan(nil), want)
			require.ErrorIs(t, tx.SendBatch(wrong, &pgx.Batch{}).Close(), want)
			_, err = tx.CopyFrom(wrong, pgx.Identifier{"notes"}, []string{"body"}, pgx.CopyFromRows(nil))
			require.ErrorIs(t, err, want)
			_, err = tx.CopyTo(wrong, nil, core.CopyText, "SELECT 1")
			require.ErrorIs(t, err, want)
		}
		_, err := tx.Exec(ctx, "INSERT INTO notes (tenant_id) VALUES ($1)", h.globex)
		require.ErrorIs(t, err, core.ErrCrossTenant)
		_, err = tx.Exec(ctx, "SELECT 1")
		require.Error(t, err, "the transaction has failed")
		return nil
	})
	require.ErrorIs(t, err, core.ErrTxAborted)
	require.ErrorIs(t, h.BeginFunc(t.Context(), nil), core.ErrNoTenant)
}

func scopedRefusals(t *testing.T, h *handle, _ setup) {
	t.Helper()
	h.inTx(func(ctx context.Context, tx *core.Tx) {
		require.Zero(t, h.trips(func() {
			for _, text := range []string{
				"COMMIT", "ROLLBACK", "BEGIN", "END", "SET role = none", "SET LOCAL role = none", "RESET ALL", "LISTEN x",
				"PREPARE p AS SELECT 1", "DEALLOCATE ALL", "DISCARD ALL", "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
				"SELECT pg_advisory_lock(1)", "SELECT set_config('a.b', 'c', false)", "SELECT 1; COMMIT",
				"COPY notes TO STDOUT", "COPY notes FROM STDIN", "SELECT 'x", "", "-- nothing",
				"SELECT set_config('stratum.tenant', 'x', true)",
			} {
				_, err := tx.Exec(ctx, text)
				require.ErrorIs(t, err, core.ErrCommand, text)
				require.ErrorIs(t, tx.QueryRow(ctx, text).Scan(nil), core.ErrCommand, text)
				b := new(pgx.Batch)
				b.Queue("SELECT 1")
				b.Queue(text)
				require.ErrorIs(t, tx.SendBatch(ctx, b).Close(), core.ErrCommand, text)
				_, err = tx.CopyTo(ctx, nil, core.CopyText, text)
				require.ErrorIs(t, err, core.ErrCommand, text)
			}
			b := new(pgx.Batch)
			b.BeginTx(pgx.TxOptions{})
			require.ErrorIs(t, tx.SendBatch(ctx, b).Close(), core.ErrCommand)
			_, err := tx.Exec(ctx, "SELECT 1", smuggler{})
			require.ErrorContains(t, err, "query rewriter")
		}))
	})
}

// smuggler would have the text replaced behind the back of whoever looked at it.
type smuggler struct{}

func (smuggler) RewriteQuery(context.Context, *pgx.Conn, string, []any) (string, []any, error) {
	return "COMMIT", nil, nil
}

func scopedRows(t *testing.T, h *handle, _ setup) {
	t.Helper()
	type note struct {
		Code int
		Body *string
	}
	h.inTx(func(ctx context.Context, tx *core.Tx) {
		_, err := tx.Exec(ctx, "INSERT INTO notes (code, body) SELECT -g, g FROM generate_series(1, @n::int) g",
			pgx.NamedArgs{"n": 3})
		require.NoError(t, err)
		rows, err := tx.Query(ctx, "SELECT code, body FROM notes ORDER BY code DESC")
		require.NoError(t, err)
		require.Nil(t, rows.Conn(), "the connection is not handed out")
		require.Nil(t, rows.TypeMap())
		require.Len(t, rows.FieldDescriptions(), 2)
		require.True(t, rows.Next())
		require.Len(t, rows.RawValues(), 2)
		values, err := rows.Values()
		require.NoError(t, err)
		require.Equal(t, []any{int32(-1), "1"}, values)
		_, err = tx.Exec(ctx, "SELECT 1")
		require.ErrorIs(t, err, core.ErrRowsOpen)
		notes, err := pgx.CollectRows(rows, pgx.RowToStructByName[note])
		require.NoError(t, err)
		require.Len(t, notes, 2, "the rest")
		require.Equal(t, "SELECT 3", rows.CommandTag().String())
		_, err = rows.Values()
		require.Error(t, err)
		require.Error(t, rows.Scan())
		var code int
		require.NoError(t, tx.QueryRow(ctx, "SELECT code FROM notes WHERE body = $1", "3").Scan(&code))
		require.Equal(t, -3, code)
		require.ErrorIs(t, tx.QueryRow(ctx, "SELECT code FROM notes WHERE body = 'none'").Scan(&code), sql.ErrNoRows)
		require.Error(t, tx.QueryRow(ctx, "SELECT body FROM notes").Scan(new(chan int)))
		var refused *pgconn.PgError
		_, err = tx.Exec(ctx, "SAVEPOINT s")
		require.NoError(t, err)
		rows, _ = tx.Query(ctx, "SELECT 6 / (2 - g) FROM generate_series(1, 9) g") // the rows have the error too
		_, err = pgx.CollectRows(rows, pgx.RowTo[int])
		require.ErrorAs(t, err, &refused, "in the middle of rows, or at once")
		require.Equal(t, "22012", refused.Code)
		_, err = tx.Exec(ctx, "ROLLBACK TO s")
		require.NoError(t, err)
	})
}

func scopedLeftOpen(t *testing.T, h *handle, _ setup) {
	t.Helper()
	var kept pgx.Rows
	h.inTx(func(ctx context.Context, tx *core.Tx) {
		_, err := tx.Exec(ctx, insertNote, "x")
		require.NoError(t, err)
		kept, err = tx.Query(ctx, "SELECT generate_series(1, 1000)") //nolint:sqlclosecheck // it is left open
		require.NoError(t, err)
		require.True(t, kept.Next())
	})
	require.Equal(t, "1", h.count(h.as(h.acme)))
	require.False(t, kept.Next())
	require.ErrorIs(t, kept.Err(), core.ErrTxDone, "not a silent end")
	err := h.begin(func(ctx context.Context, tx *core.Tx) error {
		_, err := tx.Exec(ctx, insertNote, "x")
		require.NoError(t, err)
		kept, err = tx.Query(ctx, "SELECT 6 / (1000 - g) FROM generate_series(1, 2000) g") //nolint:sqlclosecheck // left open
		require.NoError(t, err)
		return nil
	})
	require.ErrorContains(t, err, "division by zero", "in rows that nobody has read")
	err = h.begin(func(ctx context.Context, tx *core.Tx) error {
		kept, err = tx.Query(ctx, "SELECT generate_series(1, 1000000000)") //nolint:sqlclosecheck // left open
		require.NoError(t, err)
		return errOwn
	})
	require.ErrorIs(t, err, errOwn, "and nobody waits for the rows")
	require.False(t, kept.Next())
	require.ErrorIs(t, kept.Err(), core.ErrTxDone)
	require.Equal(t, "1", h.count(h.as(h.acme)))
}

func scopedBatches(t *testing.T, h *handle, _ setup) {
	t.Helper()
	h.inTx(func(ctx context.Context, tx *core.Tx) {
		b := new(pgx.Batch)
		var counted int
		var bodies []string
		b.Queue(insertNote, "a").Exec(func(tag pgconn.CommandTag) error {
			require.EqualValues(t, 1, tag.RowsAffected())
			return nil
		})
		b.Queue(insertNote, "b; -- c")
		b.Queue("SELECT count(*) FROM notes").QueryRow(func(row pgx.Row) error { return row.Scan(&counted) })
		b.Queue("SELECT body FROM notes ORDER BY body -- all").Query(func(rows pgx.Rows) (err error) {
			bodies, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		})
		require.NoError(t, tx.SendBatch(ctx, b).Close())
		require.Equal(t, 2, counted)
		require.Equal(t, []string{"a", "b; -- c"}, bodies)

		b = new(pgx.Batch)
		b.Queue("SELECT generate_series(1, 100)")
		b.Queue("SELECT $1::int", 7)
		b.Queue("DELETE FROM notes")
		results := tx.SendBatch(ctx, b)
		_, err := tx.Exec(ctx, "SELECT 1")
		require.ErrorIs(t, err, core.ErrRowsOpen)
		rows, err := results.Query()
		require.NoError(t, err)
		require.True(t, rows.Next())
		var seven int
		require.NoError(t, results.QueryRow().Scan(&seven), "over the rest of the rows before")
		require.Equal(t, 7, seven)
		tag, err := results.Exec()
		require.NoError(t, err)
		require.Equal(t, "DELETE 2", tag.String())
		_, err = results.Exec()
		require.ErrorContains(t, err, "no more results")
		require.Nil(t, results.Tx())
		require.NoError(t, results.Close())
		require.NoError(t, results.Close(), "once more")
		_, err = results.Query() //nolint:sqlclosecheck // there are none
		require.ErrorContains(t, err, "closed")
		require.NoError(t, tx.SendBatch(ctx, new(pgx.Batch)).Close(), "an empty one")
	})
}

func scopedBatchesThatFail(t *testing.T, h *handle, _ setup) {
	t.Helper()
	pid := h.pid()
	for text, code := range map[string]string{"SELECT 1 / 0": "22012", "SELECT none FROM notes": "42703"} {
		for _, before := range []int{0, 1, 3} {
			err := h.begin(func(ctx context.Context, tx *core.Tx) error {
				b := new(pgx.Batch)
				for range before {
					b.Queue(insertNote, "x")
				}
				b.Queue(text)
				called := false
				b.Queue(insertNote, "y").Exec(func(pgconn.CommandTag) error {
					called = true
					return nil
				})
				err := tx.SendBatch(ctx, b).Close()
				require.False(t, called)
				return err
			})
			var refused *pgconn.PgError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, code, refused.Code)
		}
	}
	require.ErrorIs(t, h.begin(func(ctx context.Context, tx *core.Tx) error {
		b := new(pgx.Batch)
		b.Queue("SELECT 1").QueryRow(func(pgx.Row) error { return errOwn })
		b.Queue("SELECT 2")
		return tx.SendBatch(ctx, b).Close()
	}), errOwn)
	require.Equal(t, "0", h.count(h.as(h.acme)))
	require.Equal(t, pid, h.pid())
}

func scopedIsDead(t *testing.T, h *handle, _ setup) {
	t.Helper()
	var kept *core.Tx
	var batch pgx.BatchResults
	entered, left, used := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	ctx := h.as(h.acme)
	go func() {
		<-entered
		<-left
		_, err := kept.Exec(ctx, insertNote, "late")
		used <- err
	}()
	h.inTx(func(ctx context.Context, tx *core.Tx) {
		kept = tx
		b := new(pgx.Batch)
		b.Queue("SELECT 1")
		b.Queue("SELECT 2")
		batch = tx.SendBatch(ctx, b)
		close(entered)
	})
	close(left)
	require.ErrorIs(t, <-used, core.ErrTxDone)
	_, err := batch.Exec()
	require.ErrorIs(t, err, core.ErrTxDone)
	require.ErrorIs(t, batch.Close(), core.ErrTxDone)
	_, err = kept.Exec(ctx, "SELECT 1")
	require.ErrorIs(t, err, pgx.ErrTxClosed)
	require.ErrorIs(t, kept.QueryRow(ctx, "SELECT 1").Scan(nil), core.ErrTxDone)
	require.ErrorIs(t, kept.SendBatch(ctx, new(pgx.Batch)).Close(), core.ErrTxDone)
	_, err = kept.CopyFrom(ctx, pgx.Identifier{"notes"}, []string{"body"}, pgx.CopyFromRows(nil))
	require.ErrorIs(t, err, core.ErrTxDone)
	_, err = kept.CopyTo(ctx, nil, core.CopyText, "SELECT 1")
	require.ErrorIs(t, err, core.ErrTxDone)
	require.Equal(t, "0", h.count(ctx))
}

func readOnly(t *testing.T, h *handle, _ setup) {
	t.Helper()
	ctx := h.as(h.acme)
	options := &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}
	err := h.BeginTxFunc(ctx, options, func(tx *core.Tx) error {
		var level string
		require.NoError(t, tx.QueryRow(ctx, "SELECT current_setting('transaction_isolation')").Scan(&level))
		require.Equal(t, "repeatable read", level)
		_, err := tx.Exec(ctx, insertNote, "x")
		return err
	})
	var refused *pgconn.PgError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "25006", refused.Code)
	err = h.BeginTxFunc(ctx, &sql.TxOptions{Isolation: sql.LevelLinearizable}, nil)
	require.ErrorContains(t, err, "isolation level")
}
