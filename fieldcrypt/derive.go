package fieldcrypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
)

// What derived keys are for. Each is the first field of the info that its key is derived with.
const (
	magic         = "stratum-field-v1"
	purposeSeal   = magic + " seal"
	purposeIndex  = magic + " index"
	purposeCommit = magic + " commit"
	purposeWrap   = magic + " wrap"
	purposeID     = magic + " id"
)

// derive is HKDF-SHA-256 without a salt: what it derives from is random and as long as what comes out.
func derive(secret, info []byte, size int) ([]byte, error) {
	return hkdf.Key(sha256.New, secret, nil, string(info), size)
}

// columnInfo are the fields that tell one key, and one place of a value, from all others. first is a purpose, or magic
// for what is authenticated.
func columnInfo(first string, h Header, tenant uuid.UUID, c *Column) []byte {
	info := appendField(make([]byte, 0, 128), first)
	info = appendField(info, []byte{byte(h.Alg)})
	info = appendField(info, h.append(nil)[1:])
	info = appendField(info, tenant[:])
	info = appendField(info, c.table)
	return appendField(info, c.column)
}

// columnKey seals and opens the values of one column with one version of a tenant's key.
type columnKey struct {
	gcm  cipher.AEAD // alg 1; it makes the nonce, and stands it in front
	xaes *xaes       // alg 2
	aad  []byte      // without the primary key
}

func newColumnKey(secret []byte, h Header, tenant uuid.UUID, c *Column) (*columnKey, error) {
	key, err := derive(secret, columnInfo(purposeSeal, h, tenant, c), KeySize)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	k := &columnKey{aad: columnInfo(magic, h, tenant, c)}
	if h.Alg == XAES256GCM {
		k.xaes, err = newXAES(key)
		return k, err
	}
	k.gcm, err = newGCM(key)
	return k, err
}

// newGCM returns AES-256-GCM that makes its nonces itself, which is the only one that is allowed in FIPS mode.
func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// seal appends nonce, ciphertext and tag.
func (k *columnKey) seal(dst, plaintext, aad []byte) ([]byte, error) {
	if k.xaes != nil {
		return k.xaes.seal(dst, plaintext, aad)
	}
	return k.gcm.Seal(dst, nil, plaintext, aad), nil
}

// open appends what seal was given.
func (k *columnKey) open(dst, sealed, aad []byte) ([]byte, error) {
	if k.xaes != nil {
		return k.xaes.open(dst, sealed, aad)
	}
	return k.gcm.Open(dst, nil, sealed, aad)
}

// derived is what was derived from a key, by what it is for. It is replaced and never changed, so that reading takes no
// lock; and since a tenant uses few columns, looking through them is faster than a map.
type derived[K, V any] struct {
	all atomic.Pointer[[]derivedFor[K, V]]
	mu  sync.Mutex // for replacing it
}

type derivedFor[K, V any] struct {
	use   *K
	value *V
}

// find returns what was derived before, or nil.
func (d *derived[K, V]) find(use *K) *V {
	all := d.all.Load()
	if all == nil {
		return nil
	}
	for i := range *all {
		if (*all)[i].use == use {
			return (*all)[i].value
		}
	}
	return nil
}

// make derives what is not there yet.
func (d *derived[K, V]) make(use *K, derive func() (*V, error)) (*V, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if v := d.find(use); v != nil {
		return v, nil
	}
	v, err := derive()
	if err != nil {
		return nil, err
	}
	var next []derivedFor[K, V]
	if all := d.all.Load(); all != nil {
		next = slices.Clone(*all)
	}
	next = append(next, derivedFor[K, V]{use: use, value: v})
	d.all.Store(&next)
	return v, nil
}
