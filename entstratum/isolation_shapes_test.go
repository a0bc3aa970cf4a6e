package entstratum_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// Entities of all shapes, in a module of its own that is generated and tested as a user's is: testdata/shapes.
func TestIsolationOfEveryShape(t *testing.T) {
	t.Parallel()
	dir, root := t.TempDir(), checkout(t)
	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata/shapes")))
	const self = "github.com/stratum-hq/stratum-go"
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	text = regexp.MustCompile(`(?m)^module .*$`).ReplaceAll(text, []byte("module example.com/shapes"))
	text = fmt.Appendf(text, "\nrequire %s v0.0.0\n\nreplace %s => %s\n", self, self, root)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), text, 0o600))
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o600))
	for _, args := range [][]string{{"run", "entc.go"}, {"test", "./..."}} {
		c := exec.CommandContext(t.Context(), "go", args...)
		c.Dir = dir
		c.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOSUMDB=off", "GOWORK=off", "PWD="+dir)
		output, err := c.CombinedOutput()
		require.NoError(t, err, string(output))
	}
}

// checkout is the root of this module.
func checkout(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(root, "go.mod"))
	return root
}
