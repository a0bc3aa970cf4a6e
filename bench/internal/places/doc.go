// Package places measures tenants in shared tables, in schemas and in databases of their own.
//
//	places.go     Main, Run: the program
//	world.go      a server with a tenant of each kind, and beside each one's table the same without Stratum
//	routing.go    statements of each, against plain GORM on the same database or schema
//	provision.go  a new tenant's database, against CREATE DATABASE and the migrations
package places
