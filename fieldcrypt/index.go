package fieldcrypt

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"sync"

	"github.com/google/uuid"
)

// IndexOptions declare a blind index: what equality is looked up by, without the value.
type IndexOptions struct {
	// Name tells the indexes of a column apart, and is bound into them, so it stays. Defaults to "".
	Name string
	// Bits is the length, from 1 to 256. The default is for columns whose values are all different, or nearly: two
	// values have the same index once in 2^64 values. Fewer keep values that are often the same from being counted: see
	// PlanBits. Defaults to 128.
	Bits int
	// Normalize is what is done to a text before its index is computed, in this order. Defaults to nothing.
	Normalize []Normalizer
	// Epoch is the version of the tenant's index key. A new one is a new index, in a column of its own, that takes the
	// place of the old one when it is filled. Defaults to 1.
	Epoch uint32
}

// DefaultBits is the length of a blind index.
const DefaultBits = 128

// Index is a blind index of a Column: HMAC-SHA-256, of which the first bits are kept, under a key of the tenant and of
// this index. It is safe for concurrent use.
//
// Whoever reads the database without the keys sees which rows of one tenant have the same value, or the same first bits
// of the HMAC, and nothing else; between tenants nothing can be compared.
type Index struct {
	column     *Column
	name       string
	bits       int
	normalize  []Normalizer
	epoch      uint32
	normalizes bool
}

func newIndex(c *Column, o IndexOptions) (*Index, error) {
	i := &Index{
		column: c, name: o.Name, bits: cmp.Or(o.Bits, DefaultBits), normalize: o.Normalize, epoch: cmp.Or(o.Epoch, 1),
		normalizes: len(o.Normalize) > 0,
	}
	switch {
	case len(i.name) > maxLabel:
		return nil, c.invalid("has an index whose name is too long")
	case i.bits < 1 || i.bits > sha256.Size*8:
		return nil, c.invalid(fmt.Sprintf("has an index of %d bits (1 to 256)", i.bits))
	}
	for _, n := range i.normalize {
		if !n.known() {
			return nil, c.invalid(fmt.Sprintf("has an unknown normalizer %q (there are %s)", string(n), normalizerNames()))
		}
	}
	return i, nil
}

// Name returns the name.
func (i *Index) Name() string { return i.name }

// Bits returns the length in bits.
func (i *Index) Bits() int { return i.bits }

// Epoch returns the version of the key.
func (i *Index) Epoch() uint32 { return i.epoch }

// Size returns the length in bytes, of which the last may have bits that are always 0.
func (i *Index) Size() int { return (i.bits + 7) / 8 }

// Recheck reports whether rows that are found may have another value than the one looked for, so that each must be
// opened and compared: where the index is truncated below DefaultBits, or normalizers make different values the same.
func (i *Index) Recheck() bool { return i.bits < DefaultBits || i.normalizes }

// Same reports whether two values, as Encode has them, are the same to whoever looks one up: equal, or equal when they
// are normalized.
func (i *Index) Same(a, b []byte) (bool, error) {
	x, err := i.input(a)
	if err != nil {
		return false, err
	}
	y, err := i.input(b)
	return err == nil && string(x) == string(y), err
}

// input is what the HMAC is computed of.
func (i *Index) input(encoded []byte) ([]byte, error) {
	if len(encoded) == 0 {
		return nil, &TypeError{Go: "index", Reason: "of nothing"}
	}
	if !i.normalizes {
		return encoded, nil
	}
	if encoded[0] != tagText {
		return nil, &TypeError{Stored: tagName(encoded[0]), Go: "index", Reason: "normalizers are for texts"}
	}
	text := string(encoded[1:])
	for _, n := range i.normalize {
		text = n.apply(text)
	}
	return append([]byte{tagText}, text...), nil
}

// indexKey is an index key with what was derived from it.
type indexKey struct {
	epoch   uint32
	secret  [KeySize]byte
	indexes derived[Index, mac]
}

// mac computes one blind index.
type mac struct {
	key   []byte
	state sync.Pool // *macState
}

type macState struct {
	hash hash.Hash
	sum  [sha256.Size]byte
}

func (m *mac) get() *macState {
	if s, ok := m.state.Get().(*macState); ok {
		return s
	}
	return &macState{hash: hmac.New(sha256.New, m.key)}
}

func (r *Ring) indexKey(epoch uint32) *indexKey {
	for _, k := range r.indexes {
		if k.epoch == epoch {
			return k
		}
	}
	return nil
}

// Index appends the blind index of a value, as Encode has it, to dst, and returns that. It returns ErrNoIndexKey where
// the ring has no key of the index' epoch, and ErrType where a normalizer meets what is no text.
func (r *Ring) Index(i *Index, dst, encoded []byte) ([]byte, error) {
	m, err := r.mac(i)
	if err != nil {
		return nil, err
	}
	input, err := i.input(encoded)
	if err != nil {
		return nil, err
	}
	s := m.get()
	defer m.state.Put(s)
	s.hash.Reset()
	_, _ = s.hash.Write(input) // it never fails
	sum := s.hash.Sum(s.sum[:0])[:i.Size()]
	if over := i.Size()*8 - i.bits; over > 0 {
		sum[len(sum)-1] &= 0xFF << over
	}
	return append(dst, sum...), nil
}

func (r *Ring) mac(i *Index) (*mac, error) {
	k := r.indexKey(i.epoch)
	if k == nil {
		return nil, ErrNoIndexKey
	}
	if m := k.indexes.find(i); m != nil {
		return m, nil
	}
	return k.indexes.make(i, func() (*mac, error) {
		key, err := derive(k.secret[:], i.info(r.tenant), KeySize)
		return &mac{key: key}, err
	})
}

// info are the fields that tell the key of an index from all others. Length and normalizers are among them, so that two
// indexes of one column cannot be compared with each other.
func (i *Index) info(tenant uuid.UUID) []byte {
	info := appendField(make([]byte, 0, 128), purposeIndex)
	info = appendField(info, binary.BigEndian.AppendUint32(nil, i.epoch))
	info = appendField(info, tenant[:])
	info = appendField(info, i.column.table)
	info = appendField(info, i.column.column)
	info = appendField(info, i.name)
	info = appendField(info, binary.BigEndian.AppendUint16(nil, uint16(i.bits))) //nolint:gosec // at most 256
	for _, n := range i.normalize {
		info = appendField(info, string(n))
	}
	return info
}
