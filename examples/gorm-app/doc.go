// Command gorm-app is a managed-service provider's ticket desk: a tree of tenants with tickets, comments and tags, and
// countries that all share. It loads them from CSV files, prints a report for each tenant, and then tries to reach
// another tenant's rows in every way it can think of. README.md shows what it prints.
//
//	main.go            the program; package examples/internal/desk runs it
//	models.go          the models; database.go opens Stratum and GORM on them: the set-up to copy
//	load.go, report.go writing as each tenant; reading as each tenant and as a whole subtree
//	field.go           an encrypted field, as it is stored and as it is read
//	next.go            the next version of the tables, for all tenants, wherever they are
//	handlers.go        the same over HTTP, with the tenant taken from the request
//	attempts*.go       the attempts, by topic; package examples/internal/attack has those that know no ORM
package main
