package passphrase

import "errors"

// Refusals, for errors.Is.
var (
	// ErrPassphrase is returned for a passphrase that does not open the file, which may also have been changed.
	ErrPassphrase = errors.New("stratum: the passphrase does not open the keyfile (check it; the file may also be " +
		"damaged)")
	// ErrFormat is returned for what is no protected keyfile.
	ErrFormat = errors.New("stratum: not a keyfile that is protected by a passphrase (make one with passphrase.Lock)")
	// ErrWeak is returned for a passphrase of fewer than 12 characters, and for parameters that are too low or too
	// high.
	ErrWeak = errors.New("stratum: the keyfile would not be protected (use a passphrase of at least 12 characters, " +
		"and the default parameters)")
)
