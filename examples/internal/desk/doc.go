// Package desk is what the examples have in common: a managed-service provider's ticket desk as a program. It reads the
// flags and the data, finds a database, has the application load and report, and then attacks it. The application
// itself, with its models and queries, is in the example.
//
//	program.go   Program, App: what an example brings; Run: the whole program
//	config.go    Config: what the command line says
//	database.go  a database for the program's run
//	load.go      tenants first, then the rows of each
//	migrate.go   the next version of the tables, everywhere; progress.go draws how far it is
//	settings.go  typed config keys; what three levels of tenants set, and why it holds
//	report.go    the report on each tenant, and on subtrees; summary.go counts
//	serve.go     the same over HTTP; http.go what all handlers need
package desk
