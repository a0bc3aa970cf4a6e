package fieldcrypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
)

// xaes is XAES-256-GCM, https://c2sp.org/XAES-256-GCM: from the key and the first half of the nonce follows a key for
// AES-256-GCM, whose nonce is the second half.
type xaes struct {
	block cipher.Block
	k1    [aes.BlockSize]byte
}

func newXAES(key []byte) (*xaes, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	x := &xaes{block: block}
	block.Encrypt(x.k1[:], x.k1[:])
	// CMAC's subkey (NIST SP 800-38B, 6.1): doubled in GF(2^128).
	var carry byte
	for i := len(x.k1) - 1; i >= 0; i-- {
		carry, x.k1[i] = x.k1[i]>>7, x.k1[i]<<1|carry
	}
	x.k1[len(x.k1)-1] ^= carry * 0b10000111
	return x, nil
}

// derived is the key that goes with the first half of a nonce: the KDF in counter mode of NIST SP 800-108r1 over CMAC,
// of which each input is a single block.
func (x *xaes) derived(half []byte) [KeySize]byte {
	var key [KeySize]byte
	for i := range byte(2) {
		block := key[int(i)*aes.BlockSize:][:aes.BlockSize]
		block[1], block[2] = i+1, 'X'
		copy(block[4:], half)
		for j := range block {
			block[j] ^= x.k1[j]
		}
		x.block.Encrypt(block, block)
	}
	return key
}

// seal draws the first half of the nonce, and the AEAD the second one.
func (x *xaes) seal(dst, plaintext, aad []byte) ([]byte, error) {
	var half [xaesNonceSize - gcmNonceSize]byte
	_, _ = rand.Read(half[:]) // it never fails
	key := x.derived(half[:])
	defer clear(key[:])
	gcm, err := newGCM(key[:])
	if err != nil {
		return nil, err
	}
	return gcm.Seal(append(dst, half[:]...), nil, plaintext, aad), nil //nolint:gosec // the AEAD makes the nonce
}

func (x *xaes) open(dst, sealed, aad []byte) ([]byte, error) {
	const half = xaesNonceSize - gcmNonceSize
	if len(sealed) < xaesNonceSize {
		return nil, ErrDecrypt
	}
	key := x.derived(sealed[:half])
	defer clear(key[:])
	gcm, err := newGCM(key[:])
	if err != nil {
		return nil, err
	}
	return gcm.Open(dst, nil, sealed[half:], aad)
}
