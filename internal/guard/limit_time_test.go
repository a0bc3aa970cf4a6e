package guard_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// TestStatementTimeout is the tenant's own, costs no round trip, and is gone with its statement.
func TestStatementTimeout(t *testing.T) {
	t.Parallel()
	const timeout = "SELECT current_setting('statement_timeout')"
	for _, mode := range []string{cacheStatement, cacheDescribe, simpleProtocol} {
		var slow uuid.UUID
		h := newDatabase(t).openLimited(t, setup{mode: mode}, core.Limits{
			Tenant: core.Limit{StatementTimeout: 50 * time.Millisecond},
			PerTenant: func(tenant uuid.UUID, limit core.Limit) core.Limit {
				if tenant == slow {
					limit.StatementTimeout = time.Hour
				}
				return limit
			},
		})
		slow = h.globex
		acme := h.as(h.acme)
		require.Equal(t, "50ms", h.text(acme, timeout), mode)
		require.Equal(t, trips[mode].steady, h.trips(func() { h.text(acme, timeout) }))
		require.Equal(t, "1h", h.text(h.as(h.globex), timeout))
		require.Equal(t, "0", h.text(h.system(), timeout), "the system has what its login has")

		for name, run := range map[string]func(ctx context.Context) error{
			"statement": func(ctx context.Context) error {
				_, err := h.db.ExecContext(ctx, "SELECT pg_sleep(60)")
				return err
			},
			"transaction": func(ctx context.Context) error {
				return h.BeginFunc(ctx, func(tx *core.Tx) error {
					_, err := tx.Exec(ctx, "SELECT pg_sleep(60)")
					return err
				})
			},
		} {
			var refused *pgconn.PgError
			require.ErrorAs(t, run(acme), &refused, name)
			require.Equal(t, "57014", refused.Code, name)
		}
		require.NoError(t, h.BeginFunc(acme, func(tx *core.Tx) error {
			_, err := tx.Exec(acme, "SET LOCAL statement_timeout = '2h'")
			require.NoError(t, err)
			_, err = tx.Exec(acme, "SELECT pg_sleep(0.1)")
			return err
		}), "a transaction may say otherwise")
		require.Equal(t, "50ms", h.text(acme, timeout))
	}
}
