// Package isolation is what an adapter and stratumtest.AssertIsolated say to each other. stratumtest must not compile
// an ORM for the users of another one, and an adapter must not compile what serves tests: both know this package.
//
//	subject.go  Subject, Row, Path: a model, rows of it and the ways to them, as the adapter knows them
//	facts.go    Facts: what the database knows of a table; facts_sql.go asks it
//	sample.go   values that a column accepts
//	inspect.go  Adapter: what is wrong with a table where no statement would show it
//
// For adapters whose rows are made and reached by SQL:
//
//	rows.go                 Rows: makes rows, with all that they refer to
//	statements.go           Statements: the paths of plain SQL
//	statements_keys.go      those by unique and foreign keys
//	statements_children.go  those by tables that refer to the model's
package isolation
