package gormstratum_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/gormstratum"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// TestIsolationOfEncryptedModels: rows with encrypted columns are as much out of reach as others, on every path.
func TestIsolationOfEncryptedModels(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	models := append(clinicModels(), &vault{}, &account{}, &guestMeanwhile{})
	c.db = c.used(t, models)
	require.NoError(t, gormstratum.Migrate(t.Context(), c.db, gormstratum.MigrateOptions{}))
	for _, model := range models {
		t.Run(fmt.Sprintf("%T", model), func(t *testing.T) {
			t.Parallel()
			options := stratumtest.IsolationOptions{}
			if _, ok := model.(*account); ok { // its index is of the digits alone
				options.Sample = func() any { return &account{Name: "x", Number: strconv.FormatUint(rand.Uint64(), 10), Code: "x"} }
			}
			require.True(t, stratumtest.AssertIsolated(t, c.db, model, options).Isolated())
		})
	}
}
