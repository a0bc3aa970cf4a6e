package mutants_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/mutants"
)

// toy is a module with four refusals: one that is tested, one that hangs, one that nothing looks at, and one of which
// the mutant does not compile.
var toy = map[string]string{
	"go.mod": "module example.org/toy\n\ngo 1.24\n",
	"p/p.go": `package p

import "errors"

var ErrX = errors.New("p: x")

func Tested(n int) error {
	if n > 1 {
		return ErrX
	}
	return nil
}

func Hangs(stop bool) error {
	for {
		if stop {
			return ErrX
		}
	}
}

func Untested(n int) error {
	if n > 1 {
		return ErrX
	}
	return nil
}

type XError struct{}

func (XError) Error() string { return "x" }

func Broken() XError { return XError{} }
`,
	"p/p_test.go": `package p

import "testing"

func TestTested(t *testing.T) {
	t.Run("two", func(t *testing.T) {
		if Tested(2) == nil {
			t.Error("it is not refused")
		}
	})
}

func TestHangs(t *testing.T) {
	if Hangs(true) == nil {
		t.Error("it is not refused")
	}
}

func TestUntested(t *testing.T) {
	if Untested(1) != nil {
		t.Error("it is refused")
	}
}

func TestRed(t *testing.T) { t.Error("always") }
`,
}

func writeToy(t *testing.T) (root string, refusals []mutants.Refusal) {
	t.Helper()
	root = t.TempDir()
	for name, text := range toy {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	refusals, err := mutants.Scan(root, "p")
	require.NoError(t, err)
	require.Len(t, refusals, 4)
	return root, refusals
}

func read(t *testing.T, list string) []mutants.Entry {
	t.Helper()
	entries, err := mutants.ReadList(strings.NewReader(list))
	require.NoError(t, err)
	return entries
}

func TestRun(t *testing.T) {
	t.Parallel()
	root, refusals := writeToy(t)
	const killed = "p/p.go:Tested:ErrX :: p TestTested/two\n"
	for name, test := range map[string]struct {
		list     string
		refusals []mutants.Refusal
		want     error
		lines    []string
	}{
		"killed": {
			killed, refusals[:1], nil,
			[]string{"killed    p/p.go:Tested:ErrX (line 9: n > 1)", "1 refusals: 1 killed, 0 justified, 0 survived, 0 broken"},
		},
		"hanging": {"p/p.go:Hangs:ErrX :: p TestHangs", refusals[1:2], nil, []string{"killed    p/p.go:Hangs:ErrX"}},
		"justified": {
			"p/p.go:Untested:ErrX :: because of the weather", refusals[2:3], nil,
			[]string{"justified p/p.go:Untested:ErrX (line 24: n > 1): of the weather", "1 justified"},
		},
		"survived": {
			killed + "p/p.go:Untested:ErrX :: p TestUntested",
			[]mutants.Refusal{refusals[0], refusals[2]},
			mutants.ErrSurvived,
			[]string{
				"killed    p/p.go:Tested:ErrX", "SURVIVED  p/p.go:Untested:ErrX", "p TestUntested passes without it", "1 survived",
			},
		},
		"one of two tests": {
			"p/p.go:Tested:ErrX :: p TestTested, p TestUntested", refusals[:1], mutants.ErrSurvived,
			[]string{"SURVIVED  p/p.go:Tested:ErrX", "p TestUntested passes without it"},
		},
		"no such sub-test": {
			"p/p.go:Tested:ErrX :: p TestUntested/none", refusals[:1], mutants.ErrSurvived, []string{"SURVIVED"},
		},
		"not listed": {killed, refusals[2:3], mutants.ErrSurvived, []string{"SURVIVED  p/p.go:Untested:ErrX", "not in the list"}},
		"broken": {
			"p/p.go:Broken:XError :: p TestTested", refusals[3:], mutants.ErrSurvived,
			[]string{"BROKEN    p/p.go:Broken:XError", "cannot use func(error) error", "1 broken"},
		},
		"red before": {"p/p.go:Tested:ErrX :: p TestRed", refusals[:1], mutants.ErrBaseline, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			err := mutants.Run(t.Context(), mutants.Config{
				Root: root, Refusals: test.refusals, Entries: read(t, test.list), Out: &out, Timeout: 3 * time.Second,
			})
			require.ErrorIs(t, err, test.want)
			for _, line := range test.lines {
				require.Contains(t, out.String(), line)
			}
		})
	}
	source, err := os.ReadFile(filepath.Join(root, "p", "p.go"))
	require.NoError(t, err)
	require.Equal(t, toy["p/p.go"], string(source), "the tree stays as it is")
}

func TestRunEnds(t *testing.T) {
	t.Parallel()
	root, refusals := writeToy(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := mutants.Run(ctx, mutants.Config{
		Root: root, Refusals: refusals, Entries: read(t, "a :: because not"), Out: new(strings.Builder),
	})
	require.ErrorIs(t, err, context.Canceled)
}

// One refusal of this module, so that what make mutants does is known to work on it.
func TestRunOnThisModule(t *testing.T) {
	t.Parallel()
	path, err := filepath.Abs(root)
	require.NoError(t, err)
	refusals, entries, err := mutants.Load(path)
	require.NoError(t, err)
	var out strings.Builder
	err = mutants.Run(t.Context(), mutants.Config{Root: path, Refusals: refusals[:2], Entries: entries, Out: &out})
	require.NoError(t, err, out.String())
	require.Equal(t, "internal/scope/scope.go", refusals[1].File)
	require.Contains(t, out.String(), "2 refusals: 2 killed, 0 justified, 0 survived, 0 broken")
}
