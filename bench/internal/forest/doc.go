// Package forest measures the tree of tenants where it is large.
//
//	forest.go     Main, Run: a server, a tree, the measurements
//	load.go       the tree: every tenant has ten children
//	ancestors.go  the line above a tenant, against a fetch of the same rows by their keys
//	move.go       a subtree's move, against a change of as many rows
package forest
