package run

import (
	"fmt"
	"strings"

	"github.com/stratum-hq/stratum-go/bench/internal/link"
	"github.com/stratum-hq/stratum-go/bench/internal/sample"
	"github.com/stratum-hq/stratum-go/bench/internal/variant"
)

// The goals of Stratum's own variants. The other variants have none.
const (
	p50Local   = 1.25
	p50Slow    = 1.03
	throughput = 0.80
	allocsMore = 10
)

// goalP50 returns how much longer than the baseline a variant may take.
func goalP50(v variant.Kind, on link.Kind) sample.Goal {
	switch {
	case !v.Ours():
		return sample.Goal{}
	case on == link.Slow:
		return sample.AtMost(p50Slow)
	default:
		return sample.AtMost(p50Local)
	}
}

// ours returns the goal for Stratum's own variants, and none for the others.
func ours(v variant.Kind, goal sample.Goal) sample.Goal {
	if v.Ours() {
		return goal
	}
	return sample.Goal{}
}

// compared returns the variants that are compared with another, in the order of Kinds.
func (r *runner) compared(open func(variant.Kind) bool) []variant.Kind {
	var kinds []variant.Kind
	for _, kind := range variant.Kinds() {
		if kind.Baseline() != kind && open(kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

func (r *runner) reportLatency(s *stand, op variant.Op, measured map[variant.Kind]*times) {
	for _, kind := range variant.Kinds() {
		if t, ok := measured[kind]; ok {
			r.logf("%s/%s/%s: p50 %.1f us, p99 %.1f us, %d operations in %d slices", op, s.kind, kind,
				sample.Percentile(t.all, 50), sample.Percentile(t.all, 99), len(t.all), len(t.p50))
		}
	}
	for _, kind := range r.compared(func(kind variant.Kind) bool { return measured[kind] != nil }) {
		own, base := measured[kind], measured[kind.Baseline()]
		ratios := sample.Ratios(own.p50, base.p50)
		r.logf("%s/%s/%s: a quarter of the slices below %.3f, a quarter above %.3f", op, s.kind, kind,
			sample.Percentile(ratios, 25), sample.Percentile(ratios, 75))
		p50 := sample.PairedRatio(own.p50, base.p50)
		r.line(p50, goalP50(kind, s.kind), string(op), string(s.kind), string(kind), "p50")
		// A slice is too short for a p99 of its own, so this is a ratio of two over all slices.
		p99 := sample.Percentile(own.all, 99) / sample.Percentile(base.all, 99)
		r.line(p99, sample.Goal{}, string(op), string(s.kind), string(kind), "p99")
	}
}

func (r *runner) reportThroughput(s *stand, op variant.Op, measured map[variant.Kind][]float64) {
	for _, kind := range variant.Kinds() {
		if rates, ok := measured[kind]; ok {
			r.logf("%s/%s/%s: %.0f per second with %d workers", op, s.kind, kind, sample.Median(rates), s.workers)
		}
	}
	for _, kind := range r.compared(func(kind variant.Kind) bool { return measured[kind] != nil }) {
		ratio := sample.PairedRatio(measured[kind], measured[kind.Baseline()])
		goal := ours(kind, sample.AtLeast(throughput))
		r.line(ratio, goal, string(op), string(s.kind), string(kind), "throughput")
	}
}

// line prints a figure whose name has these parts.
func (r *runner) line(value float64, goal sample.Goal, name ...string) {
	_, _ = fmt.Fprintln(r.Out, sample.Line{Name: strings.Join(name, "/"), Value: value, Goal: goal})
}
