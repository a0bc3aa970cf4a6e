package gormstratum_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// isolations are all of them.
func isolations() []core.Isolation {
	return []core.Isolation{core.SharedIsolation, core.SchemaIsolation, core.DatabaseIsolation}
}

func TestIsolations(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskModels())
	for _, isolation := range isolations() {
		tenant, err := d.st.Tenants.Create(t.Context(), core.NewTenant{
			Name: string(isolation), Slug: string(isolation), Isolation: isolation,
		})
		require.NoError(t, err)
		require.Equal(t, core.StatusActive, tenant.Status)
		require.Equal(t, isolation, tenant.Isolation)
		ctx := core.WithTenant(t.Context(), tenant.ID)
		ticket := Ticket{Number: "T-1", Title: "of " + string(isolation)}
		require.NoError(t, d.db.WithContext(ctx).Create(&ticket).Error)
		var found []Ticket
		require.NoError(t, d.db.WithContext(ctx).Find(&found).Error)
		require.Len(t, found, 1)
		require.Equal(t, "of "+string(isolation), found[0].Title)
	}
}
