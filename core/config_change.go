package core

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/internal/config"
)

// Limits of config. Go checks them before the database is asked.
const (
	// MaxConfigKeyLength is the most characters a key may have: lower-case letters, digits, "_", "." and "-", a letter
	// first.
	MaxConfigKeyLength = 128
	// MaxConfigValueSize is the most bytes a value may have, encoded as JSON: 64 KiB.
	MaxConfigValueSize = 64 << 10
	// MaxConfigBatch is the most changes that SetBatch takes at once.
	MaxConfigBatch = 1000
)

// Switch turns something on or off, or leaves it as it is.
type Switch int8

// The positions of a Switch. What a change does not mention stays.
const (
	Keep Switch = iota
	On
	Off
)

// of returns what the switch makes of a state.
func (s Switch) of(state bool) bool { return s == On || s == Keep && state }

// ConfigChange is one key that Set or SetBatch changes at a tenant.
type ConfigChange struct {
	// Key is what is changed: a lower-case letter and at most 127 lower-case letters, digits, "_", "." and "-".
	Key string
	// Value is the new value, anything that encoding/json writes; nil is JSON's null, which is a value like others.
	// json.RawMessage is taken as it is. Numbers keep all their digits.
	Value any
	// Locked says whether the value holds for all beneath, whatever they have set. Defaults to Keep: as it is, and not
	// locked where the tenant had not set the key.
	Locked Switch
	// Sensitive says whether the value is a secret: it is sealed with a key of the tenant, see Options.KEK, and never
	// shown. Off stores the value as it is. Defaults to Keep: as it is, and not sensitive where the tenant had not set
	// the key. A Key that is declared Sensitive is so whatever is said here.
	Sensitive Switch
	// KeepValue leaves the value that the tenant has set as it is, for a change of Locked or Sensitive alone: On seals
	// it, and Off opens it and stores it as it is. Value must be left out. Where the tenant has not set the key the
	// error is ErrConfigNotFound.
	KeepValue bool
	// IfVersion makes the change only while the tenant's own entry has this version, else the error is
	// ErrConfigConflict. Defaults to 0: whatever there is.
	IfVersion int64
	// IfAbsent makes the change only while the tenant has not set the key itself, else the error is ErrConfigConflict.
	IfAbsent bool
	// Delete removes the tenant's own entry, as Config.Delete does. Value, KeepValue, Locked and Sensitive must be left
	// out.
	Delete bool
}

// ConfigBatch are the options of SetBatch.
type ConfigBatch struct {
	// BestEffort makes the changes that can be made, instead of none where one is refused.
	BestEffort bool
}

// ConfigResult is what became of one change of a batch.
type ConfigResult struct {
	// Key is that of the change.
	Key string
	// Value is the entry as it is now, or as it was before it was deleted.
	Value ConfigValue
	// Err is why the change was refused, or nil.
	Err error
}

// Set sets a key at a tenant, for it and all beneath it, and returns the entry. It returns
//
//   - ErrTenantNotFound for an unknown tenant, or one that the caller does not reach;
//   - ErrTenantState, as a *StateError, for an archived tenant;
//   - ErrConfigLocked, as a *ConfigLockedError, when an ancestor has locked the key;
//   - ErrConfigConflict, as a *ConfigConflictError, when IfVersion or IfAbsent do not hold;
//   - ErrConfigSensitive for a sensitive value that cannot be sealed, and with it ErrNoKEK where Options.KEK is
//     missing, ErrShredded where the tenant's keys are destroyed, or what the KEK or the registry has said;
//   - ErrConfigUnknown for a key that is not declared while others are;
//   - ErrConfigInvalid, as a *ConfigError that says why, for a key or a value that cannot be written, is not of the
//     declared type, or does not pass Key.Validate.
func (c *Config) Set(ctx context.Context, tenant uuid.UUID, change ConfigChange) (ConfigValue, error) {
	results, err := c.write(ctx, writeOp{name: "set config", tenant: tenant}, c.prepare([]ConfigChange{change}))
	if err != nil {
		return ConfigValue{}, err
	}
	return results[0].Value, nil
}

// SetBatch makes changes at one tenant at once, each of another key. All are made or none, and the error is that of the
// first that was refused, as Set would return it. With ConfigBatch.BestEffort those that can be made are, each result
// says what became of its change, and the error joins those of the refused.
func (c *Config) SetBatch(
	ctx context.Context, tenant uuid.UUID, changes []ConfigChange, batch ConfigBatch,
) ([]ConfigResult, error) {
	op := writeOp{name: "set config batch", tenant: tenant, bestEffort: batch.BestEffort}
	if len(changes) > MaxConfigBatch {
		return nil, operationError(op.name, &ConfigError{
			Key: changes[MaxConfigBatch].Key, Reason: "is beyond the " + strconv.Itoa(MaxConfigBatch) +
				" changes of a batch", Err: ErrConfigInvalid,
		})
	}
	results, err := c.write(ctx, op, c.prepare(changes))
	if err != nil {
		return nil, err
	}
	reports, refused := make([]ConfigResult, len(results)), make([]error, len(results))
	for i, r := range results {
		reports[i], refused[i] = r.ConfigResult, r.Err
	}
	return reports, operationError(op.name, errors.Join(refused...))
}

// Delete removes what the tenant itself has set for a key, so that it inherits again. It is no error that the entry did
// not hold because of a lock above, or was a lock itself. It returns ErrConfigNotFound where the tenant has no such
// entry, and ErrTenantNotFound and ErrTenantState as Set does.
func (c *Config) Delete(ctx context.Context, tenant uuid.UUID, key string) error {
	_, err := c.writeOne(ctx, "delete config", tenant, configWrite{key: key, verb: verbDelete})
	return err
}

// Lock makes what the tenant has set for a key hold for all beneath it, and returns how many of them it shadows: those
// that have set the key themselves, archived ones left out. Their entries stay, and hold again after Unlock. A key that
// is locked already is no error. To set and lock at once, use ConfigChange.Locked.
//
// It returns ErrConfigNotFound where the tenant has not set the key itself: what it inherits is not its own to lock.
// Else errors are those of Set.
func (c *Config) Lock(ctx context.Context, tenant uuid.UUID, key string) (shadowed int, err error) {
	result, err := c.writeOne(ctx, "lock config", tenant, configWrite{key: key, verb: verbLock, locked: On})
	return result.shadowed, err
}

// Unlock lets those beneath the tenant have their own value for a key again. A key that is not locked is no error. It
// returns ErrConfigNotFound where the tenant has not set the key itself; a lock further up does not stand in the way,
// and goes on to hold.
func (c *Config) Unlock(ctx context.Context, tenant uuid.UUID, key string) error {
	_, err := c.writeOne(ctx, "unlock config", tenant, configWrite{key: key, verb: verbUnlock, locked: Off})
	return err
}

func (c *Config) writeOne(ctx context.Context, op string, tenant uuid.UUID, w configWrite) (writeResult, error) {
	if !config.ValidKey(w.key) {
		w.refused = invalidKey(w.key)
	}
	results, err := c.write(ctx, writeOp{name: op, tenant: tenant}, []configWrite{w})
	if err != nil {
		return writeResult{}, err
	}
	return results[0], nil
}

// prepare checks changes as far as that is possible without the database. What is refused is refused in its turn.
func (c *Config) prepare(changes []ConfigChange) []configWrite {
	writes := make([]configWrite, len(changes))
	seen := make(map[string]bool, len(changes))
	for i, change := range changes {
		writes[i] = c.prepareOne(change)
		if seen[change.Key] && writes[i].refused == nil {
			writes[i].refused = &ConfigError{Key: change.Key, Reason: "is in the batch twice", Err: ErrConfigInvalid}
		}
		seen[change.Key] = true
	}
	return writes
}

func (c *Config) prepareOne(change ConfigChange) configWrite {
	w := configWrite{
		key: change.Key, verb: verbSet, locked: change.Locked, sensitive: change.Sensitive,
		ifVersion: change.IfVersion, ifAbsent: change.IfAbsent,
	}
	if !config.ValidKey(w.key) {
		w.refused = invalidKey(w.key)
		return w
	}
	if change.Delete {
		w.verb = verbDelete
		if change.Value != nil || change.KeepValue || change.Locked != Keep || change.Sensitive != Keep {
			w.refused = &ConfigError{Key: w.key, Reason: "is to be deleted and set at once", Err: ErrConfigInvalid}
		}
		return w
	}
	if change.KeepValue {
		if w.refused = c.keys.check(&w); w.refused == nil && change.Value != nil {
			w.refused = &ConfigError{Key: w.key, Reason: "is to keep its value and get another", Err: ErrConfigInvalid}
		}
		return w
	}
	if w.value, w.refused = encodeConfig(w.key, change.Value); w.refused != nil {
		return w
	}
	w.refused = c.keys.check(&w)
	return w
}

func invalidKey(key string) error {
	return &ConfigError{Key: key, Reason: "must be a lower-case letter and at most " +
		strconv.Itoa(MaxConfigKeyLength-1) + ` lower-case letters, digits, "_", "." and "-"`, Err: ErrConfigInvalid}
}

// encodeConfig returns a value as JSON that the database can store.
func encodeConfig(key string, value any) (json.RawMessage, error) {
	refuse := func(reason string) (json.RawMessage, error) {
		return nil, &ConfigError{Key: key, Reason: reason, Err: ErrConfigInvalid}
	}
	encoded, err := json.Marshal(value)
	switch {
	case err != nil:
		return refuse("cannot be written as JSON")
	case len(encoded) > MaxConfigValueSize:
		return refuse("must have at most " + strconv.Itoa(MaxConfigValueSize) + " bytes as JSON")
	case !storableJSON(encoded):
		return refuse("must be valid UTF-8 without a NUL character")
	default:
		return encoded, nil
	}
}
