// Package config has the rules of inherited config and no database: from what the tenants between a root and a tenant
// have set follows what holds for that tenant, and why.
//
//	entry.go     Tenant, Entry: what is set where
//	snapshot.go  Snapshot: what a tenant's config comes to, unchangeable
//	rules.go     who wins, and the reason; Explain
//	drift.go     how descendants differ from a tenant above them
//	decode.go    a JSON value as a Go type, strictly or not
//	schema.go    a Go type as a JSON Schema
package config
