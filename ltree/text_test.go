package ltree_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/ltree"
)

type document struct {
	Path     ltree.Path            `json:"path"`
	Label    ltree.Label           `json:"label"`
	Optional *ltree.Path           `json:"optional"`
	Omitted  ltree.Path            `json:"omitted,omitzero"`
	Sizes    map[ltree.Path]int    `json:"sizes"`
	Names    map[ltree.Label][]int `json:"names"`
}

func TestJSONRoundTrip(t *testing.T) {
	t.Parallel()
	in := document{
		Path:  ltree.MustParse("a.b"),
		Label: ltree.MustParseLabel("c"),
		Sizes: map[ltree.Path]int{{}: 1, ltree.MustParse("x.y"): 2},
		Names: map[ltree.Label][]int{ltree.MustParseLabel("n"): {3}},
	}
	text, err := json.Marshal(in)
	require.NoError(t, err)
	require.JSONEq(t,
		`{"path":"a.b","label":"c","optional":null,"sizes":{"":1,"x.y":2},"names":{"n":[3]}}`, string(text))

	var out document
	require.NoError(t, json.Unmarshal(text, &out))
	require.Equal(t, in, out)
}

func TestJSONOfZeroValues(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(document{})
	require.NoError(t, err)
	require.JSONEq(t, `{"path":"","label":"","optional":null,"sizes":null,"names":null}`, string(text))

	out := document{Path: ltree.MustParse("a"), Label: ltree.MustParseLabel("a")}
	require.NoError(t, json.Unmarshal(text, &out))
	require.Equal(t, document{}, out)
}

func TestJSONNullLeavesTheValue(t *testing.T) {
	t.Parallel()
	out := document{Path: ltree.MustParse("a"), Label: ltree.MustParseLabel("b"), Optional: optional("c")}
	require.NoError(t, json.Unmarshal([]byte(`{"path":null,"label":null,"optional":null}`), &out))
	require.Equal(t, document{Path: ltree.MustParse("a"), Label: ltree.MustParseLabel("b")}, out)
}

func TestJSONRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		`{"path":"a..b"}`:       ltree.ErrEmptyLabel,
		`{"path":"a b"}`:        ltree.ErrLabelCharacter,
		`{"label":"a.b"}`:       ltree.ErrLabelCharacter,
		`{"sizes":{"a.":1}}`:    ltree.ErrEmptyLabel,
		`{"optional":"\u0000"}`: ltree.ErrLabelCharacter,
	} {
		require.ErrorIs(t, json.Unmarshal([]byte(text), new(document)), want, "%s", text)
	}
	require.Error(t, json.Unmarshal([]byte(`{"path":7}`), new(document)))
}

func TestUnmarshalTextKeepsTheValueOnError(t *testing.T) {
	t.Parallel()
	path, label := ltree.MustParse("a.b"), ltree.MustParseLabel("c")
	require.ErrorIs(t, path.UnmarshalText([]byte("a.")), ltree.ErrEmptyLabel)
	require.ErrorIs(t, label.UnmarshalText([]byte("-")), ltree.ErrLabelCharacter)
	require.Equal(t, "a.b", path.String())
	require.Equal(t, "c", label.String())
}

func TestUnmarshalTextCopies(t *testing.T) {
	t.Parallel()
	buffer := []byte("abc")
	var path ltree.Path
	require.NoError(t, path.UnmarshalText(buffer))
	buffer[0] = '.'
	require.Equal(t, "abc", path.String())
}
