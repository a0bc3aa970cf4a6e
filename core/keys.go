package core

import (
	"context"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/internal/keycache"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// Keys are the keys that encrypted fields are sealed with: data keys of each tenant, of which the newest seals, and
// index keys. They are made when they are first needed, wrapped with Options.KEK, and kept in the registry wherever the
// tenant's rows are. It is safe for concurrent use.
//
// Sealing, opening and indexing need the ctx of the tenant whose row it is; under WithSubtree rows of descendants may
// be opened, and under AsSystem those of all tenants opened and sealed. Rotate, List and the like are called with a ctx
// without a scope, by the operator, or with one from AsSystem; a tenant's ctx may Rotate and List its own keys and
// those of descendants, and nothing else. See docs/encryption.md.
type Keys struct {
	st    *Stratum
	kek   fieldcrypt.KEK
	cache *keycache.Cache[*tenantKeys]
	usage usages

	mu      sync.Mutex
	columns []*SealedColumn // that were declared
}

func newKeys(st *Stratum) *Keys {
	o := st.options
	return &Keys{st: st, kek: o.KEK, cache: keycache.New[*tenantKeys](o.Keys.Max, o.Keys.TTL)}
}

func (k *Keys) close() { k.cache.Close() }

// keyChannel is where the database notifies of a tenant whose keys have changed.
const keyChannel = "stratum.keys"

// changed forgets the keys of a tenant that was notified. It is what makes others hear of a Rotate or a Shred at once;
// what is promised is the TTL.
func (k *Keys) changed(payload string) {
	if tenant, err := uuid.Parse(payload); err == nil {
		k.cache.Drop(tenant)
	}
}

// listen begins to hear of changes, where those of config are heard of.
func (k *Keys) listen(ctx context.Context) {
	if c := k.st.cached; c != nil && !k.st.options.ConfigCache.Off && !c.started.Load() {
		c.start(ctx)
	}
}

// SealedColumn is an encrypted column whose keys are those of a Stratum.
type SealedColumn struct {
	keys   *Keys
	column *fieldcrypt.Column
}

// Column declares an encrypted column. It asks neither the database nor the KEK. Declare each once, for the life of the
// handle. It returns fieldcrypt.ErrColumn for a declaration that makes no sense, and ErrNoKEK where Options.KEK is not
// set.
func (k *Keys) Column(o fieldcrypt.ColumnOptions) (*SealedColumn, error) {
	if k.kek == nil {
		return nil, operationError("declare an encrypted column", errNoOption)
	}
	column, err := fieldcrypt.NewColumn(o)
	if err != nil {
		return nil, operationError("declare an encrypted column", err)
	}
	c := &SealedColumn{keys: k, column: column}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.columns = append(k.columns, c)
	return c, nil
}

// declared are all columns.
func (k *Keys) declared() []*SealedColumn {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.columns)
}

// Column returns the declaration.
func (c *SealedColumn) Column() *fieldcrypt.Column { return c.column }

// Seal appends a value of a tenant's row, as fieldcrypt.Encode has it, to dst, sealed with the tenant's current key,
// and returns that. primaryKey is what fieldcrypt.PrimaryKey makes of the row's, where the column binds it, and nil
// where not. While the tenant's keys are in memory it asks nobody, and with room in dst it allocates nothing; once in
// up to 2^20 calls it reserves the next block of uses in the registry.
//
// It returns ErrNoTenant and ErrTenantMismatch where ctx is not the tenant's, ErrShredded where its keys are destroyed,
// ErrTenantNotFound for an unknown tenant, ErrNoKEK and the KEK's own errors where keys cannot be unwrapped, and
// fieldcrypt.ErrColumn where the primary key does not fit.
func (c *SealedColumn) Seal(
	ctx context.Context, tenant uuid.UUID, dst, plaintext, primaryKey []byte,
) ([]byte, error) {
	if err := mayKeys(ctx, tenant, false); err != nil {
		return nil, err
	}
	return c.seal(ctx, tenant, dst, plaintext, primaryKey)
}

// seal is Seal for a caller that has been let in.
func (c *SealedColumn) seal(
	ctx context.Context, tenant uuid.UUID, dst, plaintext, primaryKey []byte,
) ([]byte, error) {
	t, err := c.keys.sealing(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if c.column.Alg() != fieldcrypt.XAES256GCM { // it has no bound
		if t, err = c.keys.spend(ctx, t); err != nil {
			return nil, err
		}
	}
	return t.ring.Seal(c.column, dst, plaintext, primaryKey)
}

// Open appends what was sealed for a tenant's row to dst, and returns that. It returns ErrDecrypt for what was not, for
// what was changed, and for what was sealed with a version that is retired; otherwise its errors are those of Seal.
func (c *SealedColumn) Open(
	ctx context.Context, tenant uuid.UUID, dst, sealed, primaryKey []byte,
) ([]byte, error) {
	if err := mayKeys(ctx, tenant, true); err != nil {
		return nil, err
	}
	return c.open(ctx, tenant, dst, sealed, primaryKey)
}

// open is Open for a caller that has been let in.
func (c *SealedColumn) open(ctx context.Context, tenant uuid.UUID, dst, sealed, primaryKey []byte) ([]byte, error) {
	h, err := fieldcrypt.ParseHeader(sealed)
	if err != nil {
		return nil, err
	}
	t, err := c.keys.opening(ctx, tenant, h.Version)
	if err != nil {
		return nil, err
	}
	return t.ring.Open(c.column, dst, sealed, primaryKey)
}

// Opener opens values of one tenant's rows as SealedColumn.Open does, without finding the keys for each.
type Opener struct {
	column *SealedColumn
	tenant uuid.UUID
	keys   *tenantKeys
}

// Opener returns what opens the rows of one statement. It holds on to the keys as they are now, so it must not be kept
// for longer. Its errors are those of Open.
func (c *SealedColumn) Opener(ctx context.Context, tenant uuid.UUID) (Opener, error) {
	if err := mayKeys(ctx, tenant, true); err != nil {
		return Opener{}, err
	}
	t, err := c.keys.opening(ctx, tenant, 0)
	return Opener{column: c, tenant: tenant, keys: t}, err
}

// Open is SealedColumn.Open. ctx is for what was sealed with a key that is newer than the opener.
func (o Opener) Open(ctx context.Context, dst, sealed, primaryKey []byte) ([]byte, error) {
	if h, err := fieldcrypt.ParseHeader(sealed); err == nil && h.Version > o.keys.newest {
		return o.column.Open(ctx, o.tenant, dst, sealed, primaryKey)
	}
	return o.keys.ring.Open(o.column.column, dst, sealed, primaryKey)
}

// Index appends the blind index of a value, as fieldcrypt.Encode has it, of a tenant's row to dst, and returns that.
// The index is one of Column. It returns fieldcrypt.ErrType where a normalizer meets what is no text; otherwise its
// errors are those of Seal.
func (c *SealedColumn) Index(
	ctx context.Context, tenant uuid.UUID, index *fieldcrypt.Index, dst, encoded []byte,
) ([]byte, error) {
	if err := mayKeys(ctx, tenant, true); err != nil {
		return nil, err
	}
	t, err := c.keys.indexing(ctx, tenant, index.Epoch())
	if err != nil {
		return nil, err
	}
	return t.ring.Index(index, dst, encoded)
}

// mayKeys refuses a ctx that the keys of a tenant are not for. Whether a tenant is a descendant is not asked: the guard
// has decided which rows are read.
func mayKeys(ctx context.Context, tenant uuid.UUID, read bool) error {
	if sc, _ := scope.Look(ctx); sc != nil && sc.Kind == scope.Tenant && sc.Tenant == tenant && tenant != uuid.Nil {
		return nil // what is nearly always asked
	}
	sc, err := scope.Check(ctx)
	switch {
	case err != nil:
		return err
	case sc.Kind == scope.System || sc.Kind == scope.Subtree && read || sc.Tenant == tenant:
		return nil
	default:
		return ErrTenantMismatch
	}
}
