package fieldcrypt_test

import (
	"encoding/binary"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// FuzzOpen: nothing but what was sealed is opened, whatever it is, and nothing panics.
func FuzzOpen(f *testing.F) {
	tenant := uuid.New()
	ring := newRing(f, tenant, 1, 2)
	columns := make([]*fieldcrypt.Column, 0, 2)
	sealed := map[string]bool{}
	for _, alg := range both() {
		c := column(f, fieldcrypt.ColumnOptions{Table: "t", Column: "c", Alg: alg, PrimaryKey: true})
		columns = append(columns, c)
		for _, text := range []string{"", "text", "a longer text, of more than one block"} {
			s, err := ring.Seal(c, nil, []byte(text), []byte("1"))
			require.NoError(f, err)
			f.Add(s, []byte("1"))
			f.Add(s, []byte("2"))
			f.Add(s[:len(s)-1], []byte("1"))
			sealed[string(s)] = true
		}
	}
	f.Fuzz(func(t *testing.T, value, key []byte) {
		for _, c := range columns {
			_, err := ring.Open(c, nil, value, key)
			if sealed[string(value)] && string(key) == "1" {
				require.NoError(t, err)
			} else if len(key) > 0 && len(key) < 1<<16 {
				require.ErrorIs(t, err, fieldcrypt.ErrDecrypt)
			}
		}
	})
}

// FuzzParseHeader: what is taken for a header has all that belongs to it.
func FuzzParseHeader(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 0, 0, 0, 1})
	f.Add(make([]byte, 40))
	f.Add(append([]byte{2, 0, 0, 0, 1}, make([]byte, 40)...))
	f.Fuzz(func(t *testing.T, value []byte) {
		h, err := fieldcrypt.ParseHeader(value)
		if err != nil {
			require.ErrorIs(t, err, fieldcrypt.ErrDecrypt)
			require.Zero(t, h)
			return
		}
		require.Contains(t, both(), h.Alg)
		require.Positive(t, h.Version)
		require.Equal(t, h.Version, binary.BigEndian.Uint32(value[1:5]))
		require.GreaterOrEqual(t, len(value), map[fieldcrypt.Alg]int{fieldcrypt.AES256GCM: 33, fieldcrypt.XAES256GCM: 45}[h.Alg])
	})
}

// FuzzDecode: what was sealed by an older or a newer program may be anything.
func FuzzDecode(f *testing.F) {
	for _, v := range goldenValues() {
		encoded, _, err := fieldcrypt.Encode(nil, v)
		require.NoError(f, err)
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		for _, into := range []any{
			new(string), new([]byte), new(int8), new(uint64), new(float32), new(bool), new(map[string]any), new(any), new(*string),
			new(uuid.UUID), new(struct{ A int }),
		} {
			if err := fieldcrypt.Decode(encoded, into); err != nil {
				require.ErrorIs(t, err, fieldcrypt.ErrType)
			}
		}
		for _, n := range []fieldcrypt.Normalizer{fieldcrypt.NFKC, fieldcrypt.Casefold, fieldcrypt.E164, fieldcrypt.Last4} {
			fieldcrypt.Normalize(n, string(encoded))
		}
	})
}
