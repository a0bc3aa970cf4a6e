// Package desktest is what the tests of the examples have in common.
//
//	small.go     a small dataset with just what the attempts need
//	run.go       Run: a program with a config instead of flags
//	sabotage.go  holes in the boundary, for the attempts to find
//	requests.go  requests to the desk over HTTP, and their answers
package desktest
