// Package provision makes the schema or the database that a tenant has of its own, prepares databases for tenants, and
// takes both away again. It works as the owner of the tables. Everything it does can be repeated: what is there already
// is compared with what is wanted, so that a second call finishes what a crash has left.
//
//	model.go      ReadModel: the shared tables that everything is made from
//	versions.go   Blueprint: the model, and the migrations that have led to it, which what is made counts as having
//	              had
//	keys.go       Keys: the range of integer keys of a tenant
//	schema.go     Schema: a schema of a tenant's own, made and verified in one transaction
//	maker.go      Maker: many new schemas, with few round trips
//	database.go   Template, Database: a database of a tenant's own, copied from a template
//	extras.go     what a database needs beside tables: schemas, extensions, types, functions
//	site.go       Site: what a database is, and who lives there
//	errors.go     the refusals
package provision
