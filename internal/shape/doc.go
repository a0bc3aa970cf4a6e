// Package shape is what the tables of a schema look like, read from PostgreSQL's catalog; how to make the same in
// another schema or database; and how two of them differ. Making tenants' schemas and databases, comparing them with
// the model, and bringing them up to date all stand on it.
//
//	shape.go                 Shape, Table and its parts: plain data; Hash
//	read.go, read_sql.go     Read, ReadMany: the catalog in a constant number of queries
//	expression.go            expressions in one form, and moved to another schema
//	model.go                 Spec, Model, ReadModel: the tables that others are made from, with their classes
//	schema.go, database.go   Residence; Model.InSchema and Model.InDatabase: the shape that a tenant is to have
//	keys.go                  KeyRange: keys that stay apart when tenants are brought together again
//	view.go                  View: which views of the model are made wherever its tables are
//	define.go, create.go     the DDL of each part; Create
//	change.go, diff*.go      Change, Statements; Diff
//	errors.go                the refusals
package shape
