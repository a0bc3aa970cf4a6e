// Package scope carries who a statement belongs to: one tenant, a tenant and its descendants, or the system, together
// with the actor. It is the one place that reads and writes these values in a context; core gives users the
// functions, guard obeys them.
//
//	scope.go   Scope, Actor and their place in a context
//	replica.go the wish to read from a replica
//	errors.go  the refusals that concern a context
package scope
