package fieldcrypt_test

import (
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// golden are values that were sealed, indexed and wrapped once, and must be opened and found for ever.
type golden struct {
	Tenant  uuid.UUID
	KEK     string
	Keys    []goldenKey
	Sealed  []goldenSealed
	Indexes []goldenIndex
	Encoded []goldenEncoded
}

type goldenKey struct {
	Kind                        fieldcrypt.Kind
	Version                     uint32
	KEK                         string
	Wrapped, Commitment, Secret hexBytes
}

type goldenSealed struct {
	Table, Column                 string
	Alg                           fieldcrypt.Alg
	Version                       uint32
	Plaintext, PrimaryKey, Sealed hexBytes
}

type goldenIndex struct {
	Table, Column, Name string
	Bits                int
	Normalize           []fieldcrypt.Normalizer
	Epoch               uint32
	Text                string
	Index               hexBytes
}

type goldenEncoded struct {
	Go      string
	Encoded hexBytes
}

const goldenFile = "testdata/golden.json"

var makeGolden = flag.Bool("golden", false, "make testdata/golden.json anew")

func TestGolden(t *testing.T) {
	t.Parallel()
	if *makeGolden {
		writeGolden(t)
	}
	var g golden
	readJSON(t, goldenFile, &g)
	secret, err := fieldcrypt.ParseKey(g.KEK)
	require.NoError(t, err)
	kek, err := fieldcrypt.LocalKEK(secret)
	require.NoError(t, err)
	var keys []fieldcrypt.Key
	for _, k := range g.Keys {
		w := fieldcrypt.Wrapped{KEK: k.KEK, Bytes: k.Wrapped, Commitment: k.Commitment}
		key, err := fieldcrypt.Unwrap(t.Context(), kek, w, k.binding(g.Tenant))
		require.NoError(t, err)
		require.Equal(t, []byte(k.Secret), key.Secret)
		keys = append(keys, key)
	}
	ring := ringOf(t, g.Tenant, keys...)
	require.Len(t, g.Sealed, 8)
	for _, s := range g.Sealed {
		opened, err := ring.Open(s.column(t), nil, s.Sealed, s.PrimaryKey)
		require.NoError(t, err)
		require.Equal(t, string(s.Plaintext), string(opened))
	}
	require.Len(t, g.Indexes, 8)
	for _, i := range g.Indexes {
		require.Equal(t, []byte(i.Index), i.compute(t, ring), i)
	}
	for i, v := range goldenValues() {
		require.Equal(t, []byte(g.Encoded[i].Encoded), encode(t, v), g.Encoded[i].Go)
	}
}

func (k goldenKey) binding(tenant uuid.UUID) fieldcrypt.Binding {
	return fieldcrypt.Binding{Tenant: tenant, Kind: k.Kind, Version: k.Version}
}

func (s goldenSealed) column(tb testing.TB) *fieldcrypt.Column {
	tb.Helper()
	return column(tb, fieldcrypt.ColumnOptions{
		Table: s.Table, Column: s.Column, Alg: s.Alg, PrimaryKey: len(s.PrimaryKey) > 0,
	})
}

func (i goldenIndex) compute(tb testing.TB, ring *fieldcrypt.Ring) []byte {
	tb.Helper()
	c := column(tb, fieldcrypt.ColumnOptions{Table: i.Table, Column: i.Column, Indexes: []fieldcrypt.IndexOptions{{
		Name: i.Name, Bits: i.Bits, Normalize: i.Normalize, Epoch: i.Epoch,
	}}})
	index, err := ring.Index(c.Index(i.Name), nil, encode(tb, i.Text))
	require.NoError(tb, err)
	return index
}

func goldenValues() []any {
	return []any{
		"text",
		[]byte{1, 2},
		int64(-5), uint64(1 << 63), 1.5, true,
		time.Date(2026, 2, 3, 4, 5, 6, 7, time.FixedZone("", 3600)),
		map[string]int{"b": 1, "a": 2},
	}
}

func goldenIndexes() []goldenIndex {
	all := []goldenIndex{{Bits: 128, Epoch: 1, Text: "Ann@Example.org"}}
	for _, n := range []fieldcrypt.Normalizer{
		fieldcrypt.NFKC, fieldcrypt.Casefold, fieldcrypt.Trim, fieldcrypt.Digits, fieldcrypt.E164, fieldcrypt.Last4,
		fieldcrypt.FirstChar,
	} {
		all = append(all, goldenIndex{
			Name: string(n), Bits: 12, Normalize: []fieldcrypt.Normalizer{n}, Epoch: 2, Text: " +49 (30) ﬁ Straße 12-34",
		})
	}
	return all
}

// writeGolden makes the file. It is run once for a format.
func writeGolden(t *testing.T) {
	t.Helper()
	secret := fieldcrypt.NewKey()
	g := golden{Tenant: uuid.New(), KEK: fieldcrypt.FormatKey(secret)}
	kek, err := fieldcrypt.LocalKEK(secret)
	require.NoError(t, err)
	var keys []fieldcrypt.Key
	for _, b := range []fieldcrypt.Binding{
		{Kind: fieldcrypt.DataKey, Version: 1},
		{Kind: fieldcrypt.DataKey, Version: 2},
		{Kind: fieldcrypt.IndexKey, Version: 1},
		{Kind: fieldcrypt.IndexKey, Version: 2},
	} {
		key := newKey(t, g.Tenant, b.Kind, b.Version)
		w, err := fieldcrypt.Wrap(t.Context(), kek, key)
		require.NoError(t, err)
		keys = append(keys, key)
		g.Keys = append(g.Keys, goldenKey{
			Kind: b.Kind, Version: b.Version, KEK: w.KEK, Wrapped: w.Bytes, Commitment: w.Commitment, Secret: key.Secret,
		})
	}
	for version := range uint32(2) {
		ring := ringOf(t, g.Tenant, append(keys[:version+1:version+1], keys[2:]...)...)
		for _, alg := range both() {
			for _, primaryKey := range []string{"", "4711"} {
				s := goldenSealed{
					Table: "people", Column: "email", Alg: alg, Version: version + 1, PrimaryKey: hexBytes(primaryKey),
					Plaintext: encode(t, "ann@example.org"),
				}
				s.Sealed, err = ring.Seal(s.column(t), nil, s.Plaintext, s.PrimaryKey)
				require.NoError(t, err)
				g.Sealed = append(g.Sealed, s)
			}
		}
	}
	for _, i := range goldenIndexes() {
		i.Table, i.Column = "people", "email"
		i.Index = i.compute(t, ringOf(t, g.Tenant, keys...))
		g.Indexes = append(g.Indexes, i)
	}
	for _, v := range goldenValues() {
		g.Encoded = append(g.Encoded, goldenEncoded{Encoded: encode(t, v)})
	}
	text, err := json.MarshalIndent(g, "", "  ")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(goldenFile, append(text, '\n'), 0o600))
}
