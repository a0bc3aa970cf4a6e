package sample

import (
	"math"
	"slices"
)

// Percentile returns the value that p percent of values are not above, by the nearest-rank method; p is between 0 and
// 100. It sorts values. Of no values it is NaN, which meets no goal.
func Percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	slices.Sort(values)
	rank := int(math.Ceil(p / 100 * float64(len(values))))
	return values[min(max(rank, 1), len(values))-1]
}

// Median returns the middle of values, or the mean of the two in the middle. It leaves values as they are. Of no values
// it is NaN, which meets no goal.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// PairedRatio returns the median of values[i] / baseline[i]. Both were measured within a moment of each other, so that
// a slow moment of the machine is in both and cancels out; a ratio of two medians would compare different moments.
// Pairs of which one is missing, or whose baseline is zero, do not count.
func PairedRatio(values, baseline []float64) float64 {
	return Median(Ratios(values, baseline))
}

// Ratios returns the ratio of each pair, see PairedRatio.
func Ratios(values, baseline []float64) []float64 {
	ratios := make([]float64, 0, len(values))
	for i := range min(len(values), len(baseline)) {
		if baseline[i] > 0 && !math.IsNaN(values[i]) {
			ratios = append(ratios, values[i]/baseline[i])
		}
	}
	return ratios
}
