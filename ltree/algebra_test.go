package ltree_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/ltree"
)

func TestAppend(t *testing.T) {
	t.Parallel()
	path, err := ltree.MustParse("a").Append(labels("b", "c")...)
	require.NoError(t, err)
	require.Equal(t, "a.b.c", path.String())

	path, err = ltree.Path{}.Append(labels("a")...)
	require.NoError(t, err)
	require.Equal(t, "a", path.String())

	path, err = ltree.MustParse("a.b").Append()
	require.NoError(t, err)
	require.Equal(t, "a.b", path.String())
}

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	path, err := ltree.MustParse("a").Append(ltree.Label{})
	require.ErrorIs(t, err, ltree.ErrEmptyLabel)
	require.Zero(t, path)

	path, err = deepest().Append(labels("b")...)
	require.ErrorIs(t, err, ltree.ErrTooDeep)
	require.Zero(t, path)

	path, err = deepest().Append()
	require.NoError(t, err)
	require.Equal(t, deepest(), path)
}

func TestConcat(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ head, tail, want string }{
		{"", "", ""},
		{"a", "", "a"},
		{"", "a.b", "a.b"},
		{"a.b", "c.d", "a.b.c.d"},
	} {
		path, err := ltree.MustParse(test.head).Concat(ltree.MustParse(test.tail))
		require.NoError(t, err)
		require.Equal(t, test.want, path.String())
	}
}

func TestConcatRefusesTooDeep(t *testing.T) {
	t.Parallel()
	path, err := deepest().Concat(ltree.MustParse("b"))
	require.ErrorIs(t, err, ltree.ErrTooDeep)
	require.Zero(t, path)

	parent, ok := deepest().Parent()
	require.True(t, ok)
	path, err = parent.Concat(ltree.MustParse("a"))
	require.NoError(t, err)
	require.Equal(t, deepest(), path)
}

func TestParent(t *testing.T) {
	t.Parallel()
	parent, ok := ltree.MustParse("a.b.c").Parent()
	require.True(t, ok)
	require.Equal(t, "a.b", parent.String())

	for _, text := range []string{"", "a"} {
		parent, ok = ltree.MustParse(text).Parent()
		require.False(t, ok, "%q", text)
		require.Zero(t, parent)
	}
}

func TestAncestors(t *testing.T) {
	t.Parallel()
	require.Equal(t, paths("a", "a.bc", "a.bc.d"), ltree.MustParse("a.bc.d.e").Ancestors())
	require.Equal(t, paths("a"), ltree.MustParse("a.b").Ancestors())
	require.Empty(t, ltree.MustParse("a").Ancestors())
	require.Empty(t, ltree.Path{}.Ancestors())
}

func TestIsAncestorOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		ancestor, descendant string
		want                 bool
	}{
		{"a", "a.b", true},
		{"a", "a.b.c", true},
		{"a.b", "a.b", true}, // inclusive, as @> is
		{"", "a", true},
		{"", "", true},
		{"a", "", false},
		{"a.b", "a", false},
		{"a", "ab", false}, // a text's prefix, but another label
		{"a.b", "a.bc", false},
		{"a.b", "a.b_.c", false},
		{"b", "a.b", false},
		{"A", "a.b", false},
	} {
		ancestor, descendant := ltree.MustParse(test.ancestor), ltree.MustParse(test.descendant)
		require.Equal(t, test.want, ancestor.IsAncestorOf(descendant), "%q @> %q", ancestor, descendant)
		require.Equal(t, test.want, descendant.IsDescendantOf(ancestor), "%q <@ %q", descendant, ancestor)
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	// Copied from SELECT ... ORDER BY path of a PostgreSQL 15 server.
	sorted := paths("", "1", "A", "B", "_", "a", "a.b", "a.b.c", "a.z", "a1", "a_b", "ab", "ab.c", "abc")
	shuffled := slices.Clone(sorted)
	slices.Reverse(shuffled)
	slices.SortFunc(shuffled, ltree.Path.Compare)
	require.Equal(t, sorted, shuffled)
	require.Zero(t, sorted[3].Compare(ltree.MustParse("B")))
}

func TestLCA(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		paths []string
		want  string
	}{
		{[]string{"1.2.3", "1.2.3.4"}, "1.2"}, // proper: not 1.2.3
		{[]string{"1.2.3.4", "1.2.3"}, "1.2"},
		{[]string{"1.2.3", "1.2.4"}, "1.2"},
		{[]string{"1.2", "1.2"}, "1"},
		{[]string{"1.2.3"}, "1.2"},
		{[]string{"1.2.3.4", "1.2.3.5", "1.2.3"}, "1.2"},
		{[]string{"a.b.c", "a.x.c"}, "a"},
		{[]string{"a.bc.d", "a.b.d"}, "a"}, // "a.b" leads the text of both
		{[]string{"1"}, ""},
		{[]string{"1", "1"}, ""},
		{[]string{"1", "1.2.3"}, ""},
		{[]string{"1.2", "3.4"}, ""},
	} {
		lca, ok := ltree.LCA(paths(test.paths...)...)
		require.True(t, ok, "%q", test.paths)
		require.Equal(t, test.want, lca.String(), "%q", test.paths)
	}
}

func TestLCAIsNullForNoneOrEmpty(t *testing.T) {
	t.Parallel()
	for _, list := range [][]ltree.Path{nil, paths(""), paths("", "a.b"), paths("a.b", ""), paths("a.b", "a.b", "")} {
		lca, ok := ltree.LCA(list...)
		require.False(t, ok, "%q", list)
		require.Zero(t, lca)
	}
}

func TestLCAOfLongPathsIsLinear(t *testing.T) {
	t.Parallel()
	// Dropping one label after the other until the rest leads both would compare some 200 GB.
	label := strings.Repeat("x", ltree.MaxLabelLength) + "."
	common := strings.Repeat(label, ltree.MaxDepth/2)
	tail := strings.Repeat(label, ltree.MaxDepth/2-1) + "z"
	lca, ok := ltree.LCA(ltree.MustParse(common+"a."+tail), ltree.MustParse(common+"b."+tail))
	require.True(t, ok)
	require.Equal(t, ltree.MaxDepth/2, lca.Depth())
}

func TestSubpath(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		offset, length int
		want           string
	}{
		{0, 2, "a.bc"},
		{0, 4, "a.bc.d.e"},
		{0, 100, "a.bc.d.e"},
		{0, math.MaxInt, "a.bc.d.e"},
		{3, math.MaxInt, "e"}, // start plus length would overflow
		{1, 1, "bc"},
		{1, 0, ""},
		{-2, 1, "d"},
		{-4, 2, "a.bc"},
		{-5, 1, "e"}, // before the root, hence counted from the end once more
		{-8, 2, "a.bc"},
		{0, -1, "a.bc.d"},
		{1, -2, "bc"},
		{1, -3, ""},
		{0, -4, ""},
		{-3, -1, "bc.d"},
	} {
		path, err := ltree.MustParse("a.bc.d.e").Subpath(test.offset, test.length)
		require.NoError(t, err, "%+v", test)
		require.Equal(t, test.want, path.String(), "%+v", test)
	}
}

func TestSubpathRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		path           string
		offset, length int
	}{
		{"a.b.c", 3, 0},
		{"a.b.c", 3, 1},
		{"a.b.c", 4, -1},
		{"a.b.c", -7, 1},
		{"a.b.c", 2, -2},
		{"a.b.c", 0, -4},
		{"a.b.c", math.MaxInt, math.MaxInt},
		{"a.b.c", math.MinInt, 1},
		{"a.b.c", math.MinInt, math.MinInt},
		{"a.b.c", 0, math.MinInt},
		{"", 0, 0},
		{"", 0, 1},
		{"", -1, 1},
	} {
		path, err := ltree.MustParse(test.path).Subpath(test.offset, test.length)
		require.ErrorIs(t, err, ltree.ErrInvalidPositions, "%+v", test)
		require.Zero(t, path)
	}
}

func TestSubpathFrom(t *testing.T) {
	t.Parallel()
	path := ltree.MustParse("a.bc.d")
	for offset, want := range map[int]string{0: "a.bc.d", 1: "bc.d", 2: "d", -1: "d", -3: "a.bc.d", -4: "d"} {
		got, err := path.SubpathFrom(offset)
		require.NoError(t, err)
		require.Equal(t, want, got.String(), "%d", offset)
	}
	for _, offset := range []int{3, -7, math.MaxInt, math.MinInt} {
		_, err := path.SubpathFrom(offset)
		require.ErrorIs(t, err, ltree.ErrInvalidPositions, "%d", offset)
	}
	_, err := ltree.Path{}.SubpathFrom(0)
	require.ErrorIs(t, err, ltree.ErrInvalidPositions)
}
