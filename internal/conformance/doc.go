// Package conformance states the guarantee as one suite: every path to the database x {own tenant, another tenant, no
// tenant, system, a suspended tenant}. An adapter brings its paths; the suite brings the tenants, the ground truth and
// the verdicts.
//
//	suite.go   Suite, Path: what an adapter brings, and how a cell of the matrix is run
//	world.go   the tables, the tenants and their rows, each with a secret that no other tenant may see
//	plan.go    how a statement is planned, and what is demanded of it
//	verdict.go what each caller may see and change
package conformance
