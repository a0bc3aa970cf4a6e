package sqltext_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

func seeds() []string {
	return []string{
		"", "SELECT 1", "SELECT $1; SELECT 2", "E'a'\n'\\''; x", "$a$ ; $a$;", "/* /* */ ; */ a", "U&\"a\" UESCAPE '!' (1)",
		"SET LOCAL role = 'x'", "SELECT set_config('a', 'b', true)", "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "\x00", "'",
		"-- a\r; b", "SELECT pg_advisory_lock($1)", "ROLLBACK WORK TO x", "größe", "\xff\xfe", "1e5$1$$;$$",
	}
}

func FuzzInspect(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		c := sqltext.Inspect(sql)
		require.LessOrEqual(t, c.Statements, 1+strings.Count(sql, ";"))
		require.LessOrEqual(t, len(c.Next), 4)
		require.Negative(t, strings.IndexFunc(c.Word, unicode.IsSpace))
		if strings.Contains(sql, "\x00") {
			require.True(t, c.Broken)
		}
		if c.Broken {
			return
		}
		require.Equal(t, c, sqltext.Inspect(" /**/ -- x\n"+sql), "what stands in front makes no difference")
		require.Equal(t, c, sqltext.Inspect(sql+"\n;"), "nor does a last semicolon")
		require.GreaterOrEqual(t, sqltext.Inspect(sql+"\n; SELECT 1").Statements, 1)
		require.Equal(t, c.IsLocalSetting() || c.IsRollbackTo(),
			c.Word == "SET" && c.IsLocalSetting() || c.Word == "ROLLBACK" && c.IsRollbackTo())
	})
}

func FuzzBind(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(seed, "it's")
	}
	f.Fuzz(func(t *testing.T, sql, value string) {
		literal := "'" + strings.ReplaceAll(strings.ReplaceAll(value, "\x00", ""), "'", "''") + "'"
		text, err := sqltext.Bind(sql, 1, func(int) (string, error) { return literal, nil })
		before := sqltext.Inspect(sql)
		if before.Broken || before.Statements > 1 {
			require.Error(t, err)
		}
		if err != nil {
			return
		}
		after := sqltext.Inspect(text)
		require.False(t, after.Broken)
		require.Equal(t, 1, after.Statements, "a value cannot end the statement")
		require.Equal(t, before.Word, after.Word)
		require.Contains(t, text, literal)
	})
}
