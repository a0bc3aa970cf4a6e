package sqltext_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

func TestInspectWords(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string][]string{
		"":                                 {""},
		"  \t\r\n\f\v":                     {""},
		"select 1":                         {"SELECT"},
		"Select a From b Where c":          {"SELECT", "A", "FROM", "B", "WHERE"},
		"SET LOCAL a_b1$ = 1":              {"SET", "LOCAL", "A_B1$"},
		"-- x\n/* y /* z */ */ BEGIN WORK": {"BEGIN", "WORK"},
		"--":                               {""},
		"(SELECT 1)":                       {""},
		"'text' COMMIT":                    {""},
		`"quoted" COMMIT`:                  {""},
		"; ;COMMIT":                        {"COMMIT"},
		"a b c d e f g":                    {"A", "B", "C", "D", "E"},
		"größe x":                          {"GRÖßE", "X"},
		"SET/**/LOCAL--\nROLE":             {"SET", "LOCAL", "ROLE"},
		"E'x' a":                           {""},
		"U&\"x\" a":                        {""},
		"u & a":                            {"U"},
		"1 a":                              {""},
		"$1 a":                             {""},
		"$$x$$ a":                          {""},
	} {
		c := sqltext.Inspect(sql)
		require.Equal(t, want, append([]string{c.Word}, c.Next...), "%q", sql)
		require.False(t, c.Broken, "%q", sql)
	}
}

func TestInspectStatements(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]int{
		"": 0, ";": 0, ";;": 0, "-- a;b": 0, "/* ; */": 0, "a": 1, "a;": 1, "a;;": 1, ";a;": 1, "a;b": 2, "a; -- b": 1,
		"a; /* b */ c": 2, "';'": 1, "'a'';'": 1, `";"`: 1, `"a"";"`: 1, "$$;$$": 1, "$a$;$$;$a$": 1, "$a$;$b$;$a$;b": 2,
		`E'\';'`: 1, `e'\\';b`: 2, `'\';b`: 2, "E'\\'\n;'": 1, "E'a'\n'\\';'": 1, "E'a' '\\';b": 2, "E'a'--x\n'\\';'": 1,
		"E'a'\r--x\r\f'\\';'": 1, "E'a'/**/\n'\\';b": 2, "'a'\n'\\';b": 2, "B'1;'": 1, "x';'": 1, "N'\\';b": 2, "U&'\\';b": 2,
		"u&'a' UESCAPE '!'": 1, `U&"\";b`: 2, "a$b$;c$b$": 2, "$1;$2": 2, "$;a": 2, "$a;b": 2, "1$$;$$": 1, "1e5'x;'": 1,
		"a --;\rb;c": 2, "/*/* ;*/;*/": 0, "*/*;*/": 1, "+-;-": 2, "a.b;c": 2, "é;é": 2,
	} {
		c := sqltext.Inspect(sql)
		require.Equal(t, want, c.Statements, "%q", sql)
		require.False(t, c.Broken, "%q", sql)
	}
}

func TestInspectBroken(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		"'", "'a''", `"`, `"a""`, "$$", "$a$ $b$", "$a$ $A$", "/*", "/* /* */", "E'\\'", "E'\\", "SELECT 'a'\n'", "U&'", `U&"`,
		"a; 'b", "\x00", "a\x00", "'\x00'", "/*/",
	} {
		require.True(t, sqltext.Inspect(sql).Broken, "%q", sql)
	}
}

func TestInspectSession(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"SELECT pg_advisory_lock(1)":                     "a session advisory lock",
		"SELECT lo_create(0), lo_put(1, 2, '')":          "a large object",
		`SELECT pg_catalog."lo_from_bytea" (0, $1)`:      "a large object",
		"SELECT lo_create FROM t":                        "",
		"SELECT a.PG_TRY_advisory_lock_shared (1)":       "a session advisory lock",
		`SELECT "pg_advisory_lock"(1)`:                   "a session advisory lock",
		"SELECT pg_advisory_unlock(1)":                   "",
		"SELECT pg_advisory_xact_lock(1)":                "",
		"SELECT 'pg_advisory_lock(1)'":                   "",
		"SELECT -- pg_advisory_lock(1)":                  "",
		"DECLARE c CURSOR WITH HOLD FOR SELECT 1":        "a cursor WITH HOLD",
		"declare c cursor with\n--\nhold for select 1":   "a cursor WITH HOLD",
		"DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1":     "",
		"WITH hold AS (SELECT 1) SELECT * FROM hold":     "",
		"SELECT set_config('a.b', $1, true)":             "",
		"SELECT set_config('a.b', 'x', TRUE), 2":         "",
		"SELECT set_config('a.b', f((1, 2), 3), true)":   "",
		"SELECT set_config('a.b', ')', true)":            "",
		"SELECT set_config":                              "",
		"SELECT set_config('a.b', 'x', 't')":             "a setting that is not local to the transaction",
		"SELECT set_config('a.b', 'x', true::bool)":      "a setting that is not local to the transaction",
		"SELECT set_config('a.b', 'x', not true)":        "a setting that is not local to the transaction",
		"SELECT set_config('a.b', 'x')":                  "a setting that is not local to the transaction",
		"SELECT set_config('a.b', 'x', true, true)":      "a setting that is not local to the transaction",
		"SELECT set_config('a.b'::text, 'x', true)":      "a setting that is not local to the transaction",
		"SELECT set_config('a.b', 'x', true":             "a setting that is not local to the transaction",
		"SELECT set_config('a''b', 'x', true)":           "a setting that is not local to the transaction",
		"SELECT set_config('search_path', 'x', true)":    "a setting that is not local to the transaction",
		"SELECT set_config('Stratum.tenant', 'x', true)": "a setting that is not local to the transaction",
		`SELECT U&"\0061"(1)`:                            "a function that is named with unicode escapes",
		`SELECT U&"\0061" FROM t`:                        "",
	} {
		require.Equal(t, want, sqltext.Inspect(sql).Session, sql)
	}
}

func TestIsLocalSetting(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]bool{
		"SET LOCAL work_mem = 1": true, "set local time zone 'UTC'": true, "SET CONSTRAINTS ALL DEFERRED": true,
		"SET TRANSACTION READ ONLY": true, "SET LOCAL a.b = 1": true, "SET LOCAL TRANSACTION READ ONLY": true,
		"SET": false, "SET LOCAL": false, "SET a = 1": false, "SET SESSION a = 1": false, "SET LOCAL ROLE x": false,
		"SET LOCAL role = x": false, "SET LOCAL SESSION AUTHORIZATION x": false, "SET LOCAL session_authorization = x": false,
		"SET LOCAL SCHEMA 'x'": false, "SET LOCAL NAMES 'x'": false, "SET LOCAL stratum.tenant = x": false,
		`SET LOCAL "work_mem" = 1`: false, "SET LOCAL search_path = x": false, "SET LOCAL Row_Security = off": false,
		"SELECT 1": false, "RESET LOCAL x": false, "SET LOCAL session_replication_role = replica": false,
		"SET LOCAL backslash_quote = on": false, "SET LOCAL standard_conforming_strings = off": false,
	} {
		require.Equal(t, want, sqltext.Inspect(sql).IsLocalSetting(), sql)
	}
}

func TestIsRollbackTo(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]bool{
		"ROLLBACK TO s": true, "rollback work to savepoint s": true, "ROLLBACK TRANSACTION TO s": true,
		"ROLLBACK": false, "ROLLBACK WORK": false, "ROLLBACK AND CHAIN": false, "ROLLBACK PREPARED 'x'": false,
		"SELECT TO": false, `ROLLBACK "to"`: false,
	} {
		require.Equal(t, want, sqltext.Inspect(sql).IsRollbackTo(), sql)
	}
}

func TestInspectAllocatesLittle(t *testing.T) { //nolint:paralleltest // it counts
	sql := "SELECT a, b, c FROM some_table WHERE id = $1 AND name = 'x' -- comment"
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { sqltext.Inspect(sql) }), 10.0)
}

func BenchmarkInspect(b *testing.B) {
	sql := "SELECT a, b, c FROM some_table WHERE id = $1 AND name = 'x' ORDER BY created_at LIMIT 20"
	b.ReportAllocs()
	for b.Loop() {
		sqltext.Inspect(sql)
	}
}

func TestReads(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		"SELECT 1", "(SELECT 1)", "WITH x AS (SELECT 1) TABLE x", "VALUES (1)", "TABLE t", "SELECT 'insert'", `SELECT "update"`,
		"SELECT 1 -- delete", "SELECT 1;", "SELECT updated, deletes, shares FROM inserted",
	} {
		require.True(t, sqltext.Inspect(sql).Reads(), sql)
	}
	for _, sql := range []string{
		"", "INSERT INTO t VALUES (1)", "SELECT 1 FOR UPDATE", "SELECT 1 FOR NO KEY UPDATE", "SELECT 1 FOR KEY SHARE",
		"WITH x AS (DELETE FROM t RETURNING 1) TABLE x", "WITH x AS (MERGE INTO t USING u ON a = b) SELECT 1",
		"SELECT 1 INTO t", "SELECT pg_advisory_xact_lock(1)", "SELECT PG_TRY_ADVISORY_XACT_LOCK_SHARED(1)", "SELECT 1; SELECT 2",
		"SHOW x", "EXPLAIN ANALYZE SELECT f()", "CALL p()", "DO $$$$", "LOCK TABLE t", "SELECT '", "FETCH 1 FROM c",
	} {
		require.False(t, sqltext.Inspect(sql).Reads(), sql)
	}
}
