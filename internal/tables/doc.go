// Package tables makes an application's tables tenant-owned, global or external. It looks at the catalog, compares it
// with what is wanted, and issues only the DDL that is missing: a second run issues none. It knows no ORM; an ORM's own
// migrator runs between Prepare and Finish, all in one transaction of the tables' owner.
//
//	migration.go            Migration: New, Prepare, Finish, Statements, Findings
//	table.go, names.go      Table: what is wanted, checked; names within PostgreSQL's 63 bytes
//	catalog.go, look*.go    relation: what there is; the one query for it, whatever the number of tables
//	column.go               the tenant column: added, backfilled, DEFAULT and NOT NULL
//	keys.go, foreign.go     unique keys and foreign keys led by the tenant column, and their indexes
//	primary.go, citus*.go   the tenant column in primary keys; where Citus has the tables, and what it refuses
//	policies.go, grants.go  row-level security last, when all keys have been validated; rights of the roles
//	record.go               stratum.tables: what each table is declared as
//	finding.go, errors.go   what is left that Stratum did not make; the refusals
package tables
