package guard_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/guard"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// always are the commands that are refused inside a transaction and outside of one. With a tag, the server reports it
// for the command, and the second line of defence sees it there.
var always = []struct{ sql, tag string }{
	{"BEGIN", "BEGIN"},
	{"begin isolation level serializable", "BEGIN"},
	{"START TRANSACTION READ ONLY", "START TRANSACTION"},
	{"COMMIT", "COMMIT"},
	{"COMMIT AND CHAIN", "COMMIT"},
	{"END", "COMMIT"},
	{"ROLLBACK", "ROLLBACK"},
	{"ROLLBACK AND CHAIN", "ROLLBACK"},
	{"ROLLBACK WORK", "ROLLBACK"},
	{"ABORT", "ROLLBACK"},
	{"ABORT AND CHAIN", "ROLLBACK"},
	{"COMMIT PREPARED 'x'", "COMMIT PREPARED"},
	{"ROLLBACK PREPARED 'x'", "ROLLBACK PREPARED"},
	{"PREPARE TRANSACTION 'x'", "PREPARE TRANSACTION"},
	{"SET search_path = public", "SET"},
	{"SET SESSION application_name = 'x'", "SET"},
	{"SET TIME ZONE 'UTC'", "SET"},
	{"SET ROLE stratum_system", "SET"},
	{"SET SESSION AUTHORIZATION DEFAULT", "SET"},
	{"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SET"},
	{"SET LOCAL ROLE stratum_system", "SET"},
	{`SET LOCAL "role" = 'stratum_system'`, "SET"},
	{`SET LOCAL U&"r\006fle" = 'stratum_system'`, "SET"},
	{"SET LOCAL SESSION AUTHORIZATION DEFAULT", "SET"},
	{"SET LOCAL stratum.tenant = 'x'", "SET"},
	{"SET LOCAL Stratum . Context = 'x'", "SET"},
	{"SET LOCAL search_path = public", "SET"},
	{"SET LOCAL SCHEMA 'public'", "SET"},
	{"SET LOCAL NAMES 'UTF8'", "SET"},
	{"SET LOCAL client_encoding = 'UTF8'", "SET"},
	{"SET LOCAL standard_conforming_strings = off", "SET"},
	{"SET LOCAL row_security = off", "SET"},
	{"ALTER ROLE CURRENT_USER SET role = 'stratum_subtree'", ""},
	{"ALTER USER CURRENT_USER PASSWORD 'x'", ""},
	{"DROP OWNED BY stratum_tenant", ""},
	{"REASSIGN OWNED BY stratum_tenant TO CURRENT_USER", ""},
	{"SELECT lo_create(0)", ""},
	{"RESET ROLE", "RESET"},
	{"RESET ALL", "RESET"},
	{"DISCARD ALL", "DISCARD ALL"},
	{"DISCARD PLANS", "DISCARD PLANS"},
	{"LOAD 'auto_explain'", "LOAD"},
	{"LISTEN x", "LISTEN"},
	{"UNLISTEN *", "UNLISTEN"},
	{"PREPARE p AS SELECT 1", "PREPARE"},
	{"EXECUTE p", ""},
	{"DEALLOCATE ALL", "DEALLOCATE ALL"},
	{"DEALLOCATE p", "DEALLOCATE"},
	{"COPY notes TO STDOUT", "COPY 0"},
	{"COPY notes FROM STDIN", "COPY 0"},
	{"DECLARE c CURSOR WITH HOLD FOR SELECT 1", "DECLARE CURSOR"},
	{"DECLARE c NO SCROLL CURSOR WITH -- it\n /* is */ HOLD FOR SELECT 1", "DECLARE CURSOR"},
	{"SELECT pg_advisory_lock(1)", ""},
	{`SELECT pg_catalog."pg_advisory_lock_shared"(1)`, ""},
	{"SELECT pg_try_advisory_lock(1), 2", ""},
	{"WITH x AS (SELECT Pg_Try_Advisory_Lock_Shared(1)) SELECT * FROM x", ""},
	{"SELECT set_config('application_name', 'x', false)", ""},
	{"SELECT set_config('application_name', 'x', $1)", ""},
	{"SELECT set_config('application_name', 'x', true or false)", ""},
	{"SELECT set_config('role', 'stratum_system', true)", ""},
	{"SELECT set_config('ro'\n'le', 'stratum_system', true)", ""},
	{"SELECT set_config('ro' || 'le', 'stratum_system', true)", ""},
	{"SELECT set_config(E'r\\157le', 'stratum_system', true)", ""},
	{"SELECT set_config(U&'r\\006fle', 'stratum_system', true)", ""},
	{"SELECT pg_catalog.set_config ( 'STRATUM.tenant' , 'x' , true )", ""},
	{"SELECT set_config($1, 'x', true)", ""},
	{"SELECT set_config(is_local => true, setting_name => 'role', new_value => 'x')", ""},
	{`SELECT "set_config"('role', 'stratum_system', true)`, ""},
	{`SELECT U&"set\005fconfig"('role', 'stratum_system', true)`, ""},
	{`SELECT U&"set!005fconfig" UESCAPE '!' ('role', 'stratum_system', true)`, ""},
	{"SELECT 1; SELECT 2", ""},
	{"SELECT 1; COMMIT", "COMMIT"},
	{"; ; SELECT 1; SELECT 2;", ""},
	{"SELECT 'open", ""},
	{"SELECT $$open$", ""},
	{"SELECT /* open /* */", ""},
	{`SELECT "open`, ""},
	{"SELECT 1\x00; SELECT 2", ""},
}

// disguises are ways to write a command so that a look at its first letters misses it.
var disguises = []func(sql string) string{
	func(sql string) string { return sql },
	strings.ToLower,
	func(sql string) string { return "-- SELECT 1\n" + sql },
	func(sql string) string { return "/* /* SELECT */ 1 */\t\f" + sql },
	func(sql string) string { return "\r\n;; " + sql + " ;" },
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, refused := range always {
		for _, disguise := range disguises {
			for _, tx := range []bool{false, true} {
				require.ErrorIs(t, guard.Check(disguise(refused.sql), tx), core.ErrCommand, "%q", disguise(refused.sql))
			}
		}
	}
	for _, sql := range []string{
		"ROLLBACK TO SAVEPOINT s", "ROLLBACK WORK TO s", "ROLLBACK TRANSACTION TO SAVEPOINT s",
		"SET LOCAL statement_timeout = 1", "SET LOCAL myapp.user = 'x'", "SET CONSTRAINTS ALL DEFERRED",
		"SET TRANSACTION READ ONLY", "SET LOCAL TIME ZONE 'UTC'",
	} {
		for _, disguise := range disguises {
			require.NoError(t, guard.Check(disguise(sql), true), sql)
			require.ErrorIs(t, guard.Check(disguise(sql), false), core.ErrCommand, sql)
		}
	}
}

// TestCheckLetsThrough has what only looks like a command that is refused.
func TestCheckLetsThrough(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		"", " ", ";", "-- nothing", "SELECT 1", "SELECT 1;", "(SELECT 1)", "select 'COMMIT; SET ROLE x'",
		"SELECT $$; COMMIT $$", `SELECT ";" FROM (SELECT 1 AS ";") AS t`, "SELECT /* ; */ 1 -- ; COMMIT",
		"SELECT E'\\'; COMMIT; --'", "SELECT 'a'';'", "SELECT U&'\\0061;'", "SELECT set_config FROM t", "SELECT with, hold FROM t",
		"SELECT set_config('myapp.user', $1, true)", "SELECT pg_catalog.set_config('work_mem', f(1, 2), TRUE) FROM x",
		"SELECT set_config('a.b', (SELECT ','), true)", "SELECT pg_advisory_xact_lock(1)",
		"SELECT pg_try_advisory_xact_lock_shared(1)", "DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1", "FETCH ALL FROM c",
		"CLOSE c", "SAVEPOINT s", "RELEASE SAVEPOINT s", "NOTIFY x, 'y'", "LOCK TABLE t", "CALL p()", "DO $$ BEGIN END $$",
		"EXPLAIN ANALYZE SELECT 1", "VALUES (1)", "TABLE notes", "SHOW work_mem", "INSERT INTO prepare VALUES (1)",
		`SELECT U&"d\0061t" FROM t`, "SELECT 1 AS commit", "TRUNCATE notes", "VACUUM",
	} {
		for _, tx := range []bool{false, true} {
			require.NoError(t, guard.Check(sql, tx), sql)
		}
	}
}

func TestCheckTag(t *testing.T) {
	t.Parallel()
	for _, refused := range always {
		if refused.tag == "" {
			continue
		}
		for _, tx := range []bool{false, true} {
			require.ErrorIs(t, guard.CheckTag(refused.tag, refused.sql, tx), core.ErrProtocol, refused.sql)
			require.ErrorIs(t, guard.CheckTag(refused.tag, "SELECT 1", tx), core.ErrProtocol, refused.sql)
		}
	}
	for _, tag := range []string{
		"", "SELECT 1", "INSERT 0 1", "UPDATE 3", "SAVEPOINT", "RELEASE", "NOTIFY", "DO", "CALL", "CREATE TABLE", "FETCH 3",
		"CLOSE CURSOR", "LOCK TABLE", "SHOW", "EXPLAIN",
	} {
		require.NoError(t, guard.CheckTag(tag, "SELECT 1", false), tag)
	}
	require.NoError(t, guard.CheckTag("ROLLBACK", "ROLLBACK TO s", true))
	require.ErrorIs(t, guard.CheckTag("ROLLBACK", "ROLLBACK TO s", false), core.ErrProtocol)
	require.NoError(t, guard.CheckTag("SET", "SET LOCAL work_mem = '1MB'", true))
	require.ErrorIs(t, guard.CheckTag("SET", "SET LOCAL work_mem = '1MB'", false), core.ErrProtocol)
	require.NoError(t, guard.CheckTag("SET CONSTRAINTS", "SET CONSTRAINTS ALL DEFERRED", true))
	require.NoError(t, guard.CheckTag("DECLARE CURSOR", "DECLARE c CURSOR FOR SELECT 1", true))
}

// commandsAreRefused before they reach the server, and leave connection and transaction as they were.
func commandsAreRefused(t *testing.T, h *handle, _ setup) {
	t.Helper()
	ctx := h.as(h.acme)
	pid := h.pid()
	tx, err := h.db.BeginTx(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, 0, h.trips(func() {
		for _, refused := range always {
			_, err := tx.ExecContext(ctx, refused.sql)
			require.ErrorIs(t, err, core.ErrCommand, refused.sql)
		}
	}))
	require.NoError(t, tx.Commit())
	require.Equal(t, 0, h.trips(func() {
		for _, refused := range always {
			_, err := h.db.ExecContext(ctx, refused.sql)
			require.ErrorIs(t, err, core.ErrCommand, refused.sql)
			_, err = h.db.ExecContext(h.system(), refused.sql)
			require.ErrorIs(t, err, core.ErrCommand, refused.sql)
		}
	}))
	require.Equal(t, pid, h.pid())
}

// commandsAreLetThrough that end with their transaction.
func commandsAreLetThrough(t *testing.T, h *handle, s setup) {
	t.Helper()
	ctx := h.as(h.acme)
	tx, err := h.db.BeginTx(ctx, nil)
	require.NoError(t, err)
	for _, sql := range []string{
		"SAVEPOINT s", "INSERT INTO notes (body) VALUES ('undone')", "ROLLBACK TO SAVEPOINT s", "RELEASE SAVEPOINT s",
		"SET LOCAL statement_timeout = '10s'", "SET CONSTRAINTS ALL IMMEDIATE", "SELECT pg_advisory_xact_lock(42)",
		"SELECT set_config('myapp.user', 'u', true)", "NOTIFY channel, 'hello'",
		"DECLARE c CURSOR WITHOUT HOLD FOR SELECT i, i FROM generate_series(1, 3) AS i",
	} {
		_, err := tx.ExecContext(ctx, sql)
		require.NoError(t, err, sql)
	}
	var a, b int
	require.NoError(t, tx.QueryRowContext(ctx, "FETCH 1 FROM c").Scan(&a, &b))
	require.NoError(t, tx.QueryRowContext(ctx, "SELECT count(*) FROM notes").Scan(&a))
	require.Equal(t, 0, a)
	require.NoError(t, tx.Commit())
	for _, sql := range []string{"SAVEPOINT s", "RELEASE SAVEPOINT s"} {
		_, err := h.db.ExecContext(ctx, sql)
		if s.citus && sql == "SAVEPOINT s" {
			require.NoError(t, err, "it is in a block, and gone with it")
			continue
		}
		require.Error(t, err, "PostgreSQL refuses it outside of a transaction")
	}
}

// cursorsOfOneName have columns of their own each, whatever was known of FETCH before.
func cursorsOfOneName(t *testing.T, h *handle, _ setup) {
	t.Helper()
	ctx := h.as(h.acme)
	for _, columns := range []string{"1", "1, 'two', 3.0", "'x'::text, 2"} {
		tx, err := h.db.BeginTx(ctx, nil)
		require.NoError(t, err)
		_, err = tx.ExecContext(ctx, "DECLARE same CURSOR FOR SELECT "+columns)
		require.NoError(t, err)
		rows, err := tx.QueryContext(ctx, "FETCH ALL FROM same")
		require.NoError(t, err)
		names, err := rows.Columns()
		require.NoError(t, err)
		require.Len(t, names, 1+strings.Count(columns, ","))
		require.True(t, rows.Next())
		ended(t, rows)
		require.NoError(t, tx.Commit())
	}
}

// TestSecondLine lets the refused commands through to the server: what it says it did gives them away, and the
// connection is given up.
func TestSecondLine(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	for _, s := range []setup{{mode: cacheStatement}, {mode: simpleProtocol}, {superuser: true, mode: cacheDescribe}} {
		t.Run(s.name(), func(t *testing.T) {
			t.Parallel()
			h := d.open(t, s)
			h.raw(func(raw any) error { guard.WithoutRules(raw); return nil })
			for _, sql := range []string{
				"SET application_name = 'x'", "SET SESSION AUTHORIZATION DEFAULT", "SET LOCAL search_path = x", "RESET ALL",
				"RESET ROLE", "DISCARD PLANS", "LISTEN x", "UNLISTEN *", "PREPARE p AS SELECT 1", "DEALLOCATE ALL",
				"COMMIT", "ROLLBACK", "BEGIN", "COMMIT AND CHAIN",
			} {
				gaveUp(t, h, sql, func(ctx context.Context) error { _, err := h.db.ExecContext(ctx, sql); return err })
			}
			for _, sql := range []string{
				"COMMIT", "ROLLBACK", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "SET LOCAL role = 'x'", "SET a.b = 'x'", "LISTEN x",
				"DECLARE c CURSOR WITH HOLD FOR SELECT 1", "RESET ALL",
			} {
				gaveUp(t, h, "in a transaction: "+sql, func(ctx context.Context) error {
					tx, err := h.db.BeginTx(ctx, nil)
					require.NoError(t, err)
					defer tx.Rollback() //nolint:errcheck // it is lost
					_, err = tx.ExecContext(ctx, sql)
					require.Error(t, tx.Commit())
					return err
				})
			}
		})
	}
}

// gaveUp runs a command and looks that it is found out. The server itself refuses some of them in some modes, which is
// as good.
func gaveUp(t *testing.T, h *handle, name string, run func(ctx context.Context) error) {
	t.Helper()
	before := h.pid()
	err := run(h.as(h.acme))
	require.Error(t, err, name)
	if !strings.Contains(err.Error(), "SQLSTATE") {
		require.ErrorIs(t, err, core.ErrProtocol, name)
		require.NotEqual(t, before, h.pid(), name)
	}
	require.Empty(t, h.text(h.as(h.globex), "SELECT current_setting('a.b', true)"), name)
}

// TestSecondLineCountsStatements has the server run more than was thought to be in the text, and end in a state that
// was not thought of.
func TestSecondLineCountsStatements(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{mode: simpleProtocol})
	sc := scope.Scope{Kind: scope.Tenant, Tenant: h.acme}
	for text, want := range map[string]error{
		"SELECT 1":                  nil,
		"SELECT 1; SELECT 2":        core.ErrProtocol,
		"SELECT 1; SET a.b = 'x'":   core.ErrProtocol,
		"SELECT 1; COMMIT; BEGIN":   core.ErrProtocol,
		"SET a.b = 'x'; SELECT 1":   core.ErrProtocol,
		"BEGIN; SELECT 1; COMMIT":   core.ErrProtocol,
		"SELECT 1; SELECT 1 / 0":    nil, // an error of its own
		"SELECT 1; SELECT pg_sleep": nil, // as above
	} {
		pid := h.pid()
		h.raw(func(raw any) error {
			err := guard.Smuggle(t.Context(), raw, sc, "SELECT 1", text)
			if want != nil {
				require.ErrorIs(t, err, want, text)
			}
			return nil
		})
		if want != nil {
			require.NotEqual(t, pid, h.pid(), text)
		}
		require.Empty(t, h.text(h.as(h.globex), "SELECT current_setting('a.b', true)"), text)
	}
}

// procedures end their transaction in the middle and read on outside of it.
const procedures = `
CREATE PROCEDURE escape() LANGUAGE plpgsql AS $$ BEGIN
	COMMIT;
	INSERT INTO seen SELECT body, current_user FROM notes;
	COMMIT;
END $$;
CREATE TABLE seen (body text, who text);
GRANT ALL ON seen TO PUBLIC;
GRANT EXECUTE ON PROCEDURE escape() TO PUBLIC;`

// TestCommitInAProcedure shows on a superuser's DSN that CALL and DO escape their scope by COMMIT, except in a
// transaction block, which the guard puts around them.
func TestCommitInAProcedure(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.exec(t, procedures)
	for _, mode := range []string{cacheStatement, cacheDescribe, describeExec, simpleProtocol} {
		h := d.open(t, setup{superuser: true, mode: mode})
		h.exec(h.as(h.globex), "INSERT INTO notes (body) VALUES ('of globex')")
		do := "DO $$ BEGIN COMMIT; INSERT INTO seen SELECT body, current_user FROM notes; END $$"
		pid := h.pid()
		for _, sql := range []string{"CALL escape()", do} {
			_, err := h.db.ExecContext(h.as(h.acme), sql)
			require.ErrorContains(t, err, "2D000", "%s %s", mode, sql)
			tx, err := h.db.BeginTx(h.as(h.acme), nil)
			require.NoError(t, err)
			_, err = tx.ExecContext(h.as(h.acme), sql)
			require.ErrorContains(t, err, "2D000", "%s %s", mode, sql)
			require.NoError(t, tx.Rollback())
		}
		require.Equal(t, pid, h.pid(), "the block is rolled back, the connection stays")
		require.Equal(t, "0", h.text(h.system(), "SELECT count(*) FROM seen"))
		h.exec(h.as(h.acme), "DO $$ BEGIN INSERT INTO notes (body) VALUES ('done'); END $$")
		require.Equal(t, "1", h.count(h.as(h.acme)))

		h.raw(func(raw any) error { guard.WithoutBlock(raw); return nil })
		_, err := h.db.ExecContext(h.as(h.acme), do)
		if mode == simpleProtocol {
			require.ErrorContains(t, err, "2D000", "a text of several statements is a block already")
			continue
		}
		require.NoError(t, err)
		require.Equal(t, "of globex", h.text(h.system(), "SELECT body FROM seen WHERE body = 'of globex' LIMIT 1"))
		h.exec(h.system(), "DELETE FROM seen")
		h.exec(h.system(), "DELETE FROM notes")
	}
}
