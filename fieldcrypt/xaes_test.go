package fieldcrypt_test

import (
	"crypto/sha3"
	"encoding/hex"
	"encoding/json"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// hexBytes are bytes that are written in hexadecimal in JSON.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

func (h hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

// xaesVectors are those of the specification.
type xaesVectors struct {
	Vectors []struct {
		Key, Nonce, Derived, Plaintext, AAD, Ciphertext hexBytes
	}
	Accumulated []struct {
		Iterations int
		Hash       string
	}
}

func readJSON(tb testing.TB, file string, into any) {
	tb.Helper()
	text, err := os.ReadFile(file)
	require.NoError(tb, err)
	require.NoError(tb, json.Unmarshal(text, into))
}

func TestXAESVectors(t *testing.T) {
	t.Parallel()
	var all xaesVectors
	readJSON(t, "testdata/xaes.json", &all)
	require.Len(t, all.Vectors, 2)
	for _, v := range all.Vectors {
		x, err := fieldcrypt.NewXAES(v.Key)
		require.NoError(t, err)
		require.Equal(t, []byte(v.Derived), x.Derived(v.Nonce))
		sealed, err := x.Seal(v.Nonce, v.Plaintext, v.AAD)
		require.NoError(t, err)
		require.Equal(t, []byte(v.Ciphertext), sealed)
		opened, err := x.Open(append(append([]byte{}, v.Nonce...), sealed...), v.AAD)
		require.NoError(t, err)
		require.Equal(t, []byte(v.Plaintext), opened)
	}
}

func TestXAESAccumulated(t *testing.T) {
	t.Parallel()
	var all xaesVectors
	readJSON(t, "testdata/xaes.json", &all)
	require.Len(t, all.Accumulated, 2)
	if raced {
		all.Accumulated = all.Accumulated[:1] // a million take minutes with the race detector
	}
	for _, a := range all.Accumulated {
		t.Run(strconv.Itoa(a.Iterations), func(t *testing.T) {
			t.Parallel()
			require.Equal(t, a.Hash, accumulate(t, a.Iterations))
		})
	}
}

func accumulate(t *testing.T, iterations int) string {
	t.Helper()
	random, hash := sha3.NewSHAKE128(), sha3.NewSHAKE128()
	read := func(n int) []byte {
		b := make([]byte, n)
		_, _ = random.Read(b)
		return b
	}
	for i := range iterations {
		key, nonce := read(32), read(24)
		plaintext := read(int(read(1)[0]))
		aad := read(int(read(1)[0]))
		x, err := fieldcrypt.NewXAES(key)
		require.NoError(t, err)
		sealed, err := x.Seal(nonce, plaintext, aad)
		require.NoError(t, err)
		_, _ = hash.Write(sealed)
		if i%100 == 0 { // the rest is the same code, and takes its time
			opened, err := x.Open(append(nonce, sealed...), aad)
			require.NoError(t, err)
			require.Equal(t, string(plaintext), string(opened))
		}
	}
	sum := make([]byte, 32)
	_, _ = hash.Read(sum)
	return hex.EncodeToString(sum)
}

// TestXAESSealsAnew: the nonce that is drawn is all of the one that is stored.
func TestXAESSealsAnew(t *testing.T) {
	t.Parallel()
	key := fieldcrypt.NewKey()
	x, err := fieldcrypt.NewXAES(key)
	require.NoError(t, err)
	seen := map[string]bool{}
	for range 100 {
		sealed, err := x.SealAnew([]byte("text"), []byte("aad"))
		require.NoError(t, err)
		want, err := x.Seal(sealed[:24], []byte("text"), []byte("aad"))
		require.NoError(t, err)
		require.Equal(t, want, sealed[24:])
		require.False(t, seen[string(sealed[:12])] || seen[string(sealed[12:24])])
		seen[string(sealed[:12])], seen[string(sealed[12:24])] = true, true
	}
}
