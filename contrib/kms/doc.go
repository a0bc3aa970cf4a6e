// Package kms has tenants' keys wrapped by a key management service, through gocloud.dev/secrets: AWS KMS, Google Cloud
// KMS, Azure Key Vault, the transit engine of HashiCorp Vault, and whatever else has a driver. It is a module of its
// own, so that nobody compiles the clients of clouds who does not want to.
//
//	kek.go      KEK: a secrets.Keeper as a fieldcrypt.KEK; New, Open
//	errors.go   what is refused
//
// A program imports the driver that it uses, and says where the key is:
//
//	import _ "gocloud.dev/secrets/awskms"
//
//	kek, err := kms.Open(ctx, "2026-01", "awskms://alias/stratum?region=eu-central-1")
//	st, err := core.Open(ctx, core.Options{DSN: dsn, KEK: kek})
//
// To change the key, name both, the new one first, and run core.Keys.RewrapKEK:
//
//	kek, err := fieldcrypt.KEKs(newer, older)
//
// Keepers have no additional data, so that what a wrapped key is for stands inside of it: fieldcrypt.Unwrap compares
// it.
package kms
