// Command gorm-app is a managed-service provider's ticket desk: a tree of tenants with tickets, comments and tags, and
// countries that all share. It loads them from CSV files, prints a report for each tenant, and then tries to reach
// another tenant's rows in every way it can think of. README.md shows what it prints.
//
//	main.go, config.go   run: flags, exit status, what is done in which order
//	models.go            the models; database.go opens Stratum and GORM on them: the set-up to copy
//	csv.go, dataset.go   the CSV files, read and checked before anything is written
//	load.go, report.go   writing as each tenant; reading as each tenant and as a whole subtree
//	serve.go, handlers.go  the same over HTTP, with the tenant taken from the request
//	attempts*.go         the attempts, by topic; judge.go decides what each has achieved
package main
