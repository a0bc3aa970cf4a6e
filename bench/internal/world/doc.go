// Package world makes the database that is measured: a throw-away server, a thousand tenants, and the same rows in a
// table for each way to keep tenants apart.
//
//	world.go   World: Start, Pick, Close
//	tables.go  the tables and their rows
//	models.go  the same row as a GORM model of each table
package world
