package sample_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/bench/internal/sample"
)

func TestLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		line sample.Line
		want string
	}{
		{"met", sample.Line{Name: "a/b", Value: 1.2, Goal: sample.AtMost(1.25)}, "a/b\t1.20\t<=1.25\tok"},
		{"just met", sample.Line{Name: "a", Value: 1.254, Goal: sample.AtMost(1.25)}, "a\t1.25\t<=1.25\tok"},
		{"missed", sample.Line{Name: "a", Value: 1.256, Goal: sample.AtMost(1.25)}, "a\t1.26\t<=1.25\tshort"},
		{"enough", sample.Line{Name: "a", Value: 0.8, Goal: sample.AtLeast(0.8)}, "a\t0.80\t>=0.80\tok"},
		{"not enough", sample.Line{Name: "a", Value: 0.79, Goal: sample.AtLeast(0.8)}, "a\t0.79\t>=0.80\tshort"},
		{"exact", sample.Line{Name: "a", Value: 1, Goal: sample.Exactly(1)}, "a\t1.00\t==1\tok"},
		{"not exact", sample.Line{Name: "a", Value: 1.33, Goal: sample.Exactly(1)}, "a\t1.33\t==1\tshort"},
		{"no more", sample.Line{Name: "a", Value: -12, Goal: sample.AtMost(0)}, "a\t-12.00\t<=0\tok"},
		{"less than nothing", sample.Line{Name: "a", Value: -0.001}, "a\t0.00\t-\tok"},
		{"no goal", sample.Line{Name: "a", Value: 4}, "a\t4.00\t-\tok"},
		{"nothing measured", sample.Line{Name: "a", Value: math.NaN(), Goal: sample.AtMost(1)}, "a\tNaN\t<=1\tshort"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, c.line.String())
		})
	}
}
