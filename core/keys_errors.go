package core

import (
	"errors"
	"fmt"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// Refusals of encrypted fields and of Keys, for errors.Is.
var (
	// ErrDecrypt is returned for a stored value that was not sealed for this tenant, column and row, or was changed.
	ErrDecrypt = fieldcrypt.ErrDecrypt
	// ErrShredded is returned for a tenant whose keys were destroyed.
	ErrShredded = fieldcrypt.ErrShredded
	// ErrNoKEK is returned where Options.KEK is missing, or has not got the epoch that a key is wrapped with.
	ErrNoKEK = fieldcrypt.ErrNoKEK
	// ErrKeyInUse is returned by Retire for a version that values are still sealed with, or may be; see KeyInUseError.
	ErrKeyInUse = errors.New("stratum: the key version may still be in use (seal anew with Keys.Reencrypt, and try " +
		"again)")
	// ErrKeyVersion is returned for a version of a key that the tenant has not got, or not any more.
	ErrKeyVersion = errors.New("stratum: the tenant has no such key version (see Keys.List)")
	// ErrKeyScope is returned for what a tenant's ctx may not do with keys.
	ErrKeyScope = errors.New("stratum: a tenant's ctx may not do this with keys (use a ctx without a tenant, or " +
		"core.AsSystem with a reason)")
	// ErrKeyJob is returned by Reencrypt and Retire for tables that cannot be worked on; see its text.
	ErrKeyJob = errors.New("stratum: encrypted table cannot be worked on (correct its declaration)")
)

// errNoOption is ErrNoKEK for a handle without keys.
var errNoOption = fmt.Errorf("%w: Options.KEK is not set (for a start, fieldcrypt.LocalKEK of a fieldcrypt.NewKey "+
	"that is kept outside of the database)", ErrNoKEK)

// KeyInUseError says why a version cannot be retired.
type KeyInUseError struct {
	// Version is that of the key.
	Version uint32
	// Values is how many were found that are sealed with it.
	Values int64
	// Reason says what else stands in the way, or is empty.
	Reason string
}

// Error names the version, and how many values or what else.
func (e *KeyInUseError) Error() string {
	if e.Reason != "" {
		return fmt.Sprintf("version %d %s: %v", e.Version, e.Reason, ErrKeyInUse)
	}
	return fmt.Sprintf("version %d seals %d values: %v", e.Version, e.Values, ErrKeyInUse)
}

// Unwrap returns ErrKeyInUse.
func (e *KeyInUseError) Unwrap() error { return ErrKeyInUse }
