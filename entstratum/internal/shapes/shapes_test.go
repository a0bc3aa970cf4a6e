package shapes_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/entstratum/internal/shapes/ent"
	_ "github.com/stratum-hq/stratum-go/entstratum/internal/shapes/ent/runtime"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

func TestMain(m *testing.M) { stratumtest.Main(m) }

func TestShapes(t *testing.T) {
	t.Parallel()
	st, _ := stratumtest.Open(t)
	client := ent.OpenStratum(st)
	require.NoError(t, ent.StratumMigrate(t.Context(), client))
	for _, entity := range []any{&ent.Vendor{}, &ent.Vendor{Password: "x", APIURL: "y", Labels: []string{"a"}}, &ent.Item{}, &ent.Card{}, &ent.Lonely{}} {
		t.Run(fmt.Sprintf("%T", entity), func(t *testing.T) {
			t.Parallel()
			stratumtest.AssertIsolated(t, client, entity)
		})
	}
}
