package entstratum_test

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/internal/conformance"
)

var wholeMixes = flag.Bool("conformance.whole", false,
	"take every path in every mix of TestConformanceOfMixes, and not each in one of them")

// The guarantee does not depend on where tenants live: with schemas and databases of their own, at one placement or at
// two, direct and through a PgBouncer. Every path is taken in one mix of each; the flag has it taken in all.
func TestConformanceOfMixes(t *testing.T) {
	t.Parallel()
	for name, pooled := range map[string]bool{"direct": false, "PgBouncer": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ground := conformance.NewGround(t, newConformance(t).Database)
			st := ground.Open(t, pooled)
			paths := allPaths(newClients(entstratum.Driver(st), st.DB()))
			require.GreaterOrEqual(t, len(paths), enoughPaths)
			for i, mix := range conformance.Mixes() {
				t.Run(mix.Name, func(t *testing.T) { //nolint:paralleltest // one after the other: they share the tables
					taken := paths
					if !*wholeMixes {
						taken = conformance.Slice(paths, i, len(conformance.Mixes()))
					}
					conformance.Run(t, ground.Suite(st, mix, taken))
				})
			}
		})
	}
}
