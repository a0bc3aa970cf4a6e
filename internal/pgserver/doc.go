// Package pgserver finds or starts the PostgreSQL that tests and examples run against.
//
//	config.go, server.go        Config in, Server out: Start, URL, Close, Source
//	environment.go              a server named by STRATUM_DATABASE_URL, used as it is
//	locate.go, run.go           server binaries of this machine, run in a temporary folder
//	memory_linux.go             which is in memory where there is plenty
//	watchdog.go, account_*.go   who ends that server when this process dies, and the account it runs as
//	embedded.go                 the last resort: binaries downloaded by embedded-postgres
//
// The sources are tried in that order. Where none will do, Start returns one *UnavailableError that says what was
// tried and what to install.
package pgserver
