// Package sample turns times into the figures that are reported.
//
//	sample.go  percentiles, and ratios of what was measured side by side
//	turns.go   Turns: who is measured when
//	line.go    Line: what is printed, with its goal
package sample
