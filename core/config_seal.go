package core

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/internal/config"
)

// Sensitive values are sealed in stratum.config, with a key of the tenant that has set them, and stay sealed in what is
// kept of config: whoever reads one opens it with keys that Keys has in memory. So no plaintext is kept beyond their
// TTL, and a Shred reaches what is kept of config as it reaches fields.

// newConfigColumn declares the column of sensitive values. Each is bound to its row: to the tenant by whose key it is,
// and to the key of config as the rest of the primary key.
func newConfigColumn(keys *Keys) (*SealedColumn, error) {
	column, err := fieldcrypt.NewColumn(fieldcrypt.ColumnOptions{
		Table: "stratum.config", Column: "value", PrimaryKey: true,
	})
	return &SealedColumn{keys: keys, column: column}, err
}

// revealed returns what a sensitive value was opened to. It is a function because whatever prints a struct, with which
// verb ever, and also where methods are out of reach, does not look into one.
type revealed func() (json.RawMessage, error)

// reveal has a sensitive value be decoded: what was set by e, or without one the declared default.
func (c *Config) reveal(ctx context.Context, s *config.Snapshot, e *config.Entry, v *ConfigValue) {
	switch {
	case !v.Sensitive:
	case e == nil:
		fallback := c.keys[v.Key].fallback
		v.revealed = func() (json.RawMessage, error) { return fallback, nil }
	default:
		value, err := c.open(ctx, s, e)
		v.revealed = func() (json.RawMessage, error) { return value, err }
	}
}

// revealHeld reveals a value that holds for a tenant.
func (c *Config) revealHeld(ctx context.Context, s *config.Snapshot, v *ConfigValue) {
	if held := s.Lookup(v.Key); held != nil {
		c.reveal(ctx, s, &held.Entry, v)
	} else {
		c.reveal(ctx, s, nil, v)
	}
}

// open returns the value of an entry, whether it is sealed or not.
func (c *Config) open(ctx context.Context, s *config.Snapshot, e *config.Entry) (json.RawMessage, error) {
	if e.Sealed == nil {
		return e.Value, nil
	}
	value, err := c.sealed.openConfig(ctx, s.Source(e).ID, e)
	if errors.Is(err, ErrDecrypt) && c.sealed.keys.lacks(ctx, s.Source(e).ID, e.Sealed) {
		value, err = c.openAgain(ctx, s, e, err)
	}
	return value, sensitiveError(e.Key, err)
}

// openAgain opens what another program has sealed anew since the snapshot was taken, and then has retired the key.
func (c *Config) openAgain(
	ctx context.Context, s *config.Snapshot, e *config.Entry, why error,
) (json.RawMessage, error) {
	fresh, err := c.load(ctx, s.Tenant().ID)
	if err != nil {
		return nil, err
	}
	held := fresh.Lookup(e.Key)
	if held == nil || held.Version != e.Version || bytes.Equal(held.Sealed, e.Sealed) {
		return nil, why
	}
	return c.sealed.openConfig(ctx, fresh.Source(&held.Entry).ID, &held.Entry)
}

// lacks reports whether a value is sealed with a version that the tenant has not got any more.
func (k *Keys) lacks(ctx context.Context, tenant uuid.UUID, sealed []byte) bool {
	h, err := fieldcrypt.ParseHeader(sealed)
	if err != nil {
		return false
	}
	t, err := k.opening(ctx, tenant, h.Version)
	return err == nil && !t.ring.Has(fieldcrypt.DataKey, h.Version)
}

// openConfig opens an entry of its owner. Who may see it was decided before.
func (c *SealedColumn) openConfig(ctx context.Context, owner uuid.UUID, e *config.Entry) (json.RawMessage, error) {
	bound, err := fieldcrypt.PrimaryKey(nil, e.Key)
	if err != nil {
		return nil, err
	}
	opened, err := c.open(ctx, owner, nil, e.Sealed, bound)
	if err != nil {
		return nil, err
	}
	return decodeSealed(opened)
}

func decodeSealed(opened []byte) (value json.RawMessage, err error) {
	err = fieldcrypt.Decode(opened, &value)
	return value, err
}

// sensitiveError says why a sensitive value can be neither sealed nor opened.
func sensitiveError(key string, err error) error {
	if err == nil {
		return nil
	}
	return &ConfigError{Key: key, Reason: "is sensitive", Err: err, cause: ErrConfigSensitive}
}

// configSealer seals and opens in a transaction, with keys that were found before it: to find them the registry and the
// KEK are asked, for which a transaction must not wait that holds a connection and locks.
type configSealer struct {
	column *SealedColumn
	tenant uuid.UUID
	keys   *tenantKeys // nil where they have not been found yet
	err    error       // why they cannot be
	asked  uint32      // the highest version that was looked for
}

// maxKeyAttempts is how often a transaction is made again because keys were wanted: to open and to seal, and where a
// key was used up meanwhile.
const maxKeyAttempts = 8

// keysWantedError is the error of a transaction that lacks keys.
type keysWantedError struct{ version uint32 } // to open with, or 0 for one that seals

func (*keysWantedError) Error() string {
	return "stratum: the tenant's key was replaced again and again meanwhile (try again)"
}

// sealer begins with what is in memory.
func (c *Config) sealer(tenant uuid.UUID) *configSealer {
	s := &configSealer{column: c.sealed, tenant: tenant}
	if t, ok := c.sealed.keys.cache.Get(tenant); ok {
		s.keys = t
	}
	return s
}

// find looks for keys that were wanted, outside of the transaction, and makes the first. Why there are none is said
// when they are wanted again: it concerns the sensitive keys of a batch alone.
func (s *configSealer) find(ctx context.Context, wanted *keysWantedError) {
	keys := s.column.keys
	if wanted.version > 0 {
		s.asked = max(s.asked, wanted.version)
		s.keys, s.err = keys.opening(ctx, s.tenant, wanted.version)
		return
	}
	if s.keys, s.err = keys.sealing(ctx, s.tenant); s.err == nil {
		s.keys, s.err = keys.spend(ctx, s.keys) // which reserves uses where none are left
	}
}

// seal returns a value as it is stored.
func (s *configSealer) seal(key string, value json.RawMessage) ([]byte, error) {
	if s.err != nil {
		return nil, sensitiveError(key, s.err)
	}
	if s.keys == nil || s.keys.ring.Current() == 0 || s.keys.usage.left.Add(-1) < 0 {
		return nil, &keysWantedError{}
	}
	bound, err := fieldcrypt.PrimaryKey(nil, key)
	if err != nil {
		return nil, sensitiveError(key, err)
	}
	encoded, _, err := fieldcrypt.Encode(nil, value)
	if err != nil {
		return nil, sensitiveError(key, err)
	}
	sealed, err := s.keys.ring.Seal(s.column.column, nil, encoded, bound)
	return sealed, sensitiveError(key, err)
}

// outdated forgets keys of which the one that seals turned out to be destroyed.
func (s *configSealer) outdated() error {
	s.column.keys.cache.Drop(s.tenant)
	s.keys = nil
	return &keysWantedError{}
}

// versionOf is that of the key that a value is sealed with, or 0.
func versionOf(sealed []byte) uint32 {
	h, _ := fieldcrypt.ParseHeader(sealed)
	return h.Version
}

// liveKeySQL holds where the data key of tenant $1 in version $6 is there.
const liveKeySQL = `EXISTS (SELECT FROM stratum.tenant_keys
	WHERE tenant_id = $1 AND kind = 'data' AND version = $6 AND wrapped IS NOT NULL)`

// sealNow is seal outside of a transaction.
func (s *configSealer) sealNow(ctx context.Context, key string, value json.RawMessage) ([]byte, error) {
	for {
		sealed, err := s.seal(key, value)
		wanted := &keysWantedError{}
		if !errors.As(err, &wanted) {
			return sealed, err
		}
		s.find(ctx, wanted)
	}
}

// open returns the value of the tenant's own entry.
func (s *configSealer) open(e *config.Entry) (json.RawMessage, error) {
	if s.err != nil {
		return nil, sensitiveError(e.Key, s.err)
	}
	h, err := fieldcrypt.ParseHeader(e.Sealed)
	if err != nil {
		return nil, sensitiveError(e.Key, err)
	}
	if s.keys == nil || s.keys.shredded || h.Version > max(s.keys.newest, s.asked) {
		return nil, &keysWantedError{version: h.Version}
	}
	bound, err := fieldcrypt.PrimaryKey(nil, e.Key)
	if err != nil {
		return nil, sensitiveError(e.Key, err)
	}
	opened, err := s.keys.ring.Open(s.column.column, nil, e.Sealed, bound)
	if err != nil {
		return nil, sensitiveError(e.Key, err)
	}
	value, err := decodeSealed(opened)
	return value, sensitiveError(e.Key, err)
}
