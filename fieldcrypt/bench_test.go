package fieldcrypt_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// BenchmarkSeal is beside what it can be no faster than: the standard library's AEAD that makes its own nonces, of a
// key that is at hand, with the same authenticated data and a buffer that is used again.
func BenchmarkSeal(b *testing.B) {
	for _, size := range sizes() {
		f := newBenchField(b, size)
		b.Run(fmt.Sprintf("raw/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f.raw.Seal(f.buffer[:0], nil, f.plaintext, f.aad)
			}
		})
		b.Run(fmt.Sprintf("field/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = f.ring.Seal(f.column, f.buffer[:0], f.plaintext, nil)
			}
		})
		b.Run(fmt.Sprintf("bound/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = f.ring.Seal(f.bound, f.buffer[:0], f.plaintext, f.key)
			}
		})
		b.Run(fmt.Sprintf("xaes/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = f.ring.Seal(f.xaes, f.buffer[:0], f.plaintext, nil)
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, size := range sizes() {
		f := newBenchField(b, size)
		raw := f.raw.Seal(nil, nil, f.plaintext, f.aad)
		b.Run(fmt.Sprintf("raw/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = f.raw.Open(f.buffer[:0], nil, raw, f.aad)
			}
		})
		for name, c := range map[string]*fieldcrypt.Column{"field": f.column, "bound": f.bound, "xaes": f.xaes} {
			var key []byte
			if c.PrimaryKey() {
				key = f.key
			}
			sealed, err := f.ring.Seal(c, nil, f.plaintext, key)
			require.NoError(b, err)
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_, _ = f.ring.Open(c, f.buffer[:0], sealed, key)
				}
			})
		}
	}
}

func BenchmarkIndex(b *testing.B) {
	f := newBenchField(b, 32)
	pool := sync.Pool{New: func() any { return hmac.New(sha256.New, f.plaintext) }}
	b.Run("raw", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h := pool.Get().(hash.Hash) //nolint:forcetypeassert // of this pool
			h.Reset()
			_, _ = h.Write(f.plaintext)
			h.Sum(f.buffer[:0])
			pool.Put(h)
		}
	})
	for _, i := range f.column.Indexes() {
		b.Run("field/"+i.Name(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = f.ring.Index(i, f.buffer[:0], f.plaintext)
			}
		})
	}
}

func sizes() []int { return []int{32, 256, 4096} }

// benchField is what a benchmark works with.
type benchField struct {
	ring                *fieldcrypt.Ring
	column, bound, xaes *fieldcrypt.Column
	raw                 cipher.AEAD
	plaintext, aad, key []byte
	buffer              []byte
}

func newBenchField(b *testing.B, size int) *benchField {
	b.Helper()
	o := fieldcrypt.ColumnOptions{Table: "people", Column: "email", Indexes: []fieldcrypt.IndexOptions{
		{Name: "plain"}, {Name: "casefold", Normalize: []fieldcrypt.Normalizer{fieldcrypt.Casefold}},
	}}
	f := &benchField{
		ring: newRing(b, uuid.New(), 1), column: column(b, o), aad: make([]byte, 70), key: []byte("0123456789abcdef"),
		plaintext: make([]byte, size), buffer: make([]byte, 0, size+100),
	}
	f.plaintext[0] = 1 // text
	o.PrimaryKey = true
	f.bound = column(b, o)
	o.PrimaryKey, o.Alg = false, fieldcrypt.XAES256GCM
	f.xaes = column(b, o)
	block, err := aes.NewCipher(fieldcrypt.NewKey())
	require.NoError(b, err)
	f.raw, err = cipher.NewGCMWithRandomNonce(block)
	require.NoError(b, err)
	return f
}
