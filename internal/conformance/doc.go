// Package conformance states the guarantee as one suite: every path to the database x {own tenant, another tenant, no
// tenant, system, a suspended tenant}. An adapter brings its paths; the suite brings the tenants, the ground truth and
// the verdicts.
//
//	suite.go   Suite, Path: what an adapter brings, and how a cell of the matrix is run
//	mix.go     Mix: where the three tenants live, and in which mixes the suite is run
//	ground.go  Ground: the databases that the mixes need
//	places.go  placements, and a tenant of each isolation, for tests of fleets
//	world.go   the tenants and where their rows are
//	rows.go    the rows, each with a secret that no other tenant may see
//	truth.go   what is in every database, read and written past all policies
//	plan.go    how a statement is planned, and what is demanded of it
//	verdict.go what each caller may see and change
package conformance
