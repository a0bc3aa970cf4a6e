// Package pgbouncer runs a PgBouncer in transaction mode for tests: connections to the server change hands after every
// transaction, so whatever a connection remembers is met by somebody else.
//
//	bouncer.go  Bouncer: Start, DSN, Close
//	config.go   what is written for it to read
//	errors.go   what Start returns where there is no PgBouncer
//
// A missing PgBouncer fails a test. It is never skipped, for a skipped test of a security boundary looks like a passed
// one.
package pgbouncer
