package fields

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"

	"github.com/google/uuid"
	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// subject is a way to encrypt.
type subject struct {
	name       string
	goal       bool
	seal, open func() error
}

func pick(subjects []subject, what string) []operation {
	var operations []operation
	for _, s := range subjects {
		run := s.seal
		if what == "open" {
			run = s.open
		}
		if run != nil {
			operations = append(operations, operation{name: s.name, goal: s.goal, run: run})
		}
	}
	return operations
}

// aadSize is about that of the fields which a column authenticates.
const aadSize = 70

// raw is the standard library's AEAD that makes its own nonces, with a key that is at hand and buffers that are used
// again.
func raw(plaintext []byte) (subject, error) {
	block, err := aes.NewCipher(fieldcrypt.NewKey())
	if err != nil {
		return subject{}, err
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return subject{}, err
	}
	aad, buffer := make([]byte, aadSize), make([]byte, 0, len(plaintext)+100)
	sealed := gcm.Seal(nil, nil, plaintext, aad)
	return subject{
		name: "raw",
		seal: func() error {
			gcm.Seal(buffer[:0], nil, plaintext, aad)
			return nil
		},
		open: func() error {
			_, err := gcm.Open(buffer[:0], nil, sealed, aad)
			return err
		},
	}, nil
}

// ring is fieldcrypt with a tenant's keys at hand.
func ring(tenant uuid.UUID, plaintext []byte) (subject, error) {
	key, err := fieldcrypt.GenerateKey(fieldcrypt.Binding{Tenant: tenant, Kind: fieldcrypt.DataKey, Version: 1})
	if err != nil {
		return subject{}, err
	}
	r, err := fieldcrypt.NewRing(tenant, []fieldcrypt.Key{key})
	if err != nil {
		return subject{}, err
	}
	c, err := fieldcrypt.NewColumn(options("ring", 0, false))
	if err != nil {
		return subject{}, err
	}
	buffer := make([]byte, 0, len(plaintext)+100)
	sealed, err := r.Seal(c, nil, plaintext, nil)
	return subject{
		name: "fieldcrypt",
		seal: func() error {
			_, err := r.Seal(c, buffer[:0], plaintext, nil)
			return err
		},
		open: func() error {
			_, err := r.Open(c, buffer[:0], sealed, nil)
			return err
		},
	}, err
}

func options(column string, alg fieldcrypt.Alg, bound bool) fieldcrypt.ColumnOptions {
	return fieldcrypt.ColumnOptions{
		Table: "people", Column: column, Alg: alg, PrimaryKey: bound, Indexes: []fieldcrypt.IndexOptions{{}},
	}
}

// column is what the adapters call: with the tenant's keys found, the ctx looked at, and uses counted.
func column(
	ctx context.Context, st *core.Stratum, name string, o fieldcrypt.ColumnOptions, plaintext []byte,
) (subject, error) {
	c, err := st.Keys.Column(o)
	if err != nil {
		return subject{}, err
	}
	tenant, _ := core.TenantFrom(ctx)
	var key []byte
	if o.PrimaryKey {
		if key, err = fieldcrypt.PrimaryKey(nil, uuid.New()); err != nil {
			return subject{}, err
		}
	}
	buffer := make([]byte, 0, len(plaintext)+100)
	sealed, err := c.Seal(ctx, tenant, nil, plaintext, key)
	return subject{
		name: name,
		goal: name == "column",
		seal: func() error {
			_, err := c.Seal(ctx, tenant, buffer[:0], plaintext, key)
			return err
		},
		open: func() error {
			_, err := c.Open(ctx, tenant, buffer[:0], sealed, key)
			return err
		},
	}, err
}

// opener is column for the rows of one statement.
func opener(ctx context.Context, st *core.Stratum, plaintext []byte) (subject, error) {
	c, err := st.Keys.Column(options("opener", fieldcrypt.AES256GCM, false))
	if err != nil {
		return subject{}, err
	}
	tenant, _ := core.TenantFrom(ctx)
	buffer := make([]byte, 0, len(plaintext)+100)
	sealed, err := c.Seal(ctx, tenant, nil, plaintext, nil)
	if err != nil {
		return subject{}, err
	}
	o, err := c.Opener(ctx, tenant)
	return subject{name: "opener", goal: true, open: func() error {
		_, err := o.Open(ctx, buffer[:0], sealed, nil)
		return err
	}}, err
}

// tink is Tink's AEAD with AES-256-GCM, whose API returns new buffers.
func tink(plaintext []byte) (subject, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return subject{}, err
	}
	a, err := aead.New(handle)
	if err != nil {
		return subject{}, err
	}
	aad := make([]byte, aadSize)
	sealed, err := a.Encrypt(plaintext, aad)
	return subject{
		name: "tink",
		seal: func() error {
			_, err := a.Encrypt(plaintext, aad)
			return err
		},
		open: func() error {
			_, err := a.Decrypt(sealed, aad)
			return err
		},
	}, err
}

// rawIndex is a pooled HMAC.
func rawIndex(plaintext []byte) operation {
	key := fieldcrypt.NewKey()
	pool := sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}
	buffer := make([]byte, 0, sha256.Size)
	return operation{name: "raw", run: func() error {
		h := pool.Get().(hash.Hash) //nolint:forcetypeassert // of this pool
		h.Reset()
		_, _ = h.Write(plaintext) // it never fails
		h.Sum(buffer)
		pool.Put(h)
		return nil
	}}
}
