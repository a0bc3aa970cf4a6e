// Package fieldcrypt encrypts single fields of rows: with keys of their tenant, so that they can be destroyed with it,
// and so that a value is worth nothing in another column, row or tenant. It has the format, the keys and the encodings,
// and neither a database nor an ORM: package core keeps the keys and gives them out.
//
//	column.go            Column: what is encrypted, under which labels, and its blind indexes
//	ring.go              Ring: the keys of one tenant; Seal, Open, Index
//	format.go, derive.go how a sealed value looks, and which key it is under; xaes.go is the second algorithm
//	index.go             Index: what equality is looked up by; normalize.go and plan.go: of what, and how many bits
//	encode.go, decode.go Go values as the bytes that are sealed, and back
//	primarykey.go        PrimaryKey: which row a value is bound to
//	kek.go               KEK: what keys are wrapped with; LocalKEK, KEKs; keyfile.go: several of them in a file
//	wrap.go              Wrap, Unwrap: a tenant's key under a KEK, bound to what it is for
//	errors.go            what is refused
//
// # Format
//
// A sealed value is bytes, for a column of type bytea:
//
//	alg (1)  version (4, big-endian)  nonce (12 or 24)  ciphertext  tag (16)
//
// alg 1 is AES-256-GCM with a random nonce of 12 bytes, alg 2 is XAES-256-GCM (https://c2sp.org/XAES-256-GCM) with one
// of 24. What is authenticated beside the value, each with its length (2 bytes, big-endian) in front:
//
//	"stratum-field-v1"  alg  version  tenant (16)  table label  column label  [primary key]
//
// The key is derived with HKDF-SHA-256 from the tenant's data key of that version, with no salt and the same fields
// as info, but for a purpose in the place of the first ("stratum-field-v1 seal") and without the primary key.
//
// # Keys
//
// A KEK, which is the application's and may be a KMS's, wraps keys of 32 random bytes, some for each tenant: data keys,
// of which the newest seals and all others still open, and index keys, of which each has a blind index of its own. What
// a value is sealed with is derived from them, for each column. Every operation on data is the standard library's, and
// works under GODEBUG=fips140=only.
package fieldcrypt
