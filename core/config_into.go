package core

import (
	"context"
	"errors"
	"reflect"

	"github.com/stratum-hq/stratum-go/internal/config"
)

// configTag names the key that a field of a struct is for.
const configTag = "config"

// ResolveInto fills a struct with the config of the tenant of ctx. into points to it; its fields have tags as in
//
//	type Settings struct {
//		MaxSeats int    `config:"max_seats"`
//		Color    string `config:"branding.color"`
//	}
//
// Fields without a tag stay as they are, but for structs, whose own fields are looked at. A key that no tenant has set
// leaves its field as it is, or gives it the default where the key is declared.
//
// What does not fit is an error for its own key: all other fields are filled, and the error joins a *ConfigError for
// each, with ErrConfigDecode, ErrConfigSensitive, or ErrConfigUnknown for a tag that is not declared while other keys
// are. A value that is no pointer to a struct, or a tag on a field that cannot be set, is ErrConfigInvalid. Else errors
// are those of Key.Get.
func ResolveInto(ctx context.Context, st *Stratum, into any) error {
	const op = "resolve config into a struct"
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() || target.Elem().Kind() != reflect.Struct {
		return operationError(op, &ConfigError{Reason: "is no pointer to a struct", Err: ErrConfigInvalid})
	}
	tenant, err := tenantOf(ctx)
	if err != nil {
		return operationError(op, err)
	}
	s, _, err := st.Config.snapshot(ctx, tenant)
	if err != nil {
		return operationError(op, err)
	}
	r := resolver{config: st.Config, snapshot: s}
	r.fill(ctx, target.Elem())
	return operationError(op, errors.Join(r.refused...))
}

// resolver fills structs and collects what does not fit.
type resolver struct {
	config   *Config
	snapshot *config.Snapshot
	refused  []error
}

func (r *resolver) fill(ctx context.Context, target reflect.Value) {
	for i := range target.NumField() {
		field, value := target.Type().Field(i), target.Field(i)
		key, tagged := field.Tag.Lookup(configTag)
		switch {
		case tagged && !field.IsExported():
			r.refused = append(r.refused, &ConfigError{
				Key: key, Reason: "is the tag of a field that is not exported", Err: ErrConfigInvalid,
			})
		case tagged:
			if err := r.set(ctx, value, key); err != nil {
				r.refused = append(r.refused, err)
			}
		case field.Type.Kind() == reflect.Struct && (field.IsExported() || field.Anonymous):
			r.fill(ctx, value)
		}
	}
}

func (r *resolver) set(ctx context.Context, field reflect.Value, key string) error {
	d, err := r.config.keys.find(key)
	if err != nil {
		return err
	}
	raw, secret := d.fallback, d.sensitive
	if held := r.snapshot.Lookup(key); held != nil {
		secret = held.Sensitive
		if raw, err = r.config.open(ctx, r.snapshot, &held.Entry); err != nil {
			return err
		}
	}
	if raw == nil {
		return nil
	}
	// Into a new value: what is there might be half overwritten, or a map be added to.
	value := reflect.New(field.Type())
	if err := config.Decode(raw, value.Interface(), false); err != nil {
		if secret {
			return sensitiveDecodeError(key, err)
		}
		return decodeError(key, err)
	}
	field.Set(value.Elem())
	return nil
}
