package entstratum_test

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/internal/conformance"
)

var wholeMixes = flag.Bool("conformance.whole", false,
	"take every path in every mix of TestConformanceOfMixes, instead of each in one")

// The guarantee does not depend on where tenants live: with schemas and databases of their own, at one placement or at
// two. By each way every path is taken in one of the mixes; the flag has it taken in all.
func TestConformanceOfMixes(t *testing.T) {
	t.Parallel()
	for _, way := range conformance.Ways() {
		t.Run(way.Name, func(t *testing.T) {
			t.Parallel()
			ground := conformance.NewGround(t, newConformance(t).Database)
			st := ground.Open(t, way)
			paths := allPaths(newClients(entstratum.Driver(st), st.DB()))
			require.GreaterOrEqual(t, len(paths), enoughPaths)
			for i := range paths {
				if way.Hardened && refusedHardened(paths[i].Name) {
					paths[i].Tenant = core.ErrCommand
				}
			}
			ground.Run(t, st, paths, *wholeMixes)
		})
	}
}
