// Package adopt brings tables of an application that runs from one step of package tables' online plan to another, and
// back, without stopping its writers. It knows no ORM.
//
//	adopt.go    Config, Forward and Back: look at the catalog, plan, run, until nothing is missing
//	session.go  one connection: how each kind of change is run, bounded in what it locks and for how long
//	fill.go     tenants for existing rows, in batches
//	script.go   the same changes as SQL for psql
//	status.go   which table is at which step
//	errors.go   what is worth trying again
//
// The catalog is the only state. Whatever ends a run, the next one finds out what is left to do.
package adopt
