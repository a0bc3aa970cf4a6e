package ltree_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/ltree"
)

func TestErrorsNameTheCure(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		ltree.ErrEmptyLabel, ltree.ErrLabelCharacter, ltree.ErrLabelTooLong, ltree.ErrTooDeep,
		ltree.ErrInvalidPositions, ltree.ErrNull, ltree.ErrSource, ltree.ErrNotInstalled,
	} {
		require.Regexp(t, `^ltree: .+ \(.+\)$`, err.Error())
	}
}

func TestParseErrorText(t *testing.T) {
	t.Parallel()
	_, err := ltree.Parse("acme.emea-1")
	require.EqualError(t, err,
		`parse "acme.emea-1", byte 9: ltree: character not allowed in a label (use only A-Z, a-z, 0-9 and _)`)
}

func TestParseErrorQuotesControlCharacters(t *testing.T) {
	t.Parallel()
	_, err := ltree.Parse("a\nERROR: forged line")
	require.NotContains(t, err.Error(), "\n")
	require.ErrorContains(t, err, `"a\nERROR: forged line"`)
}

func TestParseErrorQuotesTheSurroundingsOfAPlaceInALongText(t *testing.T) {
	t.Parallel()
	before, after := strings.Repeat("a.", 5000), strings.Repeat(".b", 5000)
	_, err := ltree.Parse(before + "here-" + after)
	require.ErrorContains(t, err, `here-.b`)
	require.ErrorContains(t, err, `..."a.a.`)
	require.ErrorContains(t, err, `.b."...`)
	require.ErrorContains(t, err, `byte 10004`)
	require.Less(t, len(err.Error()), 250)
}

func TestParseErrorOfAnyOffsetHasAText(t *testing.T) {
	t.Parallel()
	// The fields are exported, so that callers may build one; its text must not panic whatever they put in.
	for _, offset := range []int{-5, 0, 3, 4000} {
		err := &ltree.ParseError{Input: "a.b", Offset: offset, Err: ltree.ErrTooDeep}
		require.ErrorIs(t, err, ltree.ErrTooDeep)
		require.NotEmpty(t, err.Error())
	}
}
