package stratumtest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

func TestOpenGivesAHandleThatWorks(t *testing.T) {
	t.Parallel()
	st, database := stratumtest.Open(t)
	acme, err := st.Tenants.Create(t.Context(), core.NewTenant{Name: "Acme", Slug: "acme"})
	require.NoError(t, err)

	var tenant, role string
	ctx := core.WithTenant(t.Context(), acme.ID)
	err = st.DB().QueryRowContext(ctx, "SELECT stratum.tenant_id(), current_user").Scan(&tenant, &role)
	require.NoError(t, err)
	require.Equal(t, acme.ID.String(), tenant)
	require.Equal(t, "stratum_tenant", role)
	require.Equal(t, database.DSN, database.Options().DSN)
}

func TestNewDatabaseTakesTemporaryTablesAway(t *testing.T) {
	t.Parallel()
	database := stratumtest.NewDatabase(t)
	conn, err := pgx.Connect(t.Context(), database.DSN)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "CREATE TEMPORARY TABLE shadow (id int)")
	require.ErrorContains(t, err, "permission denied")
	require.NoError(t, conn.Close(t.Context()))
}

func TestNewDatabasesDoNotShareTenants(t *testing.T) {
	t.Parallel()
	for range 3 {
		st, _ := stratumtest.Open(t)
		_, err := st.Tenants.Create(t.Context(), core.NewTenant{Name: "Acme", Slug: "acme"})
		require.NoError(t, err)
	}
}
