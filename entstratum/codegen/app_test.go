package codegen_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const self = "github.com/stratum-hq/stratum-go"

// app is a module of its own that depends on this one, as a user's does: testdata/app in a temporary folder.
type app struct {
	dir string
}

func newApp(t *testing.T) app {
	t.Helper()
	root := checkout(t)
	a := app{dir: t.TempDir()}
	require.NoError(t, os.CopyFS(a.dir, os.DirFS("testdata/app")))
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	text = regexp.MustCompile(`(?m)^module .*$`).ReplaceAll(text, []byte("module example.com/app"))
	a.write(t, "go.mod", fmt.Sprintf("%s\nrequire %s v0.0.0\n\nreplace %s => %s\n", text, self, self, root))
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	a.write(t, "go.sum", string(sums))
	return a
}

// checkout is the root of this module.
func checkout(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(root, "go.mod"))
	return root
}

func (a app) write(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o600))
}

// run runs the go command in the module, offline, and returns its exit status and what it has written.
func (a app) run(t *testing.T, args ...string) (status int, output string) {
	t.Helper()
	return runGo(t, a.dir, args...)
}

// mustRun is run of what must succeed.
func (a app) mustRun(t *testing.T, args ...string) {
	t.Helper()
	status, output := a.run(t, args...)
	require.Zero(t, status, output)
}

func runGo(t *testing.T, dir string, args ...string) (status int, output string) {
	t.Helper()
	var written bytes.Buffer
	c := exec.CommandContext(t.Context(), "go", args...)
	c.Dir, c.Stdout, c.Stderr = dir, &written, &written
	c.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOSUMDB=off", "GOWORK=off", "PWD="+dir)
	err := c.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return c.ProcessState.ExitCode(), written.String()
}

// tree is the files below a folder, with a hash of what is in each.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			files[path] = ""
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, path))
		files[path] = fmt.Sprintf("%x", sha256.Sum256(text))
		return err
	}))
	return files
}

// TestRefusedGeneration: an application of ent's takes Stratum up, with one schema of many. What was generated before
// stays as it is, to the byte, though ent and another extension write before they ask anybody.
func TestRefusedGeneration(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.mustRun(t, "run", "entc.go", "-plain", "bad")
	more, err := os.ReadFile(filepath.Join(a.dir, "bad", "schema.go.txt"))
	require.NoError(t, err)
	a.write(t, "bad/schema/more.go", string(more))
	before := tree(t, a.dir)
	require.Contains(t, before, "bad/ent/ticket_query.go")
	runtime, err := os.ReadFile(filepath.Join(a.dir, "bad", "ent", "runtime.go"))
	require.NoError(t, err)
	require.Contains(t, string(runtime), "example.com/app/bad/schema", "ent marks this file before it calls hooks")

	status, output := a.run(t, "run", "entc.go", "bad")
	require.Equal(t, 1, status, output)
	require.Equal(t, []string{
		`stratum: schema Person.email: a unique field tells one tenant of another's values (replace Unique() by ` +
			`index.Fields("tenant_id", "email").Unique(), or annotate the field with entstratum.GlobalUnique(reason))`,
		`stratum: schema Report: a view shows the rows of all tenants unless it checks policies as whoever asks it ` +
			`(create it WITH (security_invoker = true), and make entstratum.SecurityInvoker() all that its annotations ` +
			`and its Mixin() say of tenants)`,
		`stratum: schema Tag: it is neither tenant-owned nor global ` +
			`(add entstratum.Mixin{} to its Mixin(), or entstratum.Global() to its Annotations())`,
		`stratum: schema Ticket: it is neither tenant-owned nor global ` +
			`(add entstratum.Mixin{} to its Mixin(), or entstratum.Global() to its Annotations())`,
		"exit status 1",
	}, strings.Split(strings.TrimSpace(output), "\n"))
	require.Equal(t, before, tree(t, a.dir))
}

// TestSecondExtension: both parts are there, whichever extension comes first.
func TestSecondExtension(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	generated := filepath.Join(a.dir, "desk", "ent")
	a.mustRun(t, "run", "entc.go", "desk")
	before := tree(t, generated)
	require.Contains(t, before, "audit.txt")
	require.NoError(t, os.RemoveAll(generated))
	a.mustRun(t, "run", "entc.go", "-first", "desk")
	after := tree(t, generated)
	delete(before, "internal/schema.go") // ent's snapshot lists the features as they were turned on
	delete(after, "internal/schema.go")
	require.Equal(t, before, after)

	query, err := os.ReadFile(filepath.Join(generated, "ticket_query.go"))
	require.NoError(t, err)
	require.Regexp(t, `func \(_q \*TicketQuery\) AuditLevel\(\) int \{\s+return 3\s`, string(query), "1 of the mixin, 2 of the schema")
	a.mustRun(t, "build", "./desk/...")
}

// TestGeneratedNames: what is generated compiles without features and without tenants, and with names that others have.
func TestGeneratedNames(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.mustRun(t, "run", "entc.go", "store", "names")
	a.mustRun(t, "build", "./store/...", "./names/...")
	require.FileExists(t, filepath.Join(a.dir, "names", "ent", "stratum.go"), "the entity's")
}

// TestReproducible: what is committed is what the schemas and the templates make.
func TestReproducible(t *testing.T) {
	t.Parallel()
	for _, of := range []string{"desk", "clinic"} {
		dir := filepath.Join(checkout(t), "entstratum", "internal", of)
		target := t.TempDir()
		status, output := runGo(t, dir, "run", "entc.go", "-target", target)
		require.Zero(t, status, output)
		require.Equal(t, tree(t, filepath.Join(dir, "ent")), tree(t, target), "run go generate ./entstratum/internal/%s", of)
	}
}
