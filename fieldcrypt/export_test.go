package fieldcrypt

import (
	"crypto/aes"
	"crypto/cipher"
)

// XAES is XAES-256-GCM for test vectors, with a nonce that is given.
type XAES struct{ x *xaes }

func NewXAES(key []byte) (XAES, error) {
	x, err := newXAES(key)
	return XAES{x}, err
}

func (x XAES) Derived(nonce []byte) []byte {
	key := x.x.derived(nonce[:xaesNonceSize-gcmNonceSize])
	return key[:]
}

// Seal returns ciphertext and tag.
func (x XAES) Seal(nonce, plaintext, aad []byte) ([]byte, error) {
	block, err := aes.NewCipher(x.Derived(nonce))
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return gcm.Seal(nil, nonce[xaesNonceSize-gcmNonceSize:], plaintext, aad), nil
}

// Open is what columns are opened with: the nonce stands in front.
func (x XAES) Open(sealed, aad []byte) ([]byte, error) { return x.x.open(nil, sealed, aad) }

// SealAnew is what columns are sealed with.
func (x XAES) SealAnew(plaintext, aad []byte) ([]byte, error) { return x.x.seal(nil, plaintext, aad) }

// Normalize is what a normalizer does.
func Normalize(n Normalizer, text string) string { return n.apply(text) }
