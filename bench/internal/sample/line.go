package sample

import (
	"fmt"
	"math"
	"strings"
)

// Goal is what a figure should be. The zero value is none.
type Goal struct {
	op    string
	bound float64
}

// AtMost is met by figures up to bound.
func AtMost(bound float64) Goal { return Goal{op: "<=", bound: bound} }

// AtLeast is met by figures from bound on.
func AtLeast(bound float64) Goal { return Goal{op: ">=", bound: bound} }

// Exactly is met by bound alone.
func Exactly(bound float64) Goal { return Goal{op: "==", bound: bound} }

// String writes the goal as it is printed, "-" where there is none.
func (g Goal) String() string {
	if g.op == "" {
		return "-"
	}
	text := fmt.Sprintf("%.2f", g.bound)
	return g.op + strings.TrimSuffix(text, ".00")
}

// metBy reports whether value is as it should be. Not a number meets nothing.
func (g Goal) metBy(value float64) bool {
	switch g.op {
	case "<=":
		return value <= g.bound
	case ">=":
		return value >= g.bound
	case "==":
		return value == g.bound
	default:
		return true
	}
}

// printed rounds as the report does. A goal is compared with that, so that no line contradicts itself: 1.254 is 1.25
// and meets <=1.25. Adding zero turns -0 into 0.
func printed(value float64) float64 { return math.Round(value*100)/100 + 0 }

// Line is one line of the report.
type Line struct {
	// Name says what was measured, from the general to the particular, with slashes: "point-read/unix/plugin/p50".
	Name string
	// Value is a ratio to the baseline, or a difference from it where the name says so.
	Value float64
	// Goal is what Value should be.
	Goal Goal
}

// String writes name, value, goal and "ok" or "short", with tabs between them.
func (l Line) String() string {
	value, verdict := printed(l.Value), "short"
	if l.Goal.metBy(value) {
		verdict = "ok"
	}
	return fmt.Sprintf("%s\t%.2f\t%s\t%s", l.Name, value, l.Goal, verdict)
}
