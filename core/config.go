package core

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/internal/config"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// Config is what tenants have set for themselves and for all beneath them. It is safe for concurrent use.
//
// A tenant inherits from the root down: the value set nearest to the tenant holds, unless a tenant above has locked the
// key; of several locks the one nearest to the root counts. Any JSON is a value, null, false, 0 and "" included. What
// archived ancestors have set does not count.
//
// Whose config a caller may see and change is decided by ctx. One of WithTenant or WithSubtree reaches that tenant and
// its descendants: for everything else the error is ErrTenantNotFound, and while the caller's own tenant is not active
// it is ErrTenantNotActive. Of tenants above its own it learns their slugs, and the values it inherits. AsSystem
// reaches all. Without a scope the error is ErrNoTenant.
type Config struct {
	tenants *Tenants
	read    reader
	keys    declared
	secret  map[string]bool // those of keys that are sensitive
	sealed  *SealedColumn   // what sensitive values are sealed as
	// source is where resolved config comes from: load, or a cache in front of it.
	source func(ctx context.Context, tenant uuid.UUID) (*config.Snapshot, error)
	// committed is told which tenant's entries a transaction has changed, after its commit. It may be nil.
	committed func(label string)
	cache     *configCache
}

func newConfig(tenants *Tenants, read reader, keys declared) *Config {
	c := &Config{tenants: tenants, read: read, keys: keys, secret: keys.sensitive()}
	c.source = c.load
	return c
}

// ConfigValue is one key with the value that holds for a tenant, or that a tenant has set.
type ConfigValue struct {
	// Key is the key.
	Key string
	// Value is JSON. It is nil where Sensitive is true: sensitive values are never shown. Decode has them.
	Value json.RawMessage
	// Source is the tenant that has set the value.
	Source ConfigSource
	// Default is true where no tenant has set the key and the value is the default of a declared key.
	Default bool
	// Locked says that the value holds for all beneath the source, whatever they have set.
	Locked bool
	// Sensitive says that the value is a secret.
	Sensitive bool
	// Version changes with every write of the entry, for ConfigChange.IfVersion. It is 0 for a default.
	Version int64
	// UpdatedAt is when the entry was last written.
	UpdatedAt time.Time

	revealed revealed // of a sensitive value that was opened
}

// redacted stands where a sensitive value would.
const redacted = "[sensitive]"

// text is the value as it may be shown.
func (v ConfigValue) text() string {
	if v.Sensitive {
		return redacted
	}
	return string(v.Value)
}

// String returns key and value, a sensitive one redacted.
func (v ConfigValue) String() string { return v.Key + " = " + v.text() }

// GoString is String, so that %#v shows no secret either.
func (v ConfigValue) GoString() string { return v.String() }

// LogValue gives a log the key, where the value is from, and the value, a sensitive one redacted.
func (v ConfigValue) LogValue() slog.Value {
	return slog.GroupValue(slog.String("key", v.Key), slog.String("value", v.text()),
		slog.String("source", v.Source.Slug), slog.Bool("locked", v.Locked))
}

// Decode reads the value into what into points to, as encoding/json does but for null, which a type without a nil does
// not accept. It returns ErrConfigDecode, as a *ConfigError, where the value does not fit.
//
// Sensitive values from Get, Resolve, Own and Watch are read like others. For one that could not be opened Decode
// returns an ErrConfigSensitive that says why: it is an ErrShredded too, an ErrDecrypt, an ErrNoKEK, or what the KEK or
// the registry has said. Those from elsewhere, such as Set, Explain and Diff, are not opened: ErrConfigSensitive.
func (v ConfigValue) Decode(into any) error {
	switch {
	case !v.Sensitive:
		return decodeError(v.Key, config.Decode(v.Value, into, false))
	case v.revealed == nil:
		return &ConfigError{Key: v.Key, Err: ErrConfigSensitive}
	}
	value, err := v.revealed()
	if err != nil {
		return err
	}
	return sensitiveDecodeError(v.Key, config.Decode(value, into, false))
}

// Get returns the value that holds for a tenant, or ErrConfigNotFound where no tenant from the root down to it has set
// the key and no default is declared. That a sensitive value cannot be opened is an error of its Decode, and not of
// Get, nor of Resolve, Own and Watch.
func (c *Config) Get(ctx context.Context, tenant uuid.UUID, key string) (ConfigValue, error) {
	s, v, err := c.snapshot(ctx, tenant)
	if err != nil {
		return ConfigValue{}, operationError("get config", err)
	}
	var value ConfigValue
	if held := s.Lookup(key); held != nil {
		value = v.value(s, &held.Entry)
	} else if d, ok := c.keys[key]; ok {
		value = d.value()
	} else {
		return ConfigValue{}, operationError("get config", &ConfigError{Key: key, Err: ErrConfigNotFound})
	}
	c.revealHeld(ctx, s, &value)
	return value, nil
}

// Resolve returns all values that hold for a tenant, sorted by key, those of declared defaults included.
func (c *Config) Resolve(ctx context.Context, tenant uuid.UUID) ([]ConfigValue, error) {
	s, values, err := c.resolveSealed(ctx, tenant)
	for i := range values {
		c.revealHeld(ctx, s, &values[i])
	}
	return values, err
}

// resolveSealed is Resolve with sensitive values as they are stored.
func (c *Config) resolveSealed(ctx context.Context, tenant uuid.UUID) (*config.Snapshot, []ConfigValue, error) {
	s, v, err := c.snapshot(ctx, tenant)
	if err != nil {
		return nil, nil, operationError("resolve config", err)
	}
	return s, c.keys.withDefaults(v.values(s)), nil
}

// Own returns what the tenant itself has set, sorted by key, whether it holds or a lock above keeps it from holding.
func (c *Config) Own(ctx context.Context, tenant uuid.UUID) ([]ConfigValue, error) {
	s, entries, v, err := c.chain(ctx, tenant, "")
	if err != nil {
		return nil, operationError("list own config", err)
	}
	own := make([]ConfigValue, 0, len(entries))
	for i := range entries {
		if entries[i].Depth == len(s.Path())-1 {
			value := v.value(s, &entries[i])
			c.reveal(ctx, s, &entries[i], &value)
			own = append(own, value)
		}
	}
	sortByKey(own)
	return own, nil
}

// viewer is who looks at the config of a tenant: top is the depth of the first tenant on its path whom the viewer may
// know.
type viewer struct{ top int }

// view returns who looks at a path with a ctx, or why that is refused.
func view(s *config.Snapshot, sc *scope.Scope) (viewer, error) {
	if sc.Kind == scope.System {
		return viewer{}, nil
	}
	depth := s.Depth(sc.Tenant)
	switch {
	case depth < 0:
		return viewer{}, ErrTenantNotFound
	case Status(s.Path()[depth].Status) != StatusActive:
		return viewer{}, ErrTenantNotActive
	default:
		return viewer{top: depth}, nil
	}
}

// source returns a tenant of a path as the viewer may know it.
func (v viewer) source(t config.Tenant, depth int) ConfigSource {
	if depth < v.top {
		return ConfigSource{Slug: t.Slug}
	}
	return ConfigSource{ID: t.ID, Slug: t.Slug}
}

// value returns an entry of a path as the viewer may see it.
func (v viewer) value(s *config.Snapshot, e *config.Entry) ConfigValue {
	value := ConfigValue{
		Key: e.Key, Value: e.Value, Source: v.source(s.Source(e), e.Depth),
		Locked: e.Locked, Sensitive: e.Sensitive, Version: e.Version, UpdatedAt: e.UpdatedAt,
	}
	if e.Sensitive {
		value.Value = nil
	}
	return value
}

func (v viewer) values(s *config.Snapshot) []ConfigValue {
	keys := s.Keys()
	values := make([]ConfigValue, len(keys))
	for i, key := range keys {
		values[i] = v.value(s, &s.Lookup(key).Entry)
	}
	return values
}

// snapshot returns the resolved config of a tenant and who looks at it. All reads of what holds come through here.
func (c *Config) snapshot(ctx context.Context, tenant uuid.UUID) (*config.Snapshot, viewer, error) {
	sc, err := scope.Check(ctx)
	if err != nil {
		return nil, viewer{}, err
	}
	if s := pinnedIn(ctx, c, tenant); s != nil {
		v, err := view(s, &sc)
		return s, v, err
	}
	return c.resolve(ctx, &sc, tenant)
}

// resolve is snapshot for a ctx that has none with it, and whose scope is known to be sound.
func (c *Config) resolve(ctx context.Context, sc *scope.Scope, tenant uuid.UUID) (*config.Snapshot, viewer, error) {
	s, err := c.source(ctx, tenant)
	if err != nil {
		return nil, viewer{}, err
	}
	v, err := view(s, sc)
	if err != nil {
		return nil, viewer{}, err
	}
	return s, v, nil
}
