package core_test

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

func TestLimitsAreChecked(t *testing.T) {
	t.Parallel()
	dsn := stratumtest.EmptyDatabase(t).DSN
	for name, limit := range map[string]core.Limit{
		"a negative number":             {Concurrent: -1},
		"a wait before now":             {Wait: -2},
		"a timeout before now":          {StatementTimeout: -time.Second},
		"less than PostgreSQL counts":   {StatementTimeout: time.Microsecond},
		"a part of a millisecond":       {StatementTimeout: time.Millisecond + 1},
		"more than PostgreSQL can wait": {StatementTimeout: 25 * 24 * time.Hour},
	} {
		_, err := core.Open(t.Context(), core.Options{DSN: dsn, Limits: core.Limits{Tenant: limit}})
		require.ErrorIs(t, err, core.ErrConfig, name)
		require.ErrorContains(t, err, "(use", "the cure: "+name)
	}
}

// TestLimitThatProtectsNobody is allowed, and said.
func TestLimitThatProtectsNobody(t *testing.T) {
	t.Parallel()
	d := stratumtest.NewDatabase(t)
	for most, warned := range map[int]bool{0: false, 3: false, 4: true, 5: true} {
		var logged bytes.Buffer
		options := d.Options()
		options.MaxConns = 4
		options.Limits.Tenant.Concurrent = most
		options.Logger = slog.New(slog.NewTextHandler(&logged, nil))
		st, err := core.Open(t.Context(), options)
		require.NoError(t, err)
		require.NoError(t, st.Close())
		require.Equal(t, warned, bytes.Contains(logged.Bytes(), []byte("Limits.Tenant.Concurrent")), most)
	}
}
