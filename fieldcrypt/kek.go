package fieldcrypt

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
)

// KEK is a key that tenants' keys are wrapped with: one epoch of it, or several of which the current one wraps. It must
// be safe for concurrent use. Implementations are LocalKEK, KEKs, ParseKeyfile, and those of contrib/kms.
type KEK interface {
	// ID names the epoch that Wrap uses. It is stored beside what was wrapped, and is no secret. It has at most 200
	// bytes, and never changes for the same key.
	ID() string
	// Wrap returns a key so that only Unwrap of this KEK, with the same binding, returns it. A KMS without additional
	// data may leave the binding out: whose the key is stands in it, too.
	Wrap(ctx context.Context, key, binding []byte) ([]byte, error)
	// Unwrap returns what was wrapped under an epoch. It returns ErrNoKEK where it has not got that, ErrUnwrap where the
	// wrapped key is not one of its, and another error where a KMS cannot be reached.
	Unwrap(ctx context.Context, id string, wrapped, binding []byte) ([]byte, error)
}

// NewKey returns a random key for LocalKEK. FormatKey makes it a text, for the environment or a file.
func NewKey() []byte {
	key := make([]byte, KeySize)
	_, _ = rand.Read(key) // it never fails
	return key
}

// keyPrefix tells a key from other secrets, to people and to scanners.
const keyPrefix = "stratum-kek-1:"

// FormatKey returns a key as a line of text.
func FormatKey(key []byte) string { return keyPrefix + base64.RawURLEncoding.EncodeToString(key) }

// ParseKey reads what FormatKey wrote, with white space around it. It returns ErrKEK for anything else.
func ParseKey(text string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(strings.TrimSpace(text), keyPrefix)
	key, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || len(key) != KeySize {
		return nil, fmt.Errorf("%w: it starts with %q and has %d bytes in base64", ErrKEK, keyPrefix, KeySize)
	}
	return key, nil
}

// localKEK wraps with AES-256-GCM. A key is used for as many wraps as there are tenants and versions, far below the
// bound of 2^32.
type localKEK struct {
	id  string
	gcm cipher.AEAD
}

// LocalKEK returns a KEK of a key of 32 bytes, which whoever has may open everything. It returns ErrKEK for a key of
// another length, or of equal bytes.
func LocalKEK(key []byte) (KEK, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("%w: a key has %d bytes", ErrKEK, KeySize)
	}
	if !slices.ContainsFunc(key, func(b byte) bool { return b != key[0] }) {
		return nil, fmt.Errorf("%w: all bytes of the key are the same", ErrKEK)
	}
	wrapping, err := derive(key, appendField(nil, purposeWrap), KeySize)
	if err != nil {
		return nil, err
	}
	defer clear(wrapping)
	gcm, err := newGCM(wrapping)
	if err != nil {
		return nil, err
	}
	id, err := derive(key, appendField(nil, purposeID), 8)
	if err != nil {
		return nil, err
	}
	return &localKEK{id: "local:" + hex.EncodeToString(id), gcm: gcm}, nil
}

// ID returns a name that follows from the key, one-way.
func (k *localKEK) ID() string { return k.id }

// Format writes the ID, whatever the verb: the AEAD has the key in it.
func (k *localKEK) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.id) }

func (k *localKEK) Wrap(_ context.Context, key, binding []byte) ([]byte, error) {
	return k.gcm.Seal(nil, nil, key, binding), nil
}

func (k *localKEK) Unwrap(_ context.Context, id string, wrapped, binding []byte) ([]byte, error) {
	if id != k.id {
		return nil, ErrNoKEK
	}
	key, err := k.gcm.Open(nil, nil, wrapped, binding)
	if err != nil {
		return nil, ErrUnwrap
	}
	return key, nil
}

// keks are several epochs, of which the first is current.
type keks []KEK

// KEKs returns a KEK of several epochs: current wraps, and each unwraps its own. With core.Keys.RewrapKEK all keys come
// under the current one; after that the others are no longer needed. It returns ErrKEK for two of the same ID.
func KEKs(current KEK, older ...KEK) (KEK, error) {
	all := append(keks{current}, older...)
	seen := make(map[string]bool, len(all))
	for _, k := range all {
		if k == nil || seen[k.ID()] {
			return nil, fmt.Errorf("%w: an epoch is nil, or there twice", ErrKEK)
		}
		seen[k.ID()] = true
	}
	return all, nil
}

func (k keks) ID() string { return k[0].ID() }

func (k keks) Wrap(ctx context.Context, key, binding []byte) ([]byte, error) {
	return k[0].Wrap(ctx, key, binding)
}

func (k keks) Unwrap(ctx context.Context, id string, wrapped, binding []byte) ([]byte, error) {
	for _, epoch := range k {
		if epoch.ID() == id {
			return epoch.Unwrap(ctx, id, wrapped, binding)
		}
	}
	return nil, ErrNoKEK
}
