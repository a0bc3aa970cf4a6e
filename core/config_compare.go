package core

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/config"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// ConfigDifference is a key that has not the same value for two tenants.
type ConfigDifference struct {
	// Key is the key.
	Key string
	// A and B are what holds for the one tenant and for the other, or nil where nothing does.
	A, B *ConfigValue
}

// Diff returns the keys that have not the same value for two tenants, sorted. Who has set the values does not count. Of
// sensitive ones it is known only whether both tenants have the same entry; they are different otherwise. Errors are
// those of Get for either.
func (c *Config) Diff(ctx context.Context, a, b uuid.UUID) ([]ConfigDifference, error) {
	_, left, err := c.resolveSealed(ctx, a)
	if err != nil {
		return nil, operationError("diff config", err)
	}
	_, right, err := c.resolveSealed(ctx, b)
	if err != nil {
		return nil, operationError("diff config", err)
	}
	var differences []ConfigDifference
	for len(left) > 0 || len(right) > 0 {
		var d ConfigDifference
		if len(right) == 0 || len(left) > 0 && left[0].Key <= right[0].Key {
			d.Key, d.A = left[0].Key, &left[0]
		} else {
			d.Key = right[0].Key
		}
		if len(right) > 0 && right[0].Key == d.Key {
			d.B, right = &right[0], right[1:]
		}
		if d.A != nil {
			left = left[1:]
		}
		if d.A == nil || d.B == nil || !d.A.same(*d.B) {
			differences = append(differences, d)
		}
	}
	return differences, nil
}

// same reports whether two values are known to be the same.
func (v ConfigValue) same(other ConfigValue) bool {
	if v.Sensitive || other.Sensitive {
		return v.Sensitive == other.Sensitive && v.Version == other.Version
	}
	return config.SameJSON(v.Value, other.Value)
}

// ConfigDriftKind is how the config of a descendant differs.
type ConfigDriftKind = config.Kind

// The kinds of drift.
const (
	// ConfigOverrides is of a descendant whose own value holds.
	ConfigOverrides = config.Overrides
	// ConfigShadows is of a descendant that has a value of its own which a lock keeps from holding.
	ConfigShadows = config.Shadows
	// ConfigMisses is of a descendant that has not what holds further up because a tenant in between has set the key.
	ConfigMisses = config.Misses
)

// ConfigDrift is a key in which a descendant goes its own way.
type ConfigDrift struct {
	// Tenant is the descendant.
	Tenant ConfigSource
	// Kind is how it differs.
	Kind ConfigDriftKind
	// Value is what the descendant has set, or for ConfigMisses what it inherits instead.
	Value ConfigValue
	// By is who has made it so: the descendant, for ConfigShadows who has locked the key, for ConfigMisses the tenant
	// in between.
	By ConfigSource
}

// Drift returns where tenants beneath a tenant do not simply inherit what holds for it, as a walk of the tree. A value
// is listed also where it is the same as further up: it would not follow a change there. Archived tenants are left out.
// Errors are those of Get, but for ErrConfigNotFound.
func (c *Config) Drift(ctx context.Context, tenant uuid.UUID) ([]ConfigDrift, error) {
	const op = "find config drift"
	if _, err := scope.Check(ctx); err != nil {
		return nil, operationError(op, err)
	}
	s, entries, v, err := c.chain(ctx, tenant, "")
	if err != nil {
		return nil, operationError(op, err)
	}
	var descendants []config.Descendant
	err = c.tenants.do(ctx, op, readOnly, func(tx session) (err error) {
		descendants, err = tx.configBeneath(ctx, tenant)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, d := range descendants {
		c.mark(d.Entries)
	}
	found := config.FindDrift(s.Path(), entries, descendants)
	drift := make([]ConfigDrift, len(found))
	for i, d := range found {
		drift[i] = v.drift(s, d)
	}
	return drift, nil
}

// drift is a drift as the viewer may see it: who has locked a key may be above.
func (v viewer) drift(s *config.Snapshot, d config.Drift) ConfigDrift {
	below := viewer{}
	result := ConfigDrift{
		Tenant: below.source(d.Tenant, 0), Kind: d.Kind, By: below.source(d.From, 0),
		Value: ConfigValue{
			Key: d.Entry.Key, Value: d.Entry.Value, Locked: d.Entry.Locked, Sensitive: d.Entry.Sensitive,
			Version: d.Entry.Version, UpdatedAt: d.Entry.UpdatedAt,
		},
	}
	if depth := s.Depth(d.From.ID); depth >= 0 {
		result.By = v.source(d.From, depth)
	}
	if d.Entry.Sensitive {
		result.Value.Value = nil
	}
	if result.Value.Source = result.Tenant; d.Kind == config.Misses {
		result.Value.Source = result.By
	}
	return result
}

// configBeneath returns the tenants beneath one, each right behind its parent or behind an earlier sibling's
// descendants, with what they have set.
func (s session) configBeneath(ctx context.Context, id uuid.UUID) ([]config.Descendant, error) {
	const query = `SELECT d.id, d.label, d.slug, d.status, nlevel(d.path) - nlevel(self.path),
			c.key, c.value, c.locked, ` + sealedColumn + `, c.version, c.updated_at
		FROM stratum.tenants self JOIN stratum.tenants d ON d.path <@ self.path AND d.id <> self.id
		LEFT JOIN stratum.config c ON c.tenant_id = d.id
		WHERE self.id = $1 ORDER BY d.path, c.key`
	rows, err := s.tx.Query(ctx, query, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []config.Descendant
	for rows.Next() {
		if found, err = scanDescendant(rows, found); err != nil {
			return nil, err
		}
	}
	return found, rows.Err()
}

// scanDescendant adds a row to the last descendant, or to a new one.
func scanDescendant(rows pgx.Rows, found []config.Descendant) ([]config.Descendant, error) {
	var (
		d             config.Descendant
		key           *string
		locked        *bool
		version       *int64
		updated       *time.Time
		value, sealed []byte
	)
	err := rows.Scan(&d.Tenant.ID, &d.Tenant.Label, &d.Tenant.Slug, &d.Tenant.Status, &d.Level,
		&key, &value, &locked, &sealed, &version, &updated)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 || found[len(found)-1].Tenant.ID != d.Tenant.ID {
		found = append(found, d)
	}
	if key != nil {
		e := config.Entry{Key: *key, Locked: *locked, Version: *version, UpdatedAt: *updated}
		e.Hold(value, sealed)
		last := &found[len(found)-1]
		last.Entries = append(last.Entries, e)
	}
	return found, nil
}
