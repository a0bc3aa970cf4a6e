package shapes_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/shapes/ent"
	_ "example.com/shapes/ent/runtime"

	"github.com/stratum-hq/stratum-go/stratumtest"
)

func TestMain(m *testing.M) { stratumtest.Main(m) }

func TestShapes(t *testing.T) {
	t.Parallel()
	st, _ := stratumtest.Open(t)
	client := ent.OpenStratum(st)
	require.NoError(t, ent.StratumMigrate(t.Context(), client))
	set := &ent.Vendor{Password: "x", APIURL: "y", Labels: []string{"a"}, Status: "closed", Raw: []byte("z")}
	for _, entity := range []any{&ent.Vendor{}, set, &ent.Item{}, &ent.Card{}, &ent.Lonely{}} {
		t.Run(fmt.Sprintf("%T", entity), func(t *testing.T) {
			t.Parallel()
			require.Greater(t, len(stratumtest.AssertIsolated(t, client, entity).Tried()), 35)
		})
	}
}
