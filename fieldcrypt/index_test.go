package fieldcrypt_test

import (
	"math"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

func encode(tb testing.TB, v any) []byte {
	tb.Helper()
	encoded, null, err := fieldcrypt.Encode(nil, v)
	require.NoError(tb, err)
	require.False(tb, null)
	return encoded
}

func indexed(tb testing.TB, ring *fieldcrypt.Ring, o fieldcrypt.IndexOptions, v any) []byte {
	tb.Helper()
	c := column(tb, fieldcrypt.ColumnOptions{Table: "t", Column: "c", Indexes: []fieldcrypt.IndexOptions{o}})
	index, err := ring.Index(c.Index(o.Name), nil, encode(tb, v))
	require.NoError(tb, err)
	return index
}

func TestIndex(t *testing.T) {
	t.Parallel()
	tenant := uuid.New()
	one, two := newKey(t, tenant, fieldcrypt.IndexKey, 1), newKey(t, tenant, fieldcrypt.IndexKey, 2)
	ring := ringOf(t, tenant, one, two, newKey(t, tenant, fieldcrypt.DataKey, 1))
	plain := indexed(t, ring, fieldcrypt.IndexOptions{}, "ann")
	require.Len(t, plain, 16)
	require.Equal(t, plain, indexed(t, ringOf(t, tenant, one, newKey(t, tenant, fieldcrypt.DataKey, 2)),
		fieldcrypt.IndexOptions{}, "ann"), "a new data key changes nothing")
	for name, other := range map[string][]byte{
		"value":  indexed(t, ring, fieldcrypt.IndexOptions{}, "Ann"),
		"type":   indexed(t, ring, fieldcrypt.IndexOptions{}, []byte("ann")),
		"name":   indexed(t, ring, fieldcrypt.IndexOptions{Name: "x"}, "ann"),
		"epoch":  indexed(t, ring, fieldcrypt.IndexOptions{Epoch: 2}, "ann"),
		"length": indexed(t, ring, fieldcrypt.IndexOptions{Bits: 64}, "ann"),
		"tenant": indexed(t, newRing(t, uuid.New(), 1), fieldcrypt.IndexOptions{}, "ann"),
		"normalizer": indexed(t, ring, fieldcrypt.IndexOptions{
			Normalize: []fieldcrypt.Normalizer{fieldcrypt.Trim},
		}, "ann"),
	} {
		require.NotEqual(t, plain[:min(len(plain), len(other))], other[:min(len(plain), len(other))], name)
	}
}

func TestTruncatedIndex(t *testing.T) {
	t.Parallel()
	ring := newRing(t, uuid.New(), 1)
	seen := map[string]bool{}
	for i := range 3000 {
		index := indexed(t, ring, fieldcrypt.IndexOptions{Bits: 9}, i)
		require.Len(t, index, 2)
		require.Zero(t, index[1]&0x7F, "bits that are not kept")
		seen[string(index)] = true
	}
	require.Greater(t, len(seen), 450, "nearly all of 512")
	c := column(t, fieldcrypt.ColumnOptions{Table: "t", Column: "c", Indexes: []fieldcrypt.IndexOptions{
		{}, {Name: "short", Bits: 12}, {Name: "folded", Normalize: []fieldcrypt.Normalizer{fieldcrypt.Casefold}},
	}})
	require.False(t, c.Index("").Recheck())
	require.True(t, c.Index("short").Recheck())
	require.True(t, c.Index("folded").Recheck())
	require.Nil(t, c.Index("none"))
	require.Len(t, c.Indexes(), 3)
	require.Equal(t, 2, c.Index("short").Size())
	require.EqualValues(t, 1, c.Index("short").Epoch())
}

func TestNormalizers(t *testing.T) {
	t.Parallel()
	for normalizer, cases := range map[fieldcrypt.Normalizer]map[string][]string{
		fieldcrypt.NFKC:      {"fi": {"ﬁ", "ｆｉ"}, "é": {"e\u0301"}},
		fieldcrypt.Casefold:  {"strasse": {"STRASSE", "Straße", "strasse"}, "σ": {"Σ", "ς"}},
		fieldcrypt.Trim:      {"a b": {" a b ", "a\t b\n", "a\u00a0b"}, "": {" \n"}},
		fieldcrypt.Digits:    {"12345": {"12-345", "a1b2c3 4 5", "12345"}, "": {"abc", "१२"}},
		fieldcrypt.E164:      {"+493012345": {"+49 (30) 123-45", "0049 30 12345", "(+49) 30 12345"}, "03012345": {"030/12345"}},
		fieldcrypt.Last4:     {"6789": {"123456789", "xx6789"}, "äöüß": {"aäöüß"}, "ab": {"ab"}, "": {""}},
		fieldcrypt.FirstChar: {"ä": {"ära", "ä"}, "": {""}},
	} {
		for canonical, texts := range cases {
			for _, text := range texts {
				requireSame(t, []fieldcrypt.Normalizer{normalizer}, canonical, text)
			}
		}
	}
	requireSame(t, []fieldcrypt.Normalizer{fieldcrypt.NFKC, fieldcrypt.Casefold, fieldcrypt.Trim}, "ann@x.org", " ＡＮＮ@X.org")
}

// requireSame requires that a text has the index of its canonical form, under the same index.
func requireSame(t *testing.T, normalizers []fieldcrypt.Normalizer, canonical, text string) {
	t.Helper()
	ring := newRing(t, uuid.New(), 1)
	o := fieldcrypt.IndexOptions{Normalize: normalizers}
	require.Equal(t, indexed(t, ring, o, canonical), indexed(t, ring, o, text), "%s %q", normalizers, text)
	c := column(t, fieldcrypt.ColumnOptions{Table: "t", Column: "c", Indexes: []fieldcrypt.IndexOptions{o}})
	same, err := c.Index("").Same(encode(t, canonical), encode(t, text))
	require.NoError(t, err)
	require.True(t, same)
	same, err = c.Index("").Same(encode(t, canonical), encode(t, "*"+text+"x9"))
	require.NoError(t, err)
	require.False(t, same)
}

func TestNormalizersAreForTexts(t *testing.T) {
	t.Parallel()
	ring := newRing(t, uuid.New(), 1)
	c := column(t, fieldcrypt.ColumnOptions{Table: "t", Column: "c", Indexes: []fieldcrypt.IndexOptions{{
		Normalize: []fieldcrypt.Normalizer{fieldcrypt.Trim},
	}}})
	_, err := ring.Index(c.Index(""), nil, encode(t, 5))
	require.ErrorIs(t, err, fieldcrypt.ErrType)
	_, err = ring.Index(c.Index(""), nil, nil)
	require.ErrorIs(t, err, fieldcrypt.ErrType)
	_, err = c.Index("").Same(encode(t, "a"), encode(t, 5))
	require.ErrorIs(t, err, fieldcrypt.ErrType)
	_, err = c.Index("").Same(encode(t, 5), encode(t, "a"))
	require.ErrorIs(t, err, fieldcrypt.ErrType)
}

func TestParseNormalizers(t *testing.T) {
	t.Parallel()
	all, err := fieldcrypt.ParseNormalizers(" casefold; trim;")
	require.NoError(t, err)
	require.Equal(t, []fieldcrypt.Normalizer{fieldcrypt.Casefold, fieldcrypt.Trim}, all)
	_, err = fieldcrypt.ParseNormalizers("casefold;upper")
	require.ErrorIs(t, err, fieldcrypt.ErrColumn)
	require.ErrorContains(t, err, `"upper" (there are nfkc, casefold, trim, digits, e164, last4, first-char)`)
}

// TestNormalizersSettle: done twice they do no more than once, so that what was found is looked up again.
func TestNormalizersSettle(t *testing.T) {
	t.Parallel()
	ring := newRing(t, uuid.New(), 1)
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.String().Draw(r, "text")
		for _, n := range []fieldcrypt.Normalizer{
			fieldcrypt.NFKC, fieldcrypt.Casefold, fieldcrypt.Trim, fieldcrypt.Digits, fieldcrypt.Last4, fieldcrypt.FirstChar,
		} {
			once := fieldcrypt.Normalize(n, text)
			require.Equal(t, once, fieldcrypt.Normalize(n, once))
			o := fieldcrypt.IndexOptions{Normalize: []fieldcrypt.Normalizer{n}}
			require.Equal(t, indexed(t, ring, o, text), indexed(t, ring, o, once))
		}
	})
}

// TestCasefoldSettles for every character there is, and all of its forms come to the same.
func TestCasefoldSettles(t *testing.T) {
	t.Parallel()
	fold := func(r rune) string { return fieldcrypt.Normalize(fieldcrypt.Casefold, string(r)) }
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		once := fold(r)
		if once != fieldcrypt.Normalize(fieldcrypt.Casefold, once) || once != fold(unicode.SimpleFold(r)) {
			require.Fail(t, "it does not settle", "%U", r)
		}
	}
}

func TestPlanBits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		rows := rapid.IntRange(16, 1<<30).Draw(r, "rows")
		distinct := rapid.IntRange(1, rows).Draw(r, "distinct")
		p, err := fieldcrypt.PlanBits(rows, distinct)
		if err != nil {
			require.ErrorIs(t, err, fieldcrypt.ErrColumn)
			return
		}
		require.LessOrEqual(t, p.Min, p.Bits)
		require.Equal(t, p.Max, p.Bits)
		require.GreaterOrEqual(t, p.Coincidences, 2.0)
		require.LessOrEqual(t, p.Coincidences, math.Sqrt(float64(rows)))
	})
	p, err := fieldcrypt.PlanBits(1_000_000, 1_000_000)
	require.NoError(t, err)
	require.Equal(t, fieldcrypt.Plan{Bits: 18, Min: 10, Max: 18, Coincidences: 1_000_000.0 / (1 << 18)}, p)
	for _, c := range [][2]int{{1_000_000, 5}, {15, 15}, {100, 0}, {100, 101}} {
		_, err := fieldcrypt.PlanBits(c[0], c[1])
		require.ErrorIs(t, err, fieldcrypt.ErrColumn, c)
	}
}
