package run

import (
	"context"
	"errors"

	"github.com/stratum-hq/stratum-go/internal/pgproxy"

	"github.com/stratum-hq/stratum-go/bench/internal/sample"
	"github.com/stratum-hq/stratum-go/bench/internal/variant"
	"github.com/stratum-hq/stratum-go/bench/internal/world"
)

// tripOps is how often an operation is done while its round trips are counted.
const tripOps = 20

// roundTrips prints how often a variant waits for the server for each time that its baseline does. A baseline does so
// once for each statement, BEGIN and COMMIT included; the absolute figures show it.
func (r *runner) roundTrips(ctx context.Context, w *world.World) (err error) {
	proxy, err := pgproxy.Start(ctx, w.Database.DSN)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, proxy.Close()) }()
	trips := figures{}
	target := variant.Target{World: w, DSN: proxy.DSN(), SystemDSN: w.Database.SystemDSN}
	err = r.eachAlone(ctx, target, r.Ops, func(v *variant.Variant, op variant.Op) error {
		random := newRandom()
		proxy.Reset()
		for range tripOps {
			if err := v.Do(ctx, op, w.Pick(random)); err != nil {
				return err
			}
		}
		trips.set(op, v.Kind, float64(proxy.Counts().RoundTrips)/tripOps)
		r.logf("round-trips/%s/%s: %.2f", op, v.Kind, trips[op][v.Kind])
		return nil
	})
	if err != nil {
		return err
	}
	for _, op := range r.Ops {
		for _, kind := range r.compared(trips.has(op)) {
			ratio := trips[op][kind] / trips[op][kind.Baseline()]
			r.line(ratio, ours(kind, sample.Exactly(1)), "round-trips", string(op), string(kind))
		}
	}
	return nil
}
