// Package entstratum brings Stratum into ent: with the extension of package codegen in entc.go and Mixin in the
// schemas, every statement of the generated client, raw SQL included, belongs to the tenant of its context or is
// refused.
//
//	mixin.go       Mixin, OwnOrGlobal: what a schema embeds; annotation.go what it says of itself and its fields
//	hooks.go       stamps new rows, and keeps changes to the tenant's; scope.go the predicate of queries
//	privacy.go     rules for privacy policies: DenyIfNoTenant, AllowDescendants, AllowSystem
//	driver.go      Driver: ent's driver on the guarded pool
//	mutation.go    Mutation: what goes from a hook to its statement
//	conflict.go    ON CONFLICT on keys that became unique per tenant; skipped.go what it has left out
//	encrypt*.go    encrypted fields: the layer above a client's driver, and what it rewrites
//	registry.go    Registry: what the generated code knows of its tables
//	desired.go     what ent should want of the tables; diff.go and defaults.go what its migration is to leave alone
//	migrate.go     Migrate: tables, keys and policies; views.go views; script.go the same as versioned files
//	verify.go      Verify: a report on the boundary as it is
//	isolation*.go  Isolation: what stratumtest.AssertIsolated tries on an entity
//	errors.go      what is refused before the database is asked
//
// The boundary is the connection and the database. What this package adds to a statement is there for the planner and
// for good errors: without it no row of another tenant would be seen either.
package entstratum
