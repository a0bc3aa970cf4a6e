package guard_test

import (
	"database/sql/driver"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/guard"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// The refusals here are those that no other test is about; see internal/mutants.

// TestTranslateHardened has the refusals of a database that admits by signature.
func TestTranslateHardened(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]error{"ST007": guard.ErrUnsigned, "ST008": guard.ErrProof} {
		err := guard.Translate(&pgconn.PgError{Code: code, Detail: "secret"})
		require.ErrorIs(t, err, want)
		require.NotContains(t, err.Error(), "secret")
	}
}

// TestTranslateLost has connections that broke in use: no address gets into the text.
func TestTranslateLost(t *testing.T) {
	t.Parallel()
	address := &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 5432}
	reset := &net.OpError{Op: "read", Net: "tcp", Addr: address, Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	for err, cause := range map[error]error{
		reset: syscall.ECONNRESET,
		fmt.Errorf("10.1.2.3: %w", io.ErrUnexpectedEOF): io.ErrUnexpectedEOF,
		fmt.Errorf("10.1.2.3: %w", net.ErrClosed):       io.ErrUnexpectedEOF,
	} {
		lost := guard.Translate(err)
		require.ErrorIs(t, lost, cause)
		require.ErrorContains(t, lost, "what became of it is unknown")
		require.NotContains(t, lost.Error(), "10.1.2.3")
	}
}

// TestAnswerWithoutAResult has the server answer fewer statements than were thought to be in the text: what is there
// may be another statement's.
func TestAnswerWithoutAResult(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{mode: simpleProtocol})
	sc := scope.Scope{Kind: scope.Tenant, Tenant: h.acme}
	for _, text := range []string{"", ";", "-- nothing"} {
		h.raw(func(raw any) error {
			require.ErrorIs(t, guard.Smuggle(t.Context(), raw, sc, "SELECT 1", text), core.ErrProtocol, text)
			return nil
		})
	}
	require.Equal(t, "0", h.count(h.as(h.globex)), "the next statement is in order")
}

// TestRowOfAnotherWidth has a row that a description no longer fits.
func TestRowOfAnotherWidth(t *testing.T) {
	t.Parallel()
	row, err := guard.DecodeRow(2, "a", "b")
	require.NoError(t, err)
	require.Equal(t, "b", row[1])
	for _, values := range [][]string{nil, {"a"}, {"a", "b", "c"}} {
		_, err := guard.DecodeRow(2, values...)
		require.ErrorIs(t, err, core.ErrProtocol, len(values))
	}
}

// TestScopedSecondLine lets refused commands of a scoped transaction through to the server: the tag gives them away, and
// the connection is given up.
func TestScopedSecondLine(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	for _, mode := range []string{cacheStatement, simpleProtocol} {
		h := d.open(t, setup{mode: mode})
		h.raw(func(raw any) error { guard.WithoutRules(raw); return nil })
		for _, text := range []string{"SET a.b = 'x'", "COMMIT"} {
			pid := h.pid()
			err := h.BeginFunc(h.as(h.acme), func(tx *core.Tx) error {
				_, err := tx.Exec(h.as(h.acme), text)
				return err
			})
			require.ErrorIs(t, err, core.ErrProtocol, text)
			require.NotEqual(t, pid, h.pid(), text)
			require.Empty(t, h.text(h.as(h.globex), "SELECT current_setting('a.b', true)"), text)
		}
	}
}

// TestScopedStringsMustConform as they must elsewhere: in a scoped transaction, too, texts become literals.
func TestScopedStringsMustConform(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{mode: simpleProtocol})
	ctx := h.as(h.acme)
	const change = "DO $$ BEGIN EXECUTE 'SET standard_conforming_strings = off'; END $$"
	for name, use := range map[string]func(tx *core.Tx) error{
		"Exec": func(tx *core.Tx) error { _, err := tx.Exec(ctx, "SELECT $1", `\`); return err },
		"CopyTo": func(tx *core.Tx) error {
			_, err := tx.CopyTo(ctx, io.Discard, core.CopyText, "SELECT $1::text", `\`)
			return err
		},
	} {
		err := h.BeginFunc(ctx, func(tx *core.Tx) error {
			_, err := tx.Exec(ctx, change)
			require.NoError(t, err)
			return use(tx)
		})
		require.ErrorIs(t, err, core.ErrConfig, name)
		h.proxy.Cut() // the next connection is in order
	}
}

// TestConnectionLeftInARole has a function that changes the session's role for good: whoever comes next is served by
// another connection, and is not told of it.
func TestConnectionLeftInARole(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	const leave = "DO $$ BEGIN EXECUTE 'SET ROLE stratum_tenant'; END $$"
	for _, mode := range []string{cacheStatement, cacheDescribe, simpleProtocol} {
		h := d.open(t, setup{mode: mode})
		h.exec(h.as(h.acme), leave)
		require.Equal(t, "0", h.count(h.as(h.globex)), mode)
		h.exec(h.as(h.acme), leave)
		tx, err := h.db.BeginTx(h.as(h.globex), nil)
		require.NoError(t, err, mode)
		require.NoError(t, tx.Commit())
	}
}

// TestCopyOfANulByte is refused before it is sent: in a text the byte would end the message.
func TestCopyOfANulByte(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{mode: simpleProtocol})
	pid := h.pid()
	err := h.BeginFunc(h.as(h.acme), func(tx *core.Tx) error {
		source := pgx.CopyFromRows([][]any{{"s3cret\x00', 'x"}})
		_, err := tx.CopyFrom(h.as(h.acme), pgx.Identifier{"notes"}, []string{"body"}, source)
		return err
	})
	require.ErrorContains(t, err, `row 1, column "body": a value of type string cannot be sent as text`)
	require.NotContains(t, err.Error(), "s3cret")
	require.Equal(t, pid, h.pid())
}

// explosive is an argument whose own code fails.
type explosive struct{}

// Value panics.
func (explosive) Value() (driver.Value, error) { panic("an argument's own code") }

// TestPanicLosesNothing: a program that recovers, as web servers do, has all its connections and turns afterwards.
func TestPanicLosesNothing(t *testing.T) {
	t.Parallel()
	options := newDatabase(t).options(setup{})
	options.Limits.Tenant.Concurrent = 1
	h := openWith(t, options)
	ctx := h.as(h.acme)
	for range 3 {
		require.Panics(t, func() { _, _ = h.db.ExecContext(ctx, "SELECT $1::text", explosive{}) })
		h.settle() // a connection that is given up is closed in the background
		h.count(ctx)
	}
}

// TestDescriptionUnderAnotherPath holds for the transaction that has set the path, and for no other.
func TestDescriptionUnderAnotherPath(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.exec(t, "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.notes (body int); "+
		"GRANT USAGE ON SCHEMA elsewhere TO stratum_tenant; GRANT SELECT ON elsewhere.notes TO stratum_tenant")
	for _, mode := range []string{cacheStatement, cacheDescribe} {
		h := d.open(t, setup{mode: mode})
		ctx := h.as(h.acme)
		const query = "SELECT count(*) FROM notes WHERE body = $1"
		tx, err := h.db.BeginTx(ctx, nil)
		require.NoError(t, err)
		_, err = tx.ExecContext(ctx, "DO $$ BEGIN SET LOCAL search_path = elsewhere; END $$")
		require.NoError(t, err)
		var n int
		for range 2 {
			require.NoError(t, tx.QueryRowContext(ctx, query, 1).Scan(&n))
		}
		require.NoError(t, tx.Commit())
		require.Equal(t, "0", h.text(ctx, query, "a text"))
		require.Equal(t, 1, h.trips(func() { h.text(ctx, query, "a text") }), "this one is kept")
	}
}

// TestArgumentsThatCannotBeSent are refused before anything is sent.
func TestArgumentsThatCannotBeSent(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	for _, mode := range []string{simpleProtocol, cacheStatement} {
		h := d.open(t, setup{mode: mode})
		ctx := h.as(h.acme)
		refuse := func(arg any, why string) {
			t.Helper()
			const query = "SELECT $1::int"
			h.text(ctx, query, 1)
			require.Zero(t, h.trips(func() {
				_, err := h.db.ExecContext(ctx, query, arg)
				require.ErrorContains(t, err, why)
			}))
			require.ErrorContains(t, h.BeginFunc(ctx, func(tx *core.Tx) error {
				h.proxy.Reset()
				_, err := tx.Exec(ctx, query, arg)
				require.Zero(t, h.proxy.Counts().RoundTrips)
				return err
			}), why)
		}
		refuse(make(chan int), "argument 1")
		if mode == simpleProtocol {
			refuse("a\x00b", "NUL byte")
		}
	}
}
