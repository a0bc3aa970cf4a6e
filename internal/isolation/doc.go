// Package isolation is what an adapter and stratumtest.AssertIsolated say to each other. stratumtest must not compile
// an ORM for the users of another one, and an adapter must not compile what serves tests: both know this package.
//
//	subject.go  Subject, Row, Path: a model, rows of it and the ways to them, as the adapter knows them
//	facts.go    Facts: what the database knows of a table; facts_sql.go asks it
//	sample.go   values that a column accepts
package isolation
