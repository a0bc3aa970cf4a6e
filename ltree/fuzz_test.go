package ltree_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/ltree"
)

// seeds are texts around every rule.
func seeds() []string {
	return []string{
		"", "a", "a.b", "A._.0", ".", "a.", ".a", "a..b", " a", "a-b", "ä", "a\x00", "\xff", "a'b", "*.a",
		strings.Repeat("x", 255), strings.Repeat("x", 256), "a." + strings.Repeat("y", 255) + "." + strings.Repeat("z", 256),
	}
}

// FuzzParse holds Parse to the rules written as a regular expression, and whatever it accepts to round trips.
func FuzzParse(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(seed)
	}
	valid := regexp.MustCompile(`\A([A-Za-z0-9_]{1,255}(\.[A-Za-z0-9_]{1,255})*)?\z`)
	f.Fuzz(func(t *testing.T, text string) {
		path, err := ltree.Parse(text)
		want := valid.MatchString(text) && strings.Count(text, ".") < 65535
		require.Equal(t, want, err == nil, "%q: %v", text, err)
		if err != nil {
			requireParseError(t, text, err)
			return
		}
		requireRoundTrips(t, path, text)
	})
}

// FuzzParseLabel does the same for labels.
func FuzzParseLabel(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(seed)
	}
	valid := regexp.MustCompile(`\A[A-Za-z0-9_]{1,255}\z`)
	f.Fuzz(func(t *testing.T, text string) {
		label, err := ltree.ParseLabel(text)
		require.Equal(t, valid.MatchString(text), err == nil, "%q: %v", text, err)
		if err != nil {
			requireParseError(t, text, err)
			return
		}
		require.Equal(t, text, label.String())
		path, err := ltree.New(label)
		require.NoError(t, err)
		require.Equal(t, text, path.String())
	})
}

// requireParseError holds an error to its promise: what comes before the offset is not what is wrong.
func requireParseError(t *testing.T, text string, err error) {
	t.Helper()
	var parseError *ltree.ParseError
	require.ErrorAs(t, err, &parseError)
	require.GreaterOrEqual(t, parseError.Offset, 0)
	require.LessOrEqual(t, parseError.Offset, len(text))
	before := strings.TrimSuffix(text[:parseError.Offset], ".")
	if _, err := ltree.Parse(before); err != nil {
		require.Fail(t, "wrong offset", "%q is already invalid: %v", before, err)
	}
	require.True(t, errors.Is(err, ltree.ErrEmptyLabel) || errors.Is(err, ltree.ErrLabelCharacter) ||
		errors.Is(err, ltree.ErrLabelTooLong) || errors.Is(err, ltree.ErrTooDeep), "%v", err)
}

// requireRoundTrips takes the path through every representation that does not need a server.
func requireRoundTrips(t *testing.T, path ltree.Path, text string) {
	t.Helper()
	require.Equal(t, text, path.String())
	require.Len(t, path.Labels(), path.Depth())

	rebuilt, err := ltree.New(path.Labels()...)
	require.NoError(t, err)
	require.Equal(t, path, rebuilt)

	value, err := path.Value()
	require.NoError(t, err)
	var scanned ltree.Path
	require.NoError(t, scanned.Scan(value))
	require.Equal(t, path, scanned)

	encoded, err := json.Marshal(path)
	require.NoError(t, err)
	var decoded ltree.Path
	require.NoError(t, json.Unmarshal(encoded, &decoded))
	require.Equal(t, path, decoded)
}
