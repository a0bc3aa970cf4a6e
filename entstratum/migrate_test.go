package entstratum_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/ticket"
)

func TestMigrateTwice(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	require.NoError(t, ent.StratumMigrate(t.Context(), d.client))
	ctx := d.tenant(t, "acme")
	made, err := d.client.Ticket.Create().SetNumber("1").SetTitle("x").Save(ctx)
	require.NoError(t, err)
	require.Equal(t, tenantOf(t, ctx), made.TenantID)
	found, err := d.client.Ticket.Query().Where(ticket.Number("1")).Only(ctx)
	require.NoError(t, err)
	require.Equal(t, made.ID, found.ID)
	require.NoError(t, ent.StratumMigrate(t.Context(), d.client))
}
