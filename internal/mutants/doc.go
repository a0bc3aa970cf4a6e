// Package mutants shows that each refusal is tested: it removes the refusals of the guard and of the plugin one by one
// and runs the tests that are named for them, which must fail.
//
//	refusal.go  Refusal, Scan: where the source refuses something, found by syntax
//	site.go     which expressions are refusals; remove.go takes one out of the source
//	list.go     List: refusals.txt, the tests named for each refusal, and what is missing or stale in it
//	run.go      Run: one mutant after the other, two at a time; outcome.go judges what go test has printed
//	cmd         the command behind make mutants
//
// A refusal is an if or a case that returns or records an error of our own, or such an error at the end of a function.
// Its mutant is the same file in which the branch is never taken, or the error is nil. It is given to the compiler with
// -overlay, so that the tree stays as it is.
package mutants
