package mutants_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/mutants"
)

const root = "../.."

// Each refusal of the guard and of the plugin has a named test, and the list has no other.
func TestListIsComplete(t *testing.T) {
	t.Parallel()
	refusals, entries, err := mutants.Load(root)
	require.NoError(t, err)
	require.Greater(t, len(refusals), 100)
	require.NoError(t, mutants.Compare(refusals, entries))
	require.NoError(t, mutants.CheckTests(root, entries))
	justified := 0
	for _, e := range entries {
		if e.Reason != "" {
			justified++
		}
	}
	require.Less(t, justified, len(entries)/6, "a reason is for what no test can reach")
}

func TestReadList(t *testing.T) {
	t.Parallel()
	entries, err := mutants.ReadList(strings.NewReader(`
# a comment
a.go:f:ErrX :: p TestA/sub_test, q/r TestB
a.go:f:ErrX#2 :: because it cannot be
`))
	require.NoError(t, err)
	require.Equal(t, []mutants.Entry{
		{Key: "a.go:f:ErrX", Tests: []mutants.Test{{Package: "p", Name: "TestA/sub_test"}, {Package: "q/r", Name: "TestB"}}},
		{Key: "a.go:f:ErrX#2", Reason: "it cannot be"},
	}, entries)
	require.Equal(t, `^TestA$/^sub_\(test\)$`, mutants.Test{Name: "TestA/sub_(test)"}.Pattern())
}

func TestReadListRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a.go:f:ErrX":                          `line 1 of the list: it needs a key`,
		"a.go:f:ErrX :: ":                      `line 1 of the list: it needs a key`,
		"\na.go:f:ErrX :: TestA":               `line 2 of the list: "TestA" is no package and test`,
		"a.go:f:ErrX :: p TestA, TestB":        `"TestB" is no package and test`,
		"a.go:f:ErrX :: p TestA/with space":    `is no package and test`,
		"a:f:E :: p TestA\na:f:E :: p TestA\n": `line 2 of the list: the refusal is listed twice`,
	} {
		_, err := mutants.ReadList(strings.NewReader(text))
		require.ErrorContains(t, err, want, text)
	}
	_, err := mutants.ReadList(iotest.ErrReader(io.ErrClosedPipe))
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

func TestCompare(t *testing.T) {
	t.Parallel()
	refusals := []mutants.Refusal{
		{File: "a.go", Func: "f", Label: "ErrX", Number: 1, Line: 7}, {File: "a.go", Func: "f", Label: "ErrX", Number: 2, Line: 9},
	}
	listed := mutants.Entry{Key: "a.go:f:ErrX"}
	require.NoError(t, mutants.Compare(refusals[:1], []mutants.Entry{listed}))
	err := mutants.Compare(refusals, []mutants.Entry{listed, {Key: "b.go:g:ErrY"}})
	require.ErrorContains(t, err, "a.go:9: no test is named for refusal a.go:f:ErrX#2 (add it to the list)")
	require.ErrorContains(t, err, "the list has b.go:g:ErrY, which is not in the source (remove it)")
}

func TestCheckTests(t *testing.T) {
	t.Parallel()
	entry := func(name string) []mutants.Entry {
		return []mutants.Entry{{Key: "k", Tests: []mutants.Test{{Package: "internal/mutants", Name: name}}}}
	}
	require.NoError(t, mutants.CheckTests(root, entry("TestCheckTests/of_any_name")))
	err := mutants.CheckTests(root, entry("TestCheckTest"))
	require.ErrorContains(t, err, "package internal/mutants has no TestCheckTest, which is named for k")
	require.Error(t, errors.Join(err, mutants.CheckTests("[", entry("TestX"))))
}

func TestLoadWithoutAList(t *testing.T) {
	t.Parallel()
	_, _, err := mutants.Load(t.TempDir())
	require.ErrorContains(t, err, "refusals.txt")
}
