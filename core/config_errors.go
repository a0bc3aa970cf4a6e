package core

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// Refusals by the methods of Config, for errors.Is.
var (
	// ErrConfigLocked is returned for a change beneath a lock; see ConfigLockedError.
	ErrConfigLocked = errors.New("stratum: an ancestor has locked the config key (change it there, or unlock it " +
		"there with Config.Unlock)")
	// ErrConfigConflict is returned where a value is not the one that the change was made for; see
	// ConfigConflictError.
	ErrConfigConflict = errors.New("stratum: the config key was changed meanwhile (read it again, and decide anew)")
	// ErrConfigNotFound is returned where a key has no value: for the tenant, by Get; at the tenant, by Delete, Lock
	// and Unlock.
	ErrConfigNotFound = errors.New("stratum: the config key is not set (set it with Config.Set; Config.Explain shows " +
		"where it is)")
	// ErrConfigUnknown is returned for a key that Options.ConfigKeys does not have; see ConfigError.
	ErrConfigUnknown = errors.New("stratum: the config key is not declared (add it to Options.ConfigKeys, or correct " +
		"its name)")
	// ErrConfigInvalid is returned for a key or a value that cannot be written; see ConfigError.
	ErrConfigInvalid = errors.New("stratum: invalid config (correct the key or the value)")
	// ErrConfigDecode is returned for a value that is stored and is not of the type that is asked for. Other keys are
	// not affected. See ConfigError.
	ErrConfigDecode = errors.New("stratum: the stored config value does not fit its type (correct it with Config.Set)")
	// ErrConfigSensitive is returned where a sensitive value can be neither sealed nor opened, and then is also what
	// says why, such as ErrNoKEK or ErrShredded. It is never stored or shown as it is. See docs/config.md, "Secrets".
	ErrConfigSensitive = errors.New("stratum: the config value is sensitive and not shown here (read it with " +
		"Key.Get, ResolveInto or the Decode of what Config.Get returns)")
)

// ConfigError says which key was refused and why. It leaves the value out.
type ConfigError struct {
	// Key is the key.
	Key string
	// Reason says what is wrong, or is empty where Err says it all.
	Reason string
	// Err is ErrConfigInvalid, ErrConfigUnknown, ErrConfigDecode, ErrConfigSensitive or ErrConfigNotFound. Where a
	// sensitive value can be neither sealed nor opened it is what says why; errors.Is finds ErrConfigSensitive too.
	Err error

	cause error // of Key.Validate, or ErrConfigSensitive
}

// Error names the key, the refusal and the reason.
func (e *ConfigError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("%q: %v", e.Key, e.Err)
	}
	return fmt.Sprintf("%q %s: %v", e.Key, e.Reason, e.Err)
}

// Unwrap returns Err, and the error of Key.Validate where that was the one to refuse, or ErrConfigSensitive.
func (e *ConfigError) Unwrap() []error {
	if e.cause == nil {
		return []error{e.Err}
	}
	return []error{e.Err, e.cause}
}

// ConfigLockedError says who has locked a key.
type ConfigLockedError struct {
	// Key is the key.
	Key string
	// Ancestor is the tenant that has locked it. Its ID is uuid.Nil to a tenant's ctx where the ancestor is above that
	// tenant: the slug is all that may be known of it.
	Ancestor ConfigSource
}

// Error names the key and the ancestor's slug.
func (e *ConfigLockedError) Error() string {
	return fmt.Sprintf("%q is locked at %q: %v", e.Key, e.Ancestor.Slug, ErrConfigLocked)
}

// Unwrap returns ErrConfigLocked.
func (e *ConfigLockedError) Unwrap() error { return ErrConfigLocked }

// ConfigConflictError says what there is instead of what a change expected.
type ConfigConflictError struct {
	// Key is the key.
	Key string
	// Version is that of the value the tenant has, or 0 where it has none.
	Version int64
}

// Error names the key and the version.
func (e *ConfigConflictError) Error() string {
	return fmt.Sprintf("%q has version %d: %v", e.Key, e.Version, ErrConfigConflict)
}

// Unwrap returns ErrConfigConflict.
func (e *ConfigConflictError) Unwrap() error { return ErrConfigConflict }

// ConfigSource is the tenant that has set a value.
type ConfigSource struct {
	// ID is the tenant, or uuid.Nil to a tenant's ctx where it is above the tenant of ctx.
	ID uuid.UUID
	// Slug is the tenant's slug as it was when the value was read, or empty for the default of a declared key.
	Slug string
}
