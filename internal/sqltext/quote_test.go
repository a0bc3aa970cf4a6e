package sqltext_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

func TestQuote(t *testing.T) {
	t.Parallel()
	require.Equal(t, `"a"`, sqltext.Quote("a"))
	require.Equal(t, `"public"."Odd "" name"`, sqltext.Quote("public", `Odd " name`))
	require.Equal(t, `"cut"`, sqltext.Quote("cut\x00"), "a NUL ends the statement for the server")
	require.Equal(t, `"a", "b.c"`, sqltext.QuoteEach([]string{"a", "b.c"}))
	require.Empty(t, sqltext.QuoteEach(nil))
}

func TestLiteral(t *testing.T) {
	t.Parallel()
	require.Equal(t, `'it''s'`, sqltext.Literal("it's"))
	require.Equal(t, `E'a\\''b'`, sqltext.Literal(`a\'b`))
	require.Equal(t, `''`, sqltext.Literal(""))
}
