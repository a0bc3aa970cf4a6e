package fieldcrypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"

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
