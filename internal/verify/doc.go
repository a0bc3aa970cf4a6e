// Package verify looks at a database and says where the boundary between tenants does not hold, what weakens it, and
// what makes it slow. It reads the catalog in a fixed number of statements and changes nothing.
//
//	verify.go          Run: reads, holds what it read against the rules, reports
//	report.go, code.go Report, Finding, Severity; the codes, which stay as they are
//	catalog*.go        what the catalog says: one query for each kind of object
//	view.go            what each table is, as declared by models, recorded by Migrate, or shown by its policies
//	tables.go ...      the rules, a file for each kind of object
//	posture.go         which of the two threat models holds, and why not the stronger one
//	cure.go            the SQL of cures
package verify
