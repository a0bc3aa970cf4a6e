package config_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/bench/internal/config"
)

// TestRun measures a little of everything.
func TestRun(t *testing.T) { //nolint:paralleltest // it counts allocations
	var out, log bytes.Buffer
	options := config.Options{Levels: 3, Keys: 5, Time: time.Millisecond, Changes: 3, Out: &out, Log: &log}
	require.NoError(t, config.Run(t.Context(), options), "log: %s", &log)
	for _, line := range []string{
		"cold", "cached/ns", "cached/x-map", "cached/allocations", "pinned/ns", "pinned/x-map", "pinned/allocations", "change/gone/p50", "change/p50",
	} {
		require.Contains(t, out.String(), "config/"+line+"\t")
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, config.Run(t.Context(), config.Options{}), "too little")
	require.Error(t, config.Main(t.Context(), []string{"-keys", "x"}, &bytes.Buffer{}, &bytes.Buffer{}))
}
