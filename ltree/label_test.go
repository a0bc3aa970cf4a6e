package ltree_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/ltree"
)

func TestParseLabelAccepts(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"a", "Z", "0", "9", "_", "__", "a_b", "007", "Top_Level9", strings.Repeat("x", ltree.MaxLabelLength),
	} {
		label, err := ltree.ParseLabel(name)
		require.NoError(t, err, "%q", name)
		require.Equal(t, name, label.String())
		require.False(t, label.IsZero())
		require.Equal(t, label, ltree.MustParseLabel(name))
	}
}

func TestParseLabelRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		input  string
		offset int
		err    error
	}{
		"empty":              {"", 0, ltree.ErrEmptyLabel},
		"dot":                {"a.b", 1, ltree.ErrLabelCharacter},
		"space before":       {" a", 0, ltree.ErrLabelCharacter},
		"space after":        {"a ", 1, ltree.ErrLabelCharacter},
		"newline":            {"a\n", 1, ltree.ErrLabelCharacter},
		"zero byte":          {"a\x00b", 1, ltree.ErrLabelCharacter},
		"hyphen, PG 16 only": {"a-b", 1, ltree.ErrLabelCharacter},
		"letter of a locale": {"aä", 1, ltree.ErrLabelCharacter},
		"full-width digit":   {"１", 0, ltree.ErrLabelCharacter},
		"not UTF-8":          {"a\xff", 1, ltree.ErrLabelCharacter},
		"lquery star":        {"*", 0, ltree.ErrLabelCharacter},
		"quote":              {"a'b", 1, ltree.ErrLabelCharacter},
		"just before digits": {"/", 0, ltree.ErrLabelCharacter},
		"just after digits":  {":", 0, ltree.ErrLabelCharacter},
		"just before A":      {"@", 0, ltree.ErrLabelCharacter},
		"just after Z":       {"[", 0, ltree.ErrLabelCharacter},
		"just before a":      {"`", 0, ltree.ErrLabelCharacter},
		"just after z":       {"{", 0, ltree.ErrLabelCharacter},
		"256 characters":     {strings.Repeat("x", 256), 255, ltree.ErrLabelTooLong},
		"megabytes":          {strings.Repeat("x", 1<<20), 255, ltree.ErrLabelTooLong},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			label, err := ltree.ParseLabel(test.input)
			require.ErrorIs(t, err, test.err)
			require.Zero(t, label)

			var parseError *ltree.ParseError
			require.ErrorAs(t, err, &parseError)
			require.Equal(t, test.offset, parseError.Offset)
			require.Equal(t, test.input, parseError.Input)
		})
	}
}

func TestMustParseLabelPanics(t *testing.T) {
	t.Parallel()
	require.PanicsWithError(t, `parse "a.b", byte 1: `+ltree.ErrLabelCharacter.Error(), func() {
		ltree.MustParseLabel("a.b")
	})
}

func TestLabelZero(t *testing.T) {
	t.Parallel()
	var label ltree.Label
	require.True(t, label.IsZero())
	require.Empty(t, label.String())
}

func TestLabelComparesBytewise(t *testing.T) {
	t.Parallel()
	sorted := labels("0", "1", "A", "B", "_", "a", "a1", "aa", "ab", "b")
	shuffled := slices.Clone(sorted)
	slices.Reverse(shuffled)
	slices.SortFunc(shuffled, ltree.Label.Compare)
	require.Equal(t, sorted, shuffled)
	require.Zero(t, sorted[0].Compare(ltree.MustParseLabel("0")))
}

func TestLabelIsAMapKey(t *testing.T) {
	t.Parallel()
	seen := map[ltree.Label]int{ltree.MustParseLabel("a"): 1}
	seen[ltree.MustParseLabel(strings.Repeat("a", 1))]++
	require.Equal(t, map[ltree.Label]int{ltree.MustParseLabel("a"): 2}, seen)
}
