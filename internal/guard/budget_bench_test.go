package guard_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/guard"
)

// BenchmarkBorrow is what it costs to borrow a connection that is there, and to give it back.
func BenchmarkBorrow(b *testing.B) {
	for _, shared := range []bool{false, true} {
		f := newFleet(b, 16, 1, func(_ int, config *guard.PoolConfig) {
			config.Pool.MaxConns = 8
			if !shared {
				config.Budget = nil
			}
		})
		name := map[bool]string{false: "alone", true: "budget"}[shared]
		borrow := func() error {
			_, release, err := guard.Lend(b.Context(), f.pools[0])
			if err != nil {
				return err
			}
			release()
			return nil
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := borrow(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+" parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := borrow(); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// TestBorrowAllocatesLittle: a budget adds what a dial would have to know of its borrower.
func TestBorrowAllocatesLittle(t *testing.T) { //nolint:paralleltest // it counts
	f := newFleet(t, 2, 1, nil)
	allocations := testing.AllocsPerRun(500, func() {
		_, release, err := guard.Lend(t.Context(), f.pools[0])
		require.NoError(t, err)
		release()
	})
	require.LessOrEqual(t, allocations, 3.0)
}
