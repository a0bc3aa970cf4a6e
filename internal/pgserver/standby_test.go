//go:build unix

package pgserver_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/pgserver"
)

func TestStandby(t *testing.T) {
	t.Parallel()
	primary := startServer(t, pgserver.Config{})
	standby := startServer(t, pgserver.Config{StandbyOf: primary.URL("postgres")})
	recovering, err := ask(t.Context(), standby.URL(""), "SELECT pg_is_in_recovery()::text")
	require.NoError(t, err)
	require.Equal(t, "true", recovering)
	execute(t, primary, "CREATE TABLE written AS SELECT 'on the primary' AS place")
	require.Eventually(t, func() bool {
		got, err := ask(t.Context(), standby.URL(""), "SELECT place FROM written")
		return err == nil && got == "on the primary"
	}, time.Minute, 10*time.Millisecond)
}
