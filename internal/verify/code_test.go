package verify_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryCode holds that each code is one of its own, is written as the others are, and has a case among the tests
// of this package or of those that use it.
func TestEveryCode(t *testing.T) {
	t.Parallel()
	tests := sources(t, "*_test.go", "../../core/verify_test.go", "../../gormstratum/verify_test.go")
	file, err := parser.ParseFile(token.NewFileSet(), "code.go", nil, 0)
	require.NoError(t, err)
	seen := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Code") {
			return true
		}
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		require.NoError(t, err)
		require.Regexp(t, `^[a-z][a-z_]+[a-z]$`, text)
		require.False(t, seen[text], text)
		seen[text] = true
		name := spec.Names[0].Name
		require.True(t, strings.Contains(tests, "verify."+name+",") || strings.Contains(tests, text), "%s has no case", name)
		return false
	})
	require.Greater(t, len(seen), 40)
}

// sources are the texts of files.
func sources(t *testing.T, patterns ...string) string {
	t.Helper()
	var all strings.Builder
	for _, pattern := range patterns {
		names, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, names)
		for _, name := range names {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			all.Write(text)
		}
	}
	return all.String()
}
