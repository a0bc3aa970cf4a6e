package guard_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/guard"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// hostile are texts that would break out of a literal that was put together carelessly.
func hostile() []string {
	return []string{
		"", "'", "''", `\`, `\'`, "';--", "'); SET ROLE x; --", "$1", "$2$3$4", "$$", "$a$'$a$", "/*", "*/", "--", "\n", "\r\n",
		"\t", "ünïcödé ✓ 𝄞", "\u2028", `"`, `{"actor":1}`, "%s %d", "E'\\x27'", "U&'\\0027'", "\ufffd", "a\x7fb",
		strings.Repeat("'", 100), strings.Repeat("\\", 101), "x' OR '1'='1", "\u02bc", "＇",
	}
}

// actorAndReasonArrive inside the statement and inside the transaction, whatever is in them.
func actorAndReasonArrive(t *testing.T, h *handle, _ setup) {
	t.Helper()
	type note struct {
		Actor  *core.Actor
		Reason string
	}
	read := func(text string) (n note) {
		t.Helper()
		require.NoError(t, json.Unmarshal([]byte(text), &n))
		return n
	}
	const setting = "SELECT current_setting('stratum.context')"
	require.Empty(t, h.text(h.as(h.acme), setting), "nobody acts")
	for _, text := range hostile() {
		actor := core.Actor{ID: "id" + text, Kind: text}
		n := read(h.text(core.WithActor(h.as(h.acme), actor), setting))
		require.Equal(t, note{Actor: &actor}, n)
		system := core.WithActor(core.AsSystem(t.Context(), "because "+text), actor)
		require.Equal(t, note{Actor: &actor, Reason: "because " + text}, read(h.text(system, setting)))
		tx, err := h.db.BeginTx(system, nil)
		require.NoError(t, err)
		var found string
		require.NoError(t, tx.QueryRowContext(system, setting).Scan(&found))
		require.Equal(t, note{Actor: &actor, Reason: "because " + text}, read(found))
		require.NoError(t, tx.Commit())
	}
	require.Equal(t, h.acme.String(), h.text(h.as(h.acme), "SELECT current_setting('stratum.tenant')"))
	require.Empty(t, h.text(h.system(), "SELECT current_setting('stratum.tenant')"), "the system is no tenant")
}

// TestDescribeContext is always JSON that PostgreSQL can read.
func TestDescribeContext(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{})
	empty, err := guard.DescribeContext(scope.Scope{}, scope.Actor{})
	require.NoError(t, err)
	require.Empty(t, empty)
	rapid.Check(t, func(r *rapid.T) {
		actor := core.Actor{ID: rapid.String().Draw(r, "id"), Kind: rapid.String().Draw(r, "kind")}
		text, err := guard.DescribeContext(scope.Scope{Reason: rapid.String().Draw(r, "reason")}, actor)
		require.NoError(r, err)
		if len(text) == 0 {
			return
		}
		_, err = h.db.ExecContext(h.as(h.acme), "SELECT $1::jsonb", string(text))
		require.NoError(r, err)
	})
}

// textsMakeTheRoundTrip as arguments, in every mode.
func textsMakeTheRoundTrip(t *testing.T, h *handle, s setup) {
	t.Helper()
	ctx := h.as(h.acme)
	const echo = "SELECT /* $1 '*/ '$1' || $1::text || $$ $1 $$ || E'\\'$1' AS \"$1\" -- $1 '"
	for _, text := range hostile() {
		require.Equal(t, "$1"+text+" $1 '$1", h.text(ctx, echo, text), "%q", text)
	}
	require.Empty(t, h.text(ctx, "SELECT coalesce($1, 'null')", ""))
	if s.superuser {
		return // it makes no difference to a text, and many texts take their time
	}
	rapid.Check(t, func(r *rapid.T) {
		text := strings.ReplaceAll(rapid.String().Draw(r, "text"), "\x00", "")
		bytes := rapid.SliceOf(rapid.Byte()).Draw(r, "bytes")
		var back string
		var backBytes []byte
		require.NoError(r, h.db.QueryRowContext(ctx, "SELECT $1::text, $2::bytea", text, bytes).Scan(&back, &backBytes))
		require.Equal(r, text, back)
		require.Equal(r, string(bytes), string(backBytes))
		_, err := h.db.ExecContext(ctx, "SELECT $1::text", text+"\x00")
		require.Error(r, err)
	})
	require.Equal(t, "0", h.count(ctx))
}

// hostileTexts are statements that try to hide a second one.
func hostileTexts(t *testing.T, h *handle, _ setup) {
	t.Helper()
	h.exec(h.as(h.globex), "INSERT INTO notes (body) VALUES ('kept')")
	for _, sql := range []string{
		"SELECT 1; DELETE FROM notes",
		"SELECT E'a'\n'\\''; DELETE FROM notes; --'",
		"SELECT E'a' -- comment\n  '\\''; DELETE FROM notes; --'",
		"SELECT e'\\'; DELETE FROM notes; --'; DELETE FROM notes",
		"SELECT 'a\\'; DELETE FROM notes; --'",
		"SELECT U&'\\'; DELETE FROM notes; --'",
		"SELECT $a$ $b$ $a$; DELETE FROM notes; --$b$",
		"SELECT a$a$; DELETE FROM notes; --$a$",
		"SELECT 1 /* /* */; DELETE FROM notes; */ */; DELETE FROM notes",
		"SELECT 1 -- \r; DELETE FROM notes",
		"SELECT \"a\"\"; DELETE FROM notes; --\"; DELETE FROM notes",
		"SELECT 1\x00; DELETE FROM notes",
		"SELECT N'a\\'; DELETE FROM notes; --'",
		"SELECT 1; SET ROLE NONE; DELETE FROM notes",
		"\\; DELETE FROM notes",
	} {
		_, err := h.db.ExecContext(h.system(), sql)
		require.Error(t, err, "%q", sql)
	}
	require.Equal(t, "1", h.count(h.as(h.globex)))
}

// TestStringsMustConform: where they do not, a literal means another text to the server than to the rules. A connection
// with such a setting is given up, and a transaction goes no further.
func TestStringsMustConform(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{mode: simpleProtocol})
	for _, mode := range []string{simpleProtocol, cacheStatement, cacheDescribe} {
		h := h.d.open(t, setup{mode: mode})
		ctx := h.as(h.acme)
		for _, setting := range []string{"standard_conforming_strings = off", "client_encoding = 'LATIN1'"} {
			change := "DO $$ BEGIN EXECUTE 'SET " + strings.ReplaceAll(setting, "'", "''") + "'; END $$"
			pid := h.pid()
			h.exec(ctx, change)
			require.Equal(t, `\`, h.text(ctx, "SELECT $1::text", `\`), setting)
			require.NotEqual(t, pid, h.pid(), "another connection")
			h.exec(ctx, change)
			require.NoError(t, h.begun(ctx))
			tx, err := h.db.BeginTx(ctx, nil)
			require.NoError(t, err)
			_, err = tx.ExecContext(ctx, change)
			require.NoError(t, err)
			_, err = tx.ExecContext(ctx, `INSERT INTO notes (body) VALUES ('\') -- ')`)
			require.ErrorIs(t, err, core.ErrConfig, setting)
			require.NoError(t, tx.Rollback())
			require.ErrorIs(t, h.BeginFunc(ctx, func(tx *core.Tx) error {
				_, err := tx.Exec(ctx, change)
				require.NoError(t, err)
				_, err = tx.Exec(ctx, "SELECT 1")
				return err
			}), core.ErrConfig)
		}
	}
	_, err := h.d.admin(t).Exec(t.Context(), "ALTER ROLE ALL IN DATABASE "+pgx.Identifier{h.d.Name}.Sanitize()+
		" SET standard_conforming_strings = off")
	require.NoError(t, err)
	h.proxy.Cut()
	_, err = h.db.ExecContext(h.as(h.acme), "SELECT 1")
	require.ErrorIs(t, err, core.ErrConfig, "a default that has changed since Open")
	for _, params := range []string{"&client_encoding=LATIN1", "&standard_conforming_strings=off"} {
		for _, mode := range []string{cacheStatement, simpleProtocol} {
			_, err := core.Open(t.Context(), h.d.options(setup{mode: mode, params: params}))
			require.ErrorIs(t, err, core.ErrConfig)
		}
	}
}
