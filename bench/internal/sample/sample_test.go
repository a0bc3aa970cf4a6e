package sample_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/bench/internal/sample"
)

func TestPercentile(t *testing.T) {
	t.Parallel()
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i) // not in order
	}
	for _, c := range []struct {
		name   string
		values []float64
		p      float64
		want   float64
	}{
		{"of one", []float64{7}, 50, 7},
		{"middle of three", []float64{9, 1, 5}, 50, 5},
		{"the lower middle of an even number", []float64{4, 3, 2, 1}, 50, 2},
		{"p50 of a hundred", hundred, 50, 50},
		{"p99 of a hundred", hundred, 99, 99},
		{"all", hundred, 100, 100},
		{"none", hundred, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.InDelta(t, c.want, sample.Percentile(append([]float64(nil), c.values...), c.p), 0)
		})
	}
	require.True(t, math.IsNaN(sample.Percentile(nil, 50)))
}

func TestMedian(t *testing.T) {
	t.Parallel()
	values := []float64{9, 1, 5}
	require.InDelta(t, 5, sample.Median(values), 0)
	require.Equal(t, []float64{9, 1, 5}, values, "pairs stay pairs")
	require.InDelta(t, 2.5, sample.Median([]float64{4, 1, 3, 2}), 0)
	require.True(t, math.IsNaN(sample.Median(nil)))
}

// TestPairedRatio: the machine is ten times as slow in half of the slices, and the ratio is the same in all.
func TestPairedRatio(t *testing.T) {
	t.Parallel()
	baseline := []float64{100, 1000, 100, 1000, 100}
	values := []float64{120, 1200, 120, 1200, 120}
	require.InDelta(t, 1.2, sample.PairedRatio(values, baseline), 1e-9)

	// One slice of the variant alone was disturbed: the median leaves it out.
	values[2] = 9000
	require.InDelta(t, 1.2, sample.PairedRatio(values, baseline), 1e-9)
}

func TestRatiosLeavesOutWhatHasNoPair(t *testing.T) {
	t.Parallel()
	require.Equal(t, []float64{2}, sample.Ratios([]float64{2, 8, 3, math.NaN()}, []float64{1, 0}))
	require.Equal(t, []float64{2}, sample.Ratios([]float64{2, math.NaN()}, []float64{1, 1}))
	require.True(t, math.IsNaN(sample.PairedRatio([]float64{1}, nil)))
}

func TestTurnsGivesEachItsShare(t *testing.T) {
	t.Parallel()
	counts, first := make([]int, 4), make([]int, 4)
	n := 0
	err := sample.Turns(t.Context(), rand.New(rand.NewPCG(1, 2)), len(counts), 20*time.Millisecond, func(i int) error {
		if n%len(counts) == 0 {
			first[i]++
		}
		n++
		counts[i]++
		return nil
	})
	require.NoError(t, err)
	for i := range counts {
		require.Equal(t, counts[0], counts[i], "as often as the others")
		require.Positive(t, first[i], "the order changes")
	}
}

func TestTurnsGoesRoundOnce(t *testing.T) {
	t.Parallel()
	n := 0
	count := func(int) error { n++; return nil }
	require.NoError(t, sample.Turns(t.Context(), rand.New(rand.NewPCG(1, 2)), 3, 0, count))
	require.Equal(t, 3, n)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, sample.Turns(ctx, rand.New(rand.NewPCG(1, 2)), 3, 0, count), context.Canceled)
	require.Equal(t, 3, n)

	err := sample.Turns(t.Context(), rand.New(rand.NewPCG(1, 2)), 3, time.Hour, func(int) error { return context.Canceled })
	require.ErrorIs(t, err, context.Canceled)
}
