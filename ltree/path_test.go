package ltree_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/ltree"
)

// deepest has as many labels as a path may have.
func deepest() ltree.Path {
	return ltree.MustParse(strings.Repeat("a.", ltree.MaxDepth-1) + "a")
}

func TestParseAccepts(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("x", ltree.MaxLabelLength)
	for text, depth := range map[string]int{
		"": 0, "a": 1, "a.b": 2, "A.a._.0": 4, "Top.Science.Astronomy": 3, longest: 1, longest + "." + longest: 2,
	} {
		path, err := ltree.Parse(text)
		require.NoError(t, err, "%q", text)
		require.Equal(t, text, path.String())
		require.Equal(t, depth, path.Depth(), "%q", text)
		require.Equal(t, text == "", path.IsZero())
		require.Equal(t, path, ltree.MustParse(text))
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	tooLong := strings.Repeat("x", 256)
	for name, test := range map[string]struct {
		input  string
		offset int
		err    error
	}{
		"dot alone":      {".", 0, ltree.ErrEmptyLabel},
		"leading dot":    {".a", 0, ltree.ErrEmptyLabel},
		"trailing dot":   {"a.", 2, ltree.ErrEmptyLabel},
		"doubled dot":    {"a..b", 2, ltree.ErrEmptyLabel},
		"space":          {" ", 0, ltree.ErrLabelCharacter},
		"space at end":   {"a.b ", 3, ltree.ErrLabelCharacter},
		"hyphen":         {"a.b-c", 3, ltree.ErrLabelCharacter},
		"slash":          {"a/b", 1, ltree.ErrLabelCharacter},
		"umlaut":         {"a.ä", 2, ltree.ErrLabelCharacter},
		"zero byte":      {"a\x00", 1, ltree.ErrLabelCharacter},
		"long label":     {"a." + tooLong + ".b", 257, ltree.ErrLabelTooLong},
		"65536 labels":   {strings.Repeat("a.", 65535) + "a", 131070, ltree.ErrTooDeep},
		"only dots":      {strings.Repeat(".", 70000), 0, ltree.ErrEmptyLabel},
		"first error":    {"a-b..c", 1, ltree.ErrLabelCharacter},
		"quoted label":   {`"a"`, 0, ltree.ErrLabelCharacter},
		"lquery":         {"a.*", 2, ltree.ErrLabelCharacter},
		"injected quote": {"a'; --", 1, ltree.ErrLabelCharacter},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, err := ltree.Parse(test.input)
			require.ErrorIs(t, err, test.err)
			require.Zero(t, path)

			var parseError *ltree.ParseError
			require.ErrorAs(t, err, &parseError)
			require.Equal(t, test.offset, parseError.Offset)
			require.Equal(t, test.input, parseError.Input)
		})
	}
}

func TestMustParsePanics(t *testing.T) {
	t.Parallel()
	require.PanicsWithError(t, `parse "a..b", byte 2: `+ltree.ErrEmptyLabel.Error(), func() {
		ltree.MustParse("a..b")
	})
}

func TestParseTakesTheDeepestPath(t *testing.T) {
	t.Parallel()
	require.Equal(t, 65535, deepest().Depth())
}

func TestZeroPathIsTheEmptyPath(t *testing.T) {
	t.Parallel()
	require.Equal(t, ltree.Path{}, ltree.MustParse(""))
	require.True(t, ltree.Path{}.IsZero())
}

func TestPathIsAMapKey(t *testing.T) {
	t.Parallel()
	path, err := ltree.New(labels("a", "b")...)
	require.NoError(t, err)
	seen := map[ltree.Path]bool{ltree.MustParse("a.b"): true}
	require.True(t, seen[path])
	require.False(t, seen[ltree.MustParse("A.b")])
}

func TestNew(t *testing.T) {
	t.Parallel()
	path, err := ltree.New(labels("acme", "emea", "berlin")...)
	require.NoError(t, err)
	require.Equal(t, ltree.MustParse("acme.emea.berlin"), path)

	path, err = ltree.New()
	require.NoError(t, err)
	require.True(t, path.IsZero())

	_, err = ltree.New(ltree.MustParseLabel("a"), ltree.Label{})
	require.ErrorIs(t, err, ltree.ErrEmptyLabel)
	require.ErrorContains(t, err, "label 1")

	_, err = ltree.New(append(deepest().Labels(), ltree.MustParseLabel("b"))...)
	require.ErrorIs(t, err, ltree.ErrTooDeep)
}

func TestLabels(t *testing.T) {
	t.Parallel()
	require.Nil(t, ltree.Path{}.Labels())
	require.Equal(t, labels("a"), ltree.MustParse("a").Labels())
	require.Equal(t, labels("a", "bc", "d"), ltree.MustParse("a.bc.d").Labels())
}

func TestLabelsAreTheCallersOwn(t *testing.T) {
	t.Parallel()
	path := ltree.MustParse("a.b")
	path.Labels()[0] = ltree.MustParseLabel("x")
	require.Equal(t, "a.b", path.String())
}

func TestLabelAt(t *testing.T) {
	t.Parallel()
	path := ltree.MustParse("a.bc.def")
	for i, want := range labels("a", "bc", "def") {
		got, ok := path.Label(i)
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	for _, i := range []int{-1, 3, 1 << 40, -1 << 40} {
		got, ok := path.Label(i)
		require.False(t, ok)
		require.Zero(t, got)
	}
	_, ok := ltree.Path{}.Label(0)
	require.False(t, ok)
}

func TestRootAndLeaf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{
		"a": {"a", "a"}, "a.bc": {"a", "bc"}, "ab.c.def": {"ab", "def"},
	} {
		path := ltree.MustParse(text)
		root, ok := path.Root()
		require.True(t, ok)
		leaf, ok := path.Leaf()
		require.True(t, ok)
		require.Equal(t, want, [2]string{root.String(), leaf.String()})
	}
	_, ok := ltree.Path{}.Root()
	require.False(t, ok)
	_, ok = ltree.Path{}.Leaf()
	require.False(t, ok)
}
