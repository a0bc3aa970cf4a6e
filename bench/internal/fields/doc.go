// Package fields measures the encryption of single fields beside the standard library's AEAD, and beside Tink's.
//
//	fields.go   Main, Run: the program
//	subject.go  what is measured: how it seals, opens and indexes
//	world.go    a server with a tenant's keys
package fields
