package variant

import (
	"context"

	"github.com/stratum-hq/stratum-go/bench/internal/world"
)

// Reading returns a variant whose point read finds what seen says.
func Reading(seen Seen) *Variant {
	read := func(context.Context, world.Pick) (Seen, error) { return seen, nil }
	return &Variant{Kind: "test", actions: map[Op]Action{PointRead: read}}
}
