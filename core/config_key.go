package core

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/internal/config"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// Key is a config key with a Go type. It is a plain value, to be kept in a variable of the package whose setting it is:
//
//	var MaxSeats = core.Key[int]{Name: "max_seats", Default: 10}
//
// It works as it is. Given to Options.ConfigKeys it is also declared: whoever writes the key, by Config.Set too, is
// held to its type and to Validate.
type Key[T any] struct {
	// Name is the key. Required.
	Name string
	// Default is what Get returns where no tenant has set the key. It does not go through Validate. Defaults to the
	// zero value.
	Default T
	// Validate returns why a value must not be written. What is stored already is not validated again. Its error is
	// shown to who writes, so it should not have the value. Defaults to accepting every T.
	Validate func(T) error
	// Description is for people, in Config.Schema.
	Description string
	// Sensitive says that the values are secrets; see ConfigChange.Sensitive. Defaults to false.
	Sensitive bool
}

// ConfigKey is a Key of any type, for Options.ConfigKeys.
type ConfigKey interface {
	declaration() (declaration, error)
}

// Get returns the value that holds for the tenant of ctx, or Default where none is set. It returns ErrNoTenant where
// ctx names no tenant, ErrConfigDecode, as a *ConfigError, where the stored value is not a T, and else errors as
// Config.Get does.
func (k Key[T]) Get(ctx context.Context, st *Stratum) (T, error) {
	sc, attached := scope.Look(ctx)
	if p, ok := attached.(*pinned); ok && p.of == st.Config {
		return k.from(ctx, st.Config, p.snapshot)
	}
	if sc == nil || sc.Kind == scope.System || sc.Tenant == uuid.Nil {
		_, err := tenantOf(ctx) // which says what is wrong with it
		return *new(T), operationError("get config", err)
	}
	s, _, err := st.Config.resolve(ctx, sc, sc.Tenant)
	if err != nil {
		return *new(T), operationError("get config", err)
	}
	return k.from(ctx, st.Config, s)
}

// GetFor is Get for a tenant that ctx reaches, as AsSystem does.
func (k Key[T]) GetFor(ctx context.Context, st *Stratum, tenant uuid.UUID) (T, error) {
	s, _, err := st.Config.snapshot(ctx, tenant)
	if err != nil {
		return *new(T), operationError("get config", err)
	}
	return k.from(ctx, st.Config, s)
}

// from returns the value that a snapshot has.
func (k Key[T]) from(ctx context.Context, c *Config, s *config.Snapshot) (T, error) {
	held := s.Lookup(k.Name)
	if held == nil {
		return k.Default, nil
	}
	if held.Sealed != nil {
		return k.opened(ctx, c, s, held)
	}
	value, err := config.As[T](held)
	if err != nil {
		return value, operationError("get config", decodeError(k.Name, err))
	}
	return value, nil
}

// opened returns a value that is sealed. It is decoded each time, since nothing that is opened is kept.
func (k Key[T]) opened(ctx context.Context, c *Config, s *config.Snapshot, held *config.Value) (value T, err error) {
	raw, err := c.open(ctx, s, &held.Entry)
	if err != nil {
		return value, operationError("get config", err)
	}
	err = sensitiveDecodeError(k.Name, config.Decode(raw, &value, false))
	return value, operationError("get config", err)
}

// Set sets the key at a tenant, for it and all beneath it. Whether it is locked stays as it is. Errors are those of
// Config.Set.
func (k Key[T]) Set(ctx context.Context, st *Stratum, tenant uuid.UUID, value T) error {
	d, err := k.declaration()
	if err != nil {
		return operationError("set config", err)
	}
	change := ConfigChange{Key: k.Name, Value: value}
	if k.Sensitive {
		change.Sensitive = On
	}
	writes := st.Config.prepare([]ConfigChange{change})
	if writes[0].refused == nil {
		writes[0].refused = d.check(writes[0].value)
	}
	_, err = st.Config.write(ctx, writeOp{name: "set config", tenant: tenant}, writes)
	return err
}

// declaration is a Key without its type.
type declaration struct {
	name, description string
	sensitive         bool
	typ               reflect.Type
	fallback          json.RawMessage
	check             func(value json.RawMessage) error
}

func (k Key[T]) declaration() (declaration, error) {
	if !config.ValidKey(k.Name) {
		return declaration{}, invalidKey(k.Name)
	}
	fallback, err := encodeConfig(k.Name, k.Default)
	if err != nil {
		return declaration{}, err
	}
	return declaration{
		name: k.Name, description: k.Description, sensitive: k.Sensitive, typ: reflect.TypeFor[T](),
		fallback: fallback, check: k.check,
	}, nil
}

// check returns why a value must not be written.
func (k Key[T]) check(raw json.RawMessage) error {
	var value T
	if err := config.Decode(raw, &value, true); err != nil {
		return &ConfigError{Key: k.Name, Reason: k.reason(err), Err: ErrConfigInvalid}
	}
	if k.Validate == nil {
		return nil
	}
	if err := k.Validate(value); err != nil {
		return &ConfigError{Key: k.Name, Reason: k.reason(err), Err: ErrConfigInvalid, cause: err}
	}
	return nil
}

// reason is that of an error, which for a secret might tell some of it.
func (k Key[T]) reason(err error) string {
	if k.Sensitive {
		return formless
	}
	return err.Error()
}

// formless stands where a reason might tell some of a secret.
const formless = "does not have the form of its values"

// sensitiveDecodeError is decodeError for a secret.
func sensitiveDecodeError(key string, err error) error {
	if err == nil {
		return nil
	}
	return &ConfigError{Key: key, Reason: formless, Err: ErrConfigDecode}
}

// decodeError gives what Decode returns the name of the key.
func decodeError(key string, err error) error {
	if err == nil {
		return nil
	}
	return &ConfigError{Key: key, Reason: err.Error(), Err: ErrConfigDecode}
}

// declared are the keys that may be written, by name. With none, all may.
type declared map[string]declaration

func declare(keys []ConfigKey) (declared, error) {
	all := make(declared, len(keys))
	for _, key := range keys {
		d, err := key.declaration()
		if err != nil {
			return nil, fmt.Errorf("%w: Options.ConfigKeys: %w", ErrConfig, err)
		}
		if _, twice := all[d.name]; twice {
			return nil, fmt.Errorf("%w: Options.ConfigKeys has %q twice (declare each key once)", ErrConfig, d.name)
		}
		all[d.name] = d
	}
	return all, nil
}

// find returns the declaration of a key, or ErrConfigUnknown where others are declared and it is not.
func (d declared) find(key string) (declaration, error) {
	found, ok := d[key]
	if !ok && len(d) > 0 {
		return declaration{}, &ConfigError{Key: key, Err: ErrConfigUnknown}
	}
	return found, nil
}

// check holds a change to what is declared. A value that stays is not looked at again.
func (d declared) check(w *configWrite) error {
	found, err := d.find(w.key)
	if err != nil || found.check == nil {
		return err
	}
	if found.sensitive {
		w.sensitive = On
	}
	if w.value == nil {
		return nil
	}
	return found.check(w.value)
}

// sensitive are the names of those that are.
func (d declared) sensitive() map[string]bool {
	names := make(map[string]bool)
	for name, found := range d {
		if found.sensitive {
			names[name] = true
		}
	}
	return names
}

// value is that of a key that no tenant has set.
func (d declaration) value() ConfigValue {
	if d.sensitive {
		return ConfigValue{Key: d.name, Sensitive: true, Default: true}
	}
	return ConfigValue{Key: d.name, Value: slices.Clone(d.fallback), Default: true}
}

// withDefaults adds the defaults of those keys that have no value.
func (d declared) withDefaults(values []ConfigValue) []ConfigValue {
	set := make(map[string]bool, len(values))
	for _, v := range values {
		set[v.Key] = true
	}
	for name, key := range d {
		if !set[name] {
			values = append(values, key.value())
		}
	}
	sortByKey(values)
	return values
}

// Schema returns a JSON Schema (2020-12) of an object that has the declared keys as its fields, for forms and editors.
// Validate is Go and not in it. Of sensitive keys it has no default.
func (c *Config) Schema() ([]byte, error) {
	properties := config.Schema{}
	for name, d := range c.keys {
		s := config.SchemaOf(d.typ)
		if d.description != "" {
			s["description"] = d.description
		}
		if d.sensitive {
			s["writeOnly"] = true
		} else {
			s["default"] = d.fallback
		}
		properties[name] = s
	}
	schema := config.Schema{
		"$schema": config.Dialect, "type": "object", "properties": properties, "additionalProperties": len(c.keys) == 0,
	}
	encoded, err := json.MarshalIndent(schema, "", "  ")
	return encoded, operationError("write config schema", err)
}
