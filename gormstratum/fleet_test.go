package gormstratum_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// Gadget is a model that grows.
type Gadget struct {
	gormstratum.Tenant
	ID     uint64 `gorm:"primaryKey"`
	Number string `gorm:"uniqueIndex"`
}

// TableName is that of both versions.
func (Gadget) TableName() string { return "gadgets" }

// GadgetV2 is the next version of it.
type GadgetV2 struct {
	gormstratum.Tenant
	ID     uint64 `gorm:"primaryKey"`
	Number string `gorm:"uniqueIndex"`
	Colour string `gorm:"index;not null;default:'red'"`
}

// TableName is that of both versions.
func (GadgetV2) TableName() string { return "gadgets" }

func TestFleetFollowsTheModels(t *testing.T) {
	t.Parallel()
	d := newDesk(t, []any{&Gadget{}, &Country{}})
	var tenants []core.Tenant
	for _, isolation := range isolations() {
		tenant, err := d.st.Tenants.Create(t.Context(), core.NewTenant{
			Name: string(isolation), Slug: string(isolation), Isolation: isolation,
		})
		require.NoError(t, err)
		tenants = append(tenants, tenant)
		ctx := core.WithTenant(t.Context(), tenant.ID)
		require.NoError(t, d.db.WithContext(ctx).Create(&Gadget{Number: "1"}).Error)
	}
	next := d.used(t, []any{&GadgetV2{}, &Country{}})
	migrate := func() core.FleetReport {
		report, err := d.st.Fleet.Migrate(t.Context(), core.FleetOptions{
			Migrations: []core.Migrations{gormstratum.Migrations(next, gormstratum.MigrateOptions{})},
		})
		require.NoError(t, err)
		return report
	}
	report := migrate()
	require.Zero(t, report.Failed, report.Failures)
	for drift, err := range d.st.Fleet.Drift(t.Context()) {
		require.NoError(t, err)
		require.Fail(t, "drift", "%+v", drift)
	}
	ids := make(map[uint64]uuid.UUID)
	for _, tenant := range tenants {
		db := next.WithContext(core.WithTenant(t.Context(), tenant.ID))
		var found []GadgetV2
		require.NoError(t, db.Find(&found).Error, tenant.Slug)
		require.Len(t, found, 1)
		require.Equal(t, "red", found[0].Colour)
		require.NotContains(t, ids, found[0].ID)
		ids[found[0].ID] = tenant.ID
		require.ErrorIs(t, db.Create(&GadgetV2{Number: "1"}).Error, core.ErrDuplicateKey)
	}
	require.Zero(t, migrate().Done)
}
