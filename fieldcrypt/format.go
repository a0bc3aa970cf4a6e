package fieldcrypt

import (
	"encoding/binary"
	"fmt"
)

// Alg is how a column is encrypted.
type Alg byte

const (
	// AES256GCM has a random nonce of 12 bytes and is the default. One key seals at most 2^31 values, which core.Keys
	// sees to.
	AES256GCM Alg = 1
	// XAES256GCM has a random nonce of 24 bytes and no such bound, for columns that are written very often. A value is
	// 12 bytes longer, and sealing and opening takes about half a microsecond more.
	XAES256GCM Alg = 2
)

// String returns the name of the algorithm.
func (a Alg) String() string {
	switch a {
	case AES256GCM:
		return "AES-256-GCM"
	case XAES256GCM:
		return "XAES-256-GCM"
	default:
		return fmt.Sprintf("algorithm %d", byte(a))
	}
}

// overhead is how much longer than its plaintext a sealed value is, or 0 for an unknown algorithm.
func (a Alg) overhead() int {
	switch a {
	case AES256GCM:
		return headerSize + gcmNonceSize + gcmTagSize
	case XAES256GCM:
		return headerSize + xaesNonceSize + gcmTagSize
	default:
		return 0
	}
}

// Sizes, in bytes.
const (
	// KeySize is that of all keys.
	KeySize = 32

	headerSize    = 1 + 4
	gcmNonceSize  = 12
	gcmTagSize    = 16
	xaesNonceSize = 24
)

// Header is what can be told of a sealed value without a key. Nothing of it is proven before the value was opened.
type Header struct {
	// Alg is the algorithm.
	Alg Alg
	// Version is that of the data key.
	Version uint32
}

// ParseHeader reads the header of a sealed value, or returns ErrDecrypt where it is none.
func ParseHeader(sealed []byte) (Header, error) {
	if len(sealed) < headerSize {
		return Header{}, ErrDecrypt
	}
	h := Header{Alg: Alg(sealed[0]), Version: binary.BigEndian.Uint32(sealed[1:headerSize])}
	if size := h.Alg.overhead(); size == 0 || len(sealed) < size || h.Version == 0 {
		return Header{}, ErrDecrypt
	}
	return h, nil
}

// append adds the header as it is stored.
func (h Header) append(dst []byte) []byte {
	return binary.BigEndian.AppendUint32(append(dst, byte(h.Alg)), h.Version)
}

// appendField adds a field with its length in front, so that no two lists of fields are the same bytes.
func appendField[T string | []byte](dst []byte, field T) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(field))) //nolint:gosec // checked where fields come from
	return append(dst, field...)
}

// maxField is the most bytes a field may have.
const maxField = 1<<16 - 1
