package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent"
)

// What StratumMigrate has made is what the schemas want, and what holds the boundary.
func TestOpen_leavesNothingToMigrate(t *testing.T) {
	t.Parallel()
	a, ok := openSmall(t).(*app)
	require.True(t, ok)
	files, err := ent.StratumScript(t.Context(), a.client, entstratum.ScriptOptions{Name: "again"})
	require.NoError(t, err)
	require.Empty(t, files)
	report, err := ent.StratumVerify(t.Context(), a.client)
	require.NoError(t, err)
	require.NoError(t, report.Err())
}
