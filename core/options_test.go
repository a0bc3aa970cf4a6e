package core_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	dsn := stratumtest.EmptyDatabase(t).DSN
	for name, options := range map[string]core.Options{
		"no DSN":                   {},
		"no DSN that can be read":  {DSN: "postgres://app:s3cret@localhost:port/app"},
		"no system DSN to be read": {DSN: dsn, SystemDSN: "postgres://app:s3cret@localhost:port/app"},
		"an empty prefix's dash":   {DSN: dsn, RolePrefix: "a-b"},
		"a prefix in capitals":     {DSN: dsn, RolePrefix: "App"},
		"a prefix of a digit":      {DSN: dsn, RolePrefix: "1a"},
		"a prefix that is quoted":  {DSN: dsn, RolePrefix: `a"; DROP ROLE x; --`},
		"a prefix too long":        {DSN: dsn, RolePrefix: strings.Repeat("a", 60)},
		"no connections":           {DSN: dsn, MaxConns: -1},
		"no system connections":    {DSN: dsn, SystemMaxConns: -1},
		"a mode that guesses":      {DSN: dsn + "&default_query_exec_mode=exec"},
		"strings of another kind":  {DSN: dsn + "&standard_conforming_strings=off"},
		"another encoding":         {DSN: dsn + "&client_encoding=LATIN1"},
	} {
		_, err := core.Open(t.Context(), options)
		require.ErrorIs(t, err, core.ErrConfig, name)
		require.NotContains(t, err.Error(), "s3cret", name)
		require.Contains(t, err.Error(), "(", "the cure: "+name)
	}
}

// TestPoolParameters of a DSN are pgx's own, and are no settings of the server.
func TestPoolParameters(t *testing.T) {
	t.Parallel()
	database := stratumtest.NewDatabase(t)
	options := database.Options()
	options.DSN += "&pool_max_conns=3&pool_max_conn_idle_time=1m"
	options.SystemDSN += "&pool_max_conns=3"
	options.OwnerDSN += "&pool_max_conns=3"
	st, err := core.Open(t.Context(), options)
	require.NoError(t, err)
	require.NoError(t, st.Ping(t.Context()))
	require.NoError(t, st.Migrate(t.Context()))
	require.NoError(t, st.Close())
}
