package sqltext_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

func TestSpans(t *testing.T) {
	t.Parallel()
	sql := `a."B ""c" /* d */ = 'e''f' -- g`
	spans, ok := sqltext.Spans(sql)
	require.True(t, ok)
	var tokens []string
	for _, s := range spans {
		tokens = append(tokens, sql[s.Start:s.Stop])
	}
	require.Equal(t, []string{"a", ".", `"B ""c"`, "=", `'e''f'`}, tokens)
	_, ok = sqltext.Spans(`'open`)
	require.False(t, ok)
}

func TestIdentifier(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]string{"a": "a", "ä1": "ä1", `"A ""b"`: `A "b`} {
		name, ok := sqltext.Identifier(token)
		require.True(t, ok, token)
		require.Equal(t, want, name)
	}
	for _, token := range []string{"", "'a'", "E'a'", "1", "=", "$1"} {
		_, ok := sqltext.Identifier(token)
		require.False(t, ok, token)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]string{`'a''b'`: "a'b", `E'a\\b'`: `a\b`, `''`: ""} {
		content, ok := sqltext.Text(token)
		require.True(t, ok, token)
		require.Equal(t, want, content)
		require.Equal(t, token, sqltext.Literal(content))
	}
	for _, token := range []string{"", "a", `"a"`, "E", "'", "B'1'"} {
		_, ok := sqltext.Text(token)
		require.False(t, ok, token)
	}
}

func TestIsPlain(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "_", "t_1z"} {
		require.True(t, sqltext.IsPlain(name), name)
	}
	for _, name := range []string{"", "1a", "A", "ä", "a b", `a"`, "a$"} {
		require.False(t, sqltext.IsPlain(name), name)
	}
}
