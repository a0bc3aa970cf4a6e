// Package desk is a ticket desk in ent, for the tests of entstratum: the tables of internal/conformance, with edges of
// every kind.
//
//	schema  the schemas
//	ent     what ent generates of them; go generate ./entstratum/internal/desk
package desk

//go:generate go run entc.go
