// Package citus prepares the servers of a Citus cluster for Stratum's policies: what a policy calls, and the roles that
// statements run as, must be on the workers too.
//
//	citus.go      whether a database is Citus', and Migrate
//	statements.go the statements that Migrate issues
//	errors.go     what is wrong, and the cure
package citus
