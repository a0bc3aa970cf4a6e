// Package passphrase protects a keyfile of fieldcrypt with a passphrase: Argon2id (RFC 9106) makes a key of it, and
// AES-256-GCM seals the file. It is apart from fieldcrypt because Argon2id is no algorithm of FIPS 140, and comes with
// a dependency.
//
//	passphrase.go   Lock, Unlock, ReadKeyfile
//	parameters.go   Parameters: how much time and memory a guess costs
//	errors.go       what is refused
package passphrase
