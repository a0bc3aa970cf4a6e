package gormstratum_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// Hub is referred to in every way that a foreign key can say what becomes of the row that refers.
type (
	Hub struct {
		gormstratum.Tenant
		ID    uint
		Code  string `gorm:"uniqueIndex"`
		Part  int
		Crown *Crown // has one
	}
	Crown struct {
		gormstratum.Tenant
		ID    uint
		HubID uint
	}
	Spoke struct {
		gormstratum.Tenant
		ID         uint
		CascadeID  *uint
		Cascade    *Hub `gorm:"constraint:OnUpdate:CASCADE,OnDelete:CASCADE;"`
		NullID     *uint
		Null       *Hub  `gorm:"constraint:OnUpdate:CASCADE,OnDelete:SET NULL;"`
		DefaultID  *uint `gorm:"default:1"`
		Default    *Hub  `gorm:"constraint:OnDelete:SET DEFAULT;"`
		RestrictID *uint
		Restrict   *Hub `gorm:"constraint:OnDelete:RESTRICT;"`
		NoneID     *uint
		None       *Hub    `gorm:"constraint:OnDelete:NO ACTION;"`
		HubCode    *string // refers to what is no primary key
		ByCode     *Hub    `gorm:"foreignKey:HubCode;references:Code;constraint:OnUpdate:CASCADE,OnDelete:SET NULL"`
		ParentID   *uint   // refers to itself
		Parent     *Spoke  `gorm:"constraint:OnDelete:CASCADE"`
		AxleA      *int
		AxleB      *int
		Axle       *Axle `gorm:"foreignKey:AxleA,AxleB;references:A,B;constraint:OnDelete:SET NULL"`
	}
	// Axle has a composite key.
	Axle struct {
		gormstratum.Tenant
		A int `gorm:"primaryKey;autoIncrement:false"`
		B int `gorm:"primaryKey;autoIncrement:false"`
	}
)

// wheels are a desk with a hub for each key, and spokes that refer to them, of two tenants.
type wheels struct {
	desk

	acme, bolt *gorm.DB
}

func newWheels(t *testing.T) wheels {
	t.Helper()
	d := newDesk(t, []any{&Hub{}, &Crown{}, &Spoke{}, &Axle{}})
	w := wheels{desk: d, acme: d.db.WithContext(d.tenant(t, "acme")), bolt: d.db.WithContext(d.tenant(t, "bolt"))}
	require.NoError(t, w.acme.Create(&[]Hub{{ID: 1, Code: "default"}, {ID: 2, Code: "x", Crown: &Crown{}}}).Error)
	require.NoError(t, w.bolt.Create(&[]Hub{{ID: 3, Code: "default"}, {ID: 4, Code: "x", Crown: &Crown{}}}).Error)
	return w
}

// spokes makes one of each tenant that refers by one column to hub 2 or 4.
func (w wheels) spokes(t *testing.T, column string) {
	t.Helper()
	for db, id := range map[*gorm.DB]uint{w.acme: 2, w.bolt: 4} {
		row := map[string]any{"id": 10 * id, "default_id": nil, column: id}
		if column == "hub_code" {
			row[column] = "x"
		}
		require.NoError(t, db.Model(&Spoke{}).Create(row).Error)
	}
}

func (w wheels) spoke(t *testing.T, id uint) (s Spoke, found bool) {
	t.Helper()
	tx := w.db.WithContext(asSystemContext(t)).Limit(1).Find(&s, id)
	require.NoError(t, tx.Error)
	return s, tx.RowsAffected == 1
}

// What is deleted takes along, lets go or is held by rows of its own tenant alone, which stay the tenant's.
func TestDeleteActions(t *testing.T) {
	t.Parallel()
	for column, check := range map[string]func(t *testing.T, err error, s Spoke, found bool){
		"cascade_id": func(t *testing.T, err error, _ Spoke, found bool) {
			t.Helper()
			require.NoError(t, err)
			require.False(t, found)
		},
		"null_id": func(t *testing.T, err error, s Spoke, found bool) {
			t.Helper()
			require.NoError(t, err)
			require.True(t, found)
			require.Nil(t, s.NullID)
		},
		"default_id": func(t *testing.T, err error, s Spoke, _ bool) {
			t.Helper()
			require.NoError(t, err)
			require.Equal(t, uint(1), *s.DefaultID)
		},
		"restrict_id": func(t *testing.T, err error, s Spoke, _ bool) {
			t.Helper()
			require.ErrorIs(t, err, core.ErrForeignKey)
			require.Equal(t, uint(2), *s.RestrictID)
		},
		"none_id": func(t *testing.T, err error, s Spoke, _ bool) {
			t.Helper()
			require.ErrorIs(t, err, core.ErrForeignKey)
			require.Equal(t, uint(2), *s.NoneID)
		},
		"hub_code": func(t *testing.T, err error, s Spoke, found bool) {
			t.Helper()
			require.NoError(t, err)
			require.True(t, found)
			require.Nil(t, s.HubCode)
		},
	} {
		t.Run(column, func(t *testing.T) {
			t.Parallel()
			w := newWheels(t)
			w.spokes(t, column)
			require.NoError(t, w.acme.Where("true").Delete(&Crown{}).Error)
			err := w.acme.Delete(&Hub{}, 2).Error
			s, found := w.spoke(t, 20)
			check(t, err, s, found)
			if found {
				tenant, _ := core.TenantFrom(w.acme.Statement.Context)
				require.Equal(t, tenant, s.TenantID)
			}
			other, found := w.spoke(t, 40)
			require.True(t, found)
			require.Equal(t, int64(1), w.value(t, "SELECT count(*) FROM spokes WHERE id = 40 AND ("+column+")::text IN ('4', 'x')"),
				"the other tenant's is as it was: %+v", other)
			require.Zero(t, w.acme.Delete(&Hub{}, 4).RowsAffected, "nor does a delete reach it")
		})
	}
}

// The default is a row of the tenant that has deleted, or it is refused: another tenant's row of that id is none.
func TestSetDefaultStaysInTheTenant(t *testing.T) {
	t.Parallel()
	w := newWheels(t)
	w.spokes(t, "default_id")
	require.NoError(t, w.bolt.Where("true").Delete(&Crown{}).Error)
	require.ErrorIs(t, w.bolt.Delete(&Hub{}, 4).Error, core.ErrForeignKey, "hub 1 is acme's")
	s, _ := w.spoke(t, 40)
	require.Equal(t, uint(4), *s.DefaultID)
}

// Composite keys let go of all their columns, and of no more.
func TestDeleteActionOfCompositeKeys(t *testing.T) {
	t.Parallel()
	w := newWheels(t)
	for db, part := range map[*gorm.DB]int{w.acme: 1, w.bolt: 2} {
		require.NoError(t, db.Create(&Axle{A: part, B: 7}).Error)
		require.NoError(t, db.Model(&Spoke{}).Create(map[string]any{
			"id": part, "default_id": nil, "axle_a": part, "axle_b": 7,
		}).Error)
	}
	require.NoError(t, w.acme.Where("b = 7").Delete(&Axle{}).Error)
	own, _ := w.spoke(t, 1)
	require.Nil(t, own.AxleA)
	require.Nil(t, own.AxleB)
	other, _ := w.spoke(t, 2)
	require.Equal(t, 2, *other.AxleA)
	require.Equal(t, 7, *other.AxleB)
}

// What refers to itself goes with its own tenant's.
func TestSelfReferences(t *testing.T) {
	t.Parallel()
	w := newWheels(t)
	for db, id := range map[*gorm.DB]uint{w.acme: 100, w.bolt: 200} {
		child := id + 1
		for _, row := range []map[string]any{
			{"id": id, "default_id": nil},
			{"id": child, "default_id": nil, "parent_id": id},
			{"id": id + 2, "default_id": nil, "parent_id": child},
		} {
			require.NoError(t, db.Model(&Spoke{}).Create(row).Error)
		}
	}
	foreign := uint(200)
	require.ErrorIs(t, w.acme.Model(&Spoke{}).Create(map[string]any{"default_id": nil, "parent_id": foreign}).Error, core.ErrForeignKey)
	require.NoError(t, w.acme.Delete(&Spoke{}, 100).Error)
	require.Zero(t, w.value(t, "SELECT count(*) FROM spokes WHERE id BETWEEN 100 AND 102"))
	require.Equal(t, int64(3), w.value(t, "SELECT count(*) FROM spokes WHERE id BETWEEN 200 AND 202"))
}

// A key that changes is followed within the tenant.
func TestUpdateActions(t *testing.T) {
	t.Parallel()
	for column, statement := range map[string]string{
		"cascade_id": "UPDATE hubs SET id = id + 50", "null_id": "UPDATE hubs SET id = id + 50",
		"hub_code": "UPDATE hubs SET code = code || '0'",
	} {
		w := newWheels(t)
		w.spokes(t, column)
		require.NoError(t, w.acme.Where("true").Delete(&Crown{}).Error)
		require.NoError(t, w.acme.Exec(statement).Error)
		require.Equal(t, int64(1), w.value(t, "SELECT count(*) FROM spokes WHERE id = 20 AND ("+column+")::text IN ('52', 'x0')"))
		require.Equal(t, int64(1), w.value(t, "SELECT count(*) FROM spokes WHERE id = 40 AND ("+column+")::text IN ('4', 'x')"))
	}
	w := newWheels(t)
	w.spokes(t, "none_id")
	require.NoError(t, w.acme.Where("true").Delete(&Crown{}).Error)
	require.ErrorIs(t, w.acme.Exec("UPDATE hubs SET id = id + 50 WHERE id = 2").Error, core.ErrForeignKey)
}

// No key refers to another tenant's row, whatever it refers to it by.
func TestReferencesAcrossTenants(t *testing.T) {
	t.Parallel()
	w := newWheels(t)
	require.NoError(t, w.bolt.Create(&Axle{A: 1, B: 1}).Error)
	require.NoError(t, w.bolt.Model(&Hub{}).Where("id = 4").Update("code", "only bolt's").Error)
	for column, value := range map[string]any{
		"cascade_id": 4, "null_id": 4, "default_id": 4, "restrict_id": 4, "none_id": 4, "hub_code": "only bolt's", "axle_a": 1,
	} {
		row := map[string]any{"default_id": nil, column: value}
		if column == "axle_a" {
			row["axle_b"] = 1
		}
		err := w.acme.Model(&Spoke{}).Create(row).Error
		require.ErrorIs(t, err, core.ErrForeignKey, column)
		require.NotContains(t, err.Error(), "only bolt's", column)
	}
	require.ErrorIs(t, w.acme.Create(&Crown{HubID: 4}).Error, core.ErrForeignKey)
	require.ErrorIs(t, w.db.WithContext(asSystemContext(t)).Exec("UPDATE hubs SET tenant_id = ? WHERE id = 4",
		uuid.New()).Error, core.ErrForeignKey, "what is referred to stays where it is")
}

// The constraints have GORM's names, and the actions of their tags on the columns of the model alone.
func TestConstraintsOfActions(t *testing.T) {
	t.Parallel()
	w := newWheels(t)
	found := w.constraints(t, "spokes")
	for name, want := range map[string]string{
		"fk_spokes_cascade":  "(tenant_id, cascade_id) REFERENCES hubs(tenant_id, id) ON UPDATE CASCADE ON DELETE CASCADE",
		"fk_spokes_null":     "(tenant_id, null_id) REFERENCES hubs(tenant_id, id) ON UPDATE CASCADE ON DELETE SET NULL (null_id)",
		"fk_spokes_default":  "(tenant_id, default_id) REFERENCES hubs(tenant_id, id) ON DELETE SET DEFAULT (default_id)",
		"fk_spokes_restrict": "(tenant_id, restrict_id) REFERENCES hubs(tenant_id, id) ON DELETE RESTRICT",
		"fk_spokes_none":     "(tenant_id, none_id) REFERENCES hubs(tenant_id, id)",
		"fk_spokes_by_code":  "(tenant_id, hub_code) REFERENCES hubs(tenant_id, code) ON UPDATE CASCADE ON DELETE SET NULL (hub_code)",
		"fk_spokes_parent":   "(tenant_id, parent_id) REFERENCES spokes(tenant_id, id) ON DELETE CASCADE",
		"fk_spokes_axle":     "(tenant_id, axle_a, axle_b) REFERENCES axles(tenant_id, a, b) ON DELETE SET NULL (axle_a, axle_b)",
	} {
		require.Equal(t, "FOREIGN KEY "+want, found[name], name)
	}
	require.Equal(t, "FOREIGN KEY (tenant_id, hub_id) REFERENCES hubs(tenant_id, id)",
		w.constraints(t, "crowns")["fk_hubs_crown"])
	w.logDDL(t)
	w.settled(t, func() error { return migrate(t.Context(), w.db, uuid.Nil) })
}
