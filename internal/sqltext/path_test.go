package sqltext_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

func TestSplitPath(t *testing.T) {
	t.Parallel()
	entries := sqltext.SplitPath(`"$user", Public , "a, b","say ""hi""", pg_temp`)
	require.Equal(t, []string{`"$user"`, `Public`, `"a, b"`, `"say ""hi"""`, `pg_temp`}, entries)
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = sqltext.PathName(entry)
	}
	require.Equal(t, []string{`$user`, `public`, `a, b`, `say "hi"`, `pg_temp`}, names)
	require.Empty(t, sqltext.SplitPath(""))
}
