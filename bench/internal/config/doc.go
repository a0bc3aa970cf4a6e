// Package config measures core.Config.
//
//	config.go   Main, Run: flags, the report
//	world.go    a line of tenants, each with all keys; handles as of two processes
//	reads.go    cold against one tenant's rows; from memory; from a ctx
//	changes.go  how long a change takes to another process, against its commit
package config
