// Package gormstratum brings Stratum into GORM: with db.Use(gormstratum.New(st, ...)) every statement of db, raw SQL
// included, belongs to the tenant of its context or is refused.
//
//	dialector.go  Open: a Dialector that never has an unguarded connection
//	plugin.go     New, Options: the plugin; pool.go puts the guarded pool in
//	tenant.go     Tenant, OwnOrGlobal and Global: what a model embeds
//	models.go     which table is tenant-owned, global or external; column.go its tenant column, unique.go its indexes
//	scope.go      the predicate on the tenant column; subquery.go takes it into sub-queries, which inherit.go finds
//	hooks.go      stamps new rows; conflict.go scopes ON CONFLICT, skipped.go looks at what it has left out
//	subtree.go    Subtree: reads of descendants; foreach.go ForEachTenant: work for many tenants
//	migrate.go    Migrate: tables, keys and policies; desired.go what GORM should want of them;
//	              script.go the same as SQL files
//	adopt.go      Adopt: takes over the tables of a running application; eject.go gives them back
//	verify.go     Verify: a report on the boundary as it is
//	isolation.go  what stratumtest.AssertIsolated tries on a model
//	encrypt*.go   encrypted fields: encrypt_model.go reads their tags, encrypt_write.go seals, encrypt_where.go and
//	              encrypt_text.go rewrite conditions to blind indexes, encrypt_watch.go refuses what is left,
//	              encrypt_rows.go opens what is read, encrypt_migrate.go has the columns; encrypt_bound.go binds
//	              values to rows; encrypt_place.go EncryptInPlace: a column that has values, of which
//	              encrypt_plain.go reads both forms
//	errors.go     what is refused before the database is asked
//
// The boundary is the connection and the database. What this package adds to a statement is there for the planner and
// for good errors.
package gormstratum
