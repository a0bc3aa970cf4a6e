// Package clinic is a clinic in ent, for the tests of entstratum: schemas with encrypted fields of every kind.
//
//	schema  the schemas
//	ent     what ent generates of them; go generate ./entstratum/internal/clinic
package clinic

//go:generate go run entc.go
