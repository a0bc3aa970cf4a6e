package fieldcrypt

import (
	"errors"
	"fmt"
)

// Conditions a caller may branch on with errors.Is. None of their texts has a value or a key in it.
var (
	// ErrDecrypt is returned for bytes that were not sealed for this tenant, column and row, or not by any of its keys,
	// or are damaged. Which of these it is, is not said.
	ErrDecrypt = errors.New("stratum: the field cannot be decrypted (it was changed, or sealed for another tenant, " +
		"column or row; see docs/encryption.md, \"Cannot be decrypted\")")
	// ErrShredded is returned for a tenant whose keys have been destroyed. Nothing brings its values back.
	ErrShredded = errors.New("stratum: the tenant's keys have been destroyed, and its encrypted fields with them " +
		"(erase the rows; a tenant that comes back is a new one)")
	// ErrNoKEK is returned where a key is wrapped with a KEK that this program has not got.
	ErrNoKEK = errors.New("stratum: the key is wrapped with a KEK that is not here (add the older KEK behind the " +
		"current one, in the keyfile or with fieldcrypt.KEKs)")
	// ErrUnwrap is returned where a KEK is here and does not open what is said to be wrapped with it.
	ErrUnwrap = errors.New("stratum: the wrapped key cannot be opened (it was changed or belongs to another tenant; " +
		"restore stratum.tenant_keys from a backup)")
	// ErrKEK is returned for a KEK, a keyfile or a key that cannot be read; see its text.
	ErrKEK = errors.New("stratum: not a KEK (make one with fieldcrypt.NewKey)")
	// ErrKey is returned by NewRing and Wrap for a key that cannot be one.
	ErrKey = errors.New("stratum: not a key (32 bytes, of a tenant, with a version of 1 or more)")
	// ErrColumn is returned for a Column that cannot be declared, and for a primary key that does not fit it.
	ErrColumn = errors.New("stratum: invalid encrypted column (correct its declaration)")
	// ErrNoIndexKey is returned where a Ring has no index key of the epoch of an Index.
	ErrNoIndexKey = errors.New("stratum: the tenant has no key for the blind index (see Keys.Column)")
	// ErrType is returned by Encode for a Go type that has no encoding, and by Decode for a stored value that is of
	// another type than the one asked for; see TypeError.
	ErrType = errors.New("stratum: the type does not fit the encrypted field (see docs/encryption.md, \"Types\")")
)

// TypeError says which types did not fit. It leaves the value out.
type TypeError struct {
	// Stored is what the value was encoded as, such as "integer", or empty for a value that has not been encoded.
	Stored string
	// Go is the Go type.
	Go string
	// Reason says more, or is empty.
	Reason string
}

// Error names the types.
func (e *TypeError) Error() string {
	text := e.Go
	if e.Stored != "" {
		text = fmt.Sprintf("%s into %s", e.Stored, e.Go)
	}
	if e.Reason != "" {
		text += ", " + e.Reason
	}
	return fmt.Sprintf("%s: %v", text, ErrType)
}

// Unwrap returns ErrType.
func (e *TypeError) Unwrap() error { return ErrType }
