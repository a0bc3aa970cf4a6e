package entstratum_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/internal/citus/standin"
)

// TestTenantInPrimaryKey on new tables, and on those that were without.
func TestTenantInPrimaryKey(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]bool{"new": false, "existing": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newStratum(t)
			if before {
				require.NoError(t, ent.StratumMigrate(t.Context(), d.client))
				d.withRows(t, d.tenant(t, "before"))
			}
			options := d.Options()
			options.TenantInPrimaryKey = true
			d = d.openStratum(t, options)
			require.NoError(t, ent.StratumMigrate(t.Context(), d.client))
			d.settled(t, func(owner string) error {
				options.OwnerDSN = owner
				return ent.StratumMigrate(t.Context(), d.openStratum(t, options).client)
			})
			ctx := d.tenant(t, "acme")
			d.withRows(t, ctx)
			require.Equal(t, 1, d.client.Ticket.Query().CountX(ctx))
			made := d.client.Ticket.Query().OnlyX(ctx)
			require.Equal(t, "changed", made.Update().SetTitle("changed").SaveX(ctx).Title)
			require.Equal(t, 1, made.QueryTags().CountX(ctx))
		})
	}
}

// TestCitusIsTold what of the schemas it cannot have, before anything is changed.
func TestCitusIsTold(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	options := d.Options()
	options.Engine = core.Citus
	_, err := core.Open(t.Context(), options)
	require.ErrorIs(t, err, core.ErrConfig)
	require.NoError(t, standin.Install(t.Context(), d.AdminDSN))
	d = d.openStratum(t, options)
	err = ent.StratumMigrate(t.Context(), d.client)
	var refused *entstratum.TableError
	require.ErrorAs(t, err, &refused)
	require.ErrorIs(t, err, entstratum.ErrCitus)
	require.NotEmpty(t, refused.Cure)
}
