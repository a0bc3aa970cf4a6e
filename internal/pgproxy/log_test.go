package pgproxy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStatements(t *testing.T) {
	t.Parallel()
	proxy := start(t)
	conn := connect(t, proxy.DSN())
	require.NoError(t, exec(t.Context(), conn, "SELECT 'before'"))
	require.Empty(t, proxy.Statements(), "nobody asked for them")

	proxy.Record()
	long := "SELECT '" + strings.Repeat("x", 1<<16) + "'"
	require.NoError(t, exec(t.Context(), conn, long))
	_, err := conn.Prepare(t.Context(), "named", "SELECT $1::int")
	require.NoError(t, err)
	for range 2 {
		_, err = conn.Exec(t.Context(), "named", 1)
		require.NoError(t, err)
	}
	require.Equal(t, []string{long, "SELECT $1::int"}, proxy.Statements())

	proxy.Record()
	require.Empty(t, proxy.Statements(), "a new log")
}
