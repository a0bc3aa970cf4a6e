// Package fleet brings many targets to one step: the shared tables of databases, schemas of tenants, databases of
// tenants. It knows neither core nor an ORM: what a step is comes from a Source.
//
//	run.go, options.go        Run: the canary, then everything else; what is told and how gently it goes
//	target.go, feed.go        what is migrated, and how targets reach the workers of their server, each once
//	worker.go, session.go     a worker and its connection: enter a target, run, try again what passes by itself
//	goose.go, goose_*.go      versioned migrations, read by goose, run here in one message, recorded in goose's table
//	converge.go, ledger.go    a model that targets converge to, and the table that says which have
//	plan.go, progress.go      what a dry run finds, how far a run is, what it did
//	errors.go, message.go     the refusals, and errors without the values of rows
//
// The ledgers are the only state: whatever ends a run, the next one finds out what is left to do. A target's step and
// its row in the ledger are one transaction, under a lock that is the target's own, so that any number of runs may be
// under way at once.
package fleet
