package consumer_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// oldGo is what a consumer's go.mod says before it depends on this module: old enough that any demand shows.
const oldGo = "1.21"

// module is a consumer in a folder of its own.
type module struct {
	dir string
}

// newModule writes a module that imports the given packages of this one, from this checkout. Its go.sum is this
// module's, so that a consumer which needs a module that is not named there fails.
func newModule(t *testing.T, packages []string) module {
	t.Helper()
	root := checkout(t)
	m := module{dir: t.TempDir()}

	m.write(t, "go.mod", fmt.Sprintf(
		"module example.com/consumer\n\ngo %s\n\nrequire %s v0.0.0\n\nreplace %s => %s\n", oldGo, self, self, root))
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	m.write(t, "go.sum", string(sums))

	var source strings.Builder
	source.WriteString("package consumer\n\n")
	for _, p := range packages {
		fmt.Fprintf(&source, "import _ %q\n", self+"/"+p)
	}
	m.write(t, "consumer.go", source.String())
	return m
}

func (m module) write(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o600))
}

// dependency is a package that is compiled into a consumer. Module is empty for the standard library.
type dependency struct {
	ImportPath string
	Module     struct{ Path string }
}

// dependencies lists what is compiled into the consumer, without the standard library and the consumer itself.
func (m module) dependencies(t *testing.T) []dependency {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(m.goTool(t, "list", "-deps", "-json=ImportPath,Module", ".")))
	var found []dependency
	for decoder.More() {
		var d dependency
		require.NoError(t, decoder.Decode(&d))
		if d.Module.Path != "" && d.Module.Path != "example.com/consumer" {
			found = append(found, d)
		}
	}
	require.NotEmpty(t, found)
	return found
}

// goDirective is the Go version that the module's go.mod asks for, as in "1.25.0".
func (m module) goDirective(t *testing.T) string {
	t.Helper()
	var file struct{ Go string }
	require.NoError(t, json.Unmarshal([]byte(m.goTool(t, "mod", "edit", "-json")), &file))
	return file.Go
}

// goTool runs the go command in the consumer with the module cache as its only source: whatever this module does not
// bring along is missing. -mod=mod lets the command write go.mod, as go get would.
func (m module) goTool(t *testing.T, args ...string) string {
	t.Helper()
	return runGo(t, m.dir, []string{"GOFLAGS=-mod=mod", "GOPROXY=off", "GOSUMDB=off"}, args...)
}

// prepare makes the test independent of what was built before. It needs no network when the module cache is full.
func prepare(t *testing.T) {
	t.Helper()
	watchSources(t)
	runGo(t, checkout(t), []string{"GOFLAGS=-mod=readonly"}, "mod", "download")
}

func runGo(t *testing.T, dir string, env []string, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOTOOLCHAIN=local", "PWD="+dir)
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoErrorf(t, cmd.Run(), "go %s\n%s", strings.Join(args, " "), &stderr)
	return stdout.String()
}

// watchSources looks at every Go file of this module. The go command caches a test's success until a file that the test
// itself has looked at changes, and the test leaves reading the sources to another process. A file that cannot be
// looked at, such as one that another test removes meanwhile, costs a cache hit at most.
func watchSources(t *testing.T) {
	t.Helper()
	_ = filepath.WalkDir(checkout(t), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".go" {
			_, _ = os.Stat(path)
		}
		return nil
	})
}

// checkout is the folder of this module's go.mod.
func checkout(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(root, "go.mod"))
	return root
}
