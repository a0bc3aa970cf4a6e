package fieldcrypt

import (
	"context"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
)

// Wrapped is a tenant's key as it is stored.
type Wrapped struct {
	// KEK is the ID of what it is wrapped with.
	KEK string
	// Bytes is the wrapped key.
	Bytes []byte
	// Commitment follows from the key and its binding, one-way: no other key has the same.
	Commitment []byte
}

// CommitmentSize is the length of a commitment, in bytes.
const CommitmentSize = 32

// bytes is what the key is bound to, for a KEK that has additional data.
func (b Binding) bytes() []byte {
	out := appendField(make([]byte, 0, 64), purposeWrap)
	out = appendField(out, b.Tenant[:])
	out = appendField(out, binary.BigEndian.AppendUint32(nil, b.Version))
	return appendField(out, []byte{byte(b.Kind)})
}

// suffix is what stands behind the key inside of what is wrapped, for a KEK that has none.
func (b Binding) suffix() []byte {
	return append(binary.BigEndian.AppendUint32(append([]byte{}, b.Tenant[:]...), b.Version), byte(b.Kind))
}

// commitment is HKDF of the key for this purpose: whoever finds another key with the same has found a collision of
// HMAC-SHA-256.
func (k Key) commitment() ([]byte, error) {
	info := append(appendField(nil, purposeCommit), k.bytes()...)
	return derive(k.Secret, info, CommitmentSize)
}

// GenerateKey returns a new random key.
func GenerateKey(b Binding) (Key, error) {
	return Key{Binding: b, Secret: NewKey()}, b.validate()
}

// Wrap returns a key as it is stored. It returns ErrKey for what is no key, and the KEK's error.
func Wrap(ctx context.Context, kek KEK, k Key) (Wrapped, error) {
	if err := k.validate(); err != nil || len(k.Secret) != KeySize {
		return Wrapped{}, ErrKey
	}
	commitment, err := k.commitment()
	if err != nil {
		return Wrapped{}, err
	}
	plain := append(append(make([]byte, 0, KeySize+bindingSize), k.Secret...), k.suffix()...)
	defer clear(plain)
	wrapped, err := kek.Wrap(ctx, plain, k.bytes())
	if err != nil {
		return Wrapped{}, fmt.Errorf("wrap a tenant's key: %w", err)
	}
	return Wrapped{KEK: kek.ID(), Bytes: wrapped, Commitment: commitment}, nil
}

// bindingSize is the length of a suffix.
const bindingSize = 16 + 4 + 1

// Unwrap returns the key that Wrap was given. It returns ErrUnwrap where that was bound to something else, or does not
// agree with its commitment; otherwise the KEK's error, which is ErrNoKEK for an epoch it has not got.
func Unwrap(ctx context.Context, kek KEK, w Wrapped, b Binding) (Key, error) {
	if err := b.validate(); err != nil {
		return Key{}, err
	}
	plain, err := kek.Unwrap(ctx, w.KEK, w.Bytes, b.bytes())
	if err != nil {
		return Key{}, fmt.Errorf("unwrap a tenant's key: %w", err)
	}
	defer clear(plain)
	if len(plain) != KeySize+bindingSize || subtle.ConstantTimeCompare(plain[KeySize:], b.suffix()) != 1 {
		return Key{}, ErrUnwrap
	}
	k := Key{Binding: b, Secret: append([]byte{}, plain[:KeySize]...)}
	commitment, err := k.commitment()
	if err != nil {
		return Key{}, err
	}
	if subtle.ConstantTimeCompare(commitment, w.Commitment) != 1 {
		return Key{}, ErrUnwrap
	}
	return k, nil
}
