// Package tickets has ent's clients for the table of package world: ent with Stratum's extension, and plain ent.
//
//	schema        the schema with the mixin; ent is generated of it
//	plain/schema  the schema without; plain/ent is generated of it
package tickets

//go:generate go run entc.go
