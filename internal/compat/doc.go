// Package compat tests Stratum beside libraries that it refuses or works with, and that no user of Stratum should have
// to compile. It is a module of its own for that reason, and holds tests alone.
//
//	resolver_test.go  gorm.io/plugin/dbresolver: refused, in any order and by any of its clauses
package compat
