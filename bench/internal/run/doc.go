// Package run measures variants side by side.
//
//	flags.go       Main: the program
//	run.go         Run: every link, every operation; Options
//	stand.go       what is open on a link: the variants, warmed up
//	latency.go     times of one worker, in slices that take turns
//	throughput.go  operations per second of several workers, likewise
//	allocs.go      what a statement and a row allocate
//	roundtrips.go  how often the client waits for the server
//	profile.go     the CPU profile of one variant
//	report.go      which goal belongs to which figure
package run
