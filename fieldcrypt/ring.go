package fieldcrypt

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/google/uuid"
)

// Kind is what a tenant's key is for.
type Kind byte

const (
	// DataKey seals. The newest of a tenant seals new values, and each opens its own.
	DataKey Kind = 1
	// IndexKey is what blind indexes are computed with. Its versions are the epochs of Index, and have nothing to do with
	// those of data keys: a new data key changes no index.
	IndexKey Kind = 2
)

// String returns "data" or "index".
func (k Kind) String() string {
	switch k {
	case DataKey:
		return "data"
	case IndexKey:
		return "index"
	default:
		return fmt.Sprintf("kind %d", byte(k))
	}
}

// Binding says whose a key is, and which.
type Binding struct {
	Tenant  uuid.UUID
	Kind    Kind
	Version uint32 // from 1
}

func (b Binding) validate() error {
	if b.Tenant == uuid.Nil || b.Version == 0 || b.Kind != DataKey && b.Kind != IndexKey {
		return ErrKey
	}
	return nil
}

// Key is a key of a tenant. It prints without its secret.
type Key struct {
	Binding

	// Secret is KeySize random bytes.
	Secret []byte
}

// String names the key without its secret.
func (k Key) String() string { return fmt.Sprintf("%s key %d of %s", k.Kind, k.Version, k.Tenant) }

// Format writes String, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// MarshalText returns String, so that neither JSON nor a log has the secret.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Ring is the keys of one tenant. It is safe for concurrent use, never changes, and holds the secrets in memory until
// the garbage collector takes it.
type Ring struct {
	tenant  uuid.UUID
	data    []*dataKey // by version, upwards
	indexes []*indexKey
}

// dataKey is a data key with what was derived from it.
type dataKey struct {
	version uint32
	secret  [KeySize]byte
	columns derived[columnUse, columnKey]
}

// NewRing returns the ring of a tenant. It returns ErrKey for a key of another one, and for two of a kind and version.
func NewRing(tenant uuid.UUID, keys []Key) (*Ring, error) {
	r := &Ring{tenant: tenant}
	for _, k := range keys {
		if err := k.validate(); err != nil || k.Tenant != tenant || len(k.Secret) != KeySize {
			return nil, ErrKey
		}
		switch k.Kind {
		case DataKey:
			if r.dataKey(k.Version) != nil {
				return nil, ErrKey
			}
			r.data = append(r.data, &dataKey{version: k.Version, secret: [KeySize]byte(k.Secret)})
		case IndexKey:
			if r.indexKey(k.Version) != nil {
				return nil, ErrKey
			}
			r.indexes = append(r.indexes, &indexKey{epoch: k.Version, secret: [KeySize]byte(k.Secret)})
		}
	}
	slices.SortFunc(r.data, func(a, b *dataKey) int { return cmp.Compare(a.version, b.version) })
	return r, nil
}

// Format writes whose keys these are, whatever the verb.
func (r *Ring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "keys of "+r.tenant.String()) }

// Tenant returns whose keys these are.
func (r *Ring) Tenant() uuid.UUID { return r.tenant }

// Current returns the version of the data key that seals, or 0 where there is none.
func (r *Ring) Current() uint32 {
	if len(r.data) == 0 {
		return 0
	}
	return r.data[len(r.data)-1].version
}

// Has reports whether there is a key of a kind and version.
func (r *Ring) Has(kind Kind, version uint32) bool {
	if kind == IndexKey {
		return r.indexKey(version) != nil
	}
	return r.dataKey(version) != nil
}

func (r *Ring) dataKey(version uint32) *dataKey {
	for i := len(r.data) - 1; i >= 0; i-- {
		if r.data[i].version == version {
			return r.data[i]
		}
	}
	return nil
}

// Seal appends a value, sealed with the current key for a column, to dst, and returns that. The primary key is given
// where the column binds it, and nil where not. It returns ErrColumn where that does not fit, and ErrKey where the ring
// has no data key. dst and plaintext must not overlap.
func (r *Ring) Seal(c *Column, dst, plaintext, primaryKey []byte) ([]byte, error) {
	h := Header{Alg: c.alg, Version: r.Current()}
	k, err := r.columnKey(c, h)
	if err != nil {
		return nil, err
	}
	dst = h.append(slices.Grow(dst, c.alg.overhead()+len(plaintext)))
	if !c.primaryKey && len(primaryKey) == 0 {
		return k.seal(dst, plaintext, k.aad)
	}
	s, err := c.authenticated(k.aad, primaryKey)
	if err != nil {
		return nil, err
	}
	defer c.scratches.Put(s)
	return k.seal(dst, plaintext, s.bytes)
}

// Open appends the value that was sealed for a column to dst, and returns that. Whatever is wrong with the sealed bytes,
// the error is ErrDecrypt; it is ErrColumn where the primary key does not fit. dst and sealed must not overlap.
func (r *Ring) Open(c *Column, dst, sealed, primaryKey []byte) ([]byte, error) {
	h, err := ParseHeader(sealed)
	if err != nil {
		return nil, err
	}
	k, err := r.columnKey(c, h)
	if err != nil {
		return nil, ErrDecrypt
	}
	aad := k.aad
	if c.primaryKey || len(primaryKey) > 0 {
		s, err := c.authenticated(k.aad, primaryKey)
		if err != nil {
			return nil, err
		}
		defer c.scratches.Put(s)
		aad = s.bytes
	}
	opened, err := k.open(dst, sealed[headerSize:], aad)
	if err != nil {
		return nil, ErrDecrypt
	}
	return opened, nil
}

// columnKey returns what a column is sealed with, derived when it is first needed.
func (r *Ring) columnKey(c *Column, h Header) (*columnKey, error) {
	d := r.dataKey(h.Version)
	if d == nil {
		return nil, ErrKey
	}
	use := &c.uses[h.Alg-1] // the header was checked
	if k := d.columns.find(use); k != nil {
		return k, nil
	}
	return d.columns.make(use, func() (*columnKey, error) { return newColumnKey(d.secret[:], h, r.tenant, c) })
}
