package gormstratum_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

func plainDialector(dsn string) gorm.Dialector { return postgres.Open(dsn) }

// feud is a desk with two tenants, where one tries to get at the other's rows.
type feud struct {
	desk

	db     *gorm.DB // of acme, which attacks
	acme   uuid.UUID
	bolt   uuid.UUID
	mine   Ticket
	theirs Ticket
	tag    Tag // bolt's
}

func newFeud(t *testing.T, configure ...func(*gorm.Config)) feud {
	t.Helper()
	f := feud{desk: newDesk(t, deskModels(), configure...)}
	acme, bolt := f.tenant(t, "acme"), f.tenant(t, "bolt")
	f.acme, _ = core.TenantFrom(acme)
	f.bolt, _ = core.TenantFrom(bolt)
	f.db = f.desk.db.WithContext(acme)
	f.mine, f.theirs, f.tag = Ticket{Number: "T-1", Title: "mine"}, Ticket{Number: "T-1", Title: "theirs"}, Tag{Name: "vip"}
	require.NoError(t, f.db.Create(&f.mine).Error)
	require.NoError(t, f.desk.db.WithContext(bolt).Create(&f.theirs).Error)
	require.NoError(t, f.desk.db.WithContext(bolt).Create(&f.tag).Error)
	return f
}

// unharmed holds that nothing of the other tenant's has changed, and nothing is linked to it.
func (f feud) unharmed(t *testing.T) {
	t.Helper()
	require.Equal(t, int64(1), f.value(t, "SELECT count(*) FROM tickets WHERE tenant_id = $1 AND title = 'theirs'", f.bolt))
	require.Equal(t, int64(2), f.value(t, "SELECT count(*) FROM tickets"))
	require.Zero(t, f.value(t, "SELECT count(*) FROM comments"))
	require.Zero(t, f.value(t, "SELECT count(*) FROM ticket_tags"))
}

func foreignKey(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, core.ErrForeignKey)
}

func TestReferenceToAnotherTenant(t *testing.T) {
	t.Parallel()
	f := newFeud(t)
	foreignKey(t, f.db.Create(&Comment{TicketID: f.theirs.ID, Body: "x"}).Error)
	foreignKey(t, f.db.Table("comments").Create(map[string]any{"ticket_id": f.theirs.ID}).Error)
	foreignKey(t, f.db.Omit("Tags.*").Model(&f.mine).Association("Tags").Append(&Tag{ID: f.tag.ID}))
	foreignKey(t, f.db.Exec("INSERT INTO ticket_tags (ticket_id, tag_id) VALUES (?, ?)", f.mine.ID, f.tag.ID).Error)
	foreignKey(t, f.desk.db.WithContext(asSystemContext(t)).
		Create(&Comment{Tenant: gormstratum.Tenant{TenantID: f.acme}, TicketID: f.theirs.ID}).Error)
	require.Error(t, f.db.Model(&f.theirs).Association("Comments").Append(&Comment{Body: "x"}))
	f.unharmed(t)
}

func TestRowsDoNotChangeTenant(t *testing.T) {
	t.Parallel()
	f := newFeud(t)
	given := f.mine
	given.TenantID = f.bolt
	for name, err := range map[string]error{
		"Save":          f.db.Save(&given).Error,
		"Updates":       f.db.Model(&f.mine).Updates(Ticket{Tenant: gormstratum.Tenant{TenantID: f.bolt}}).Error,
		"Updates a map": f.db.Model(&Ticket{ID: f.mine.ID}).Updates(map[string]any{"tenant_id": f.bolt}).Error,
		"Update":        f.db.Model(&Ticket{ID: f.mine.ID}).Update("TenantID", f.bolt).Error,
		"UpdateColumn":  f.db.Model(&Ticket{ID: f.mine.ID}).UpdateColumn("tenant_id", f.bolt).Error,
		"Exec":          f.db.Exec("UPDATE tickets SET tenant_id = ?", f.bolt).Error,
	} {
		require.ErrorIs(t, err, core.ErrCrossTenant, name)
		require.NotContains(t, err.Error(), f.bolt.String(), name)
	}
	own := f.mine
	own.TenantID, own.Title = f.acme, "mine"
	require.NoError(t, f.db.Save(&own).Error, "the same value is legal")
	f.unharmed(t)
}

// An upsert that hits another tenant's row says no more than that the key is taken.
func TestUpsertOnAnotherTenant(t *testing.T) {
	t.Parallel()
	f := newFeud(t)
	taken := func() *Ticket { return &Ticket{ID: f.theirs.ID, Number: "T-9", Title: "stolen"} }
	byKey := []clause.Column{{Name: "id"}}
	for name, err := range map[string]error{
		"Create":      f.db.Create(taken()).Error,
		"Save":        f.db.Save(taken()).Error,
		"UpdateAll":   f.db.Clauses(clause.OnConflict{UpdateAll: true}).Create(taken()).Error,
		"DoUpdates":   f.db.Clauses(clause.OnConflict{Columns: byKey, DoUpdates: clause.AssignmentColumns([]string{"title"})}).Create(taken()).Error,
		"association": f.db.Session(&gorm.Session{FullSaveAssociations: true}).Create(&Comment{Ticket: taken()}).Error,
	} {
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), f.bolt.String(), name)
		require.NotContains(t, err.Error(), "theirs", name)
	}
	result := f.db.Model(taken()).Updates(map[string]any{"title": "stolen"})
	require.NoError(t, result.Error)
	require.Zero(t, result.RowsAffected)
	require.Zero(t, f.db.Delete(&Ticket{ID: f.theirs.ID}).RowsAffected)
	require.ErrorIs(t, f.db.First(&Ticket{}, "id = ?", f.theirs.ID).Error, gorm.ErrRecordNotFound)
	f.unharmed(t)
}

func TestTranslatedErrors(t *testing.T) {
	t.Parallel()
	f := newFeud(t, func(c *gorm.Config) { c.TranslateError = true })
	err := f.db.Create(&Ticket{Number: "T-1"}).Error
	require.ErrorIs(t, err, gorm.ErrDuplicatedKey)
	require.ErrorIs(t, err, core.ErrDuplicateKey)
	err = f.db.Create(&Comment{TicketID: f.theirs.ID}).Error
	require.ErrorIs(t, err, gorm.ErrForeignKeyViolated)
	require.ErrorIs(t, err, core.ErrForeignKey, "Stratum's own is underneath")
	require.NotContains(t, err.Error(), f.theirs.ID.String())
	require.ErrorIs(t, f.desk.db.Create(&Ticket{Number: "T-2"}).Error, core.ErrNoTenant)
	require.ErrorIs(t, f.db.Create(&Ticket{Tenant: gormstratum.Tenant{TenantID: f.bolt}}).Error, gormstratum.ErrTenantID)
	require.ErrorIs(t, f.db.Model(&f.mine).Update("tenant_id", f.bolt).Error, core.ErrCrossTenant)

	plain := newFeud(t)
	err = plain.db.Create(&Ticket{Number: "T-1"}).Error
	require.ErrorIs(t, err, core.ErrDuplicateKey)
	require.NotErrorIs(t, err, gorm.ErrDuplicatedKey)
}

// A transaction belongs to the tenant that began it, whatever context its statements have.
func TestTransactionsKeepTheirTenant(t *testing.T) {
	t.Parallel()
	f := newFeud(t)
	bolt := core.WithTenant(t.Context(), f.bolt)
	require.NoError(t, f.db.Transaction(func(tx *gorm.DB) error {
		require.ErrorIs(t, tx.WithContext(bolt).Find(&[]Ticket{}).Error, core.ErrTenantMismatch)
		require.ErrorIs(t, tx.WithContext(bolt).Create(&Ticket{Number: "T-2"}).Error, core.ErrTenantMismatch)
		require.ErrorIs(t, tx.WithContext(t.Context()).Find(&[]Ticket{}).Error, core.ErrNoTenant)
		var found []Ticket
		require.NoError(t, tx.Find(&found).Error)
		require.Len(t, found, 1)
		return nil
	}))
	require.ErrorIs(t, f.desk.db.WithContext(context.WithoutCancel(t.Context())).Begin().Error, core.ErrNoTenant)
	f.unharmed(t)
}

// A subtree's reads see the descendants; its writes do not.
func TestSubtree(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskModels())
	parent, err := d.st.Tenants.Create(t.Context(), core.NewTenant{Name: "msp", Slug: "msp"})
	require.NoError(t, err)
	child, err := d.st.Tenants.Create(t.Context(), core.NewTenant{Name: "acme", Slug: "acme", Parent: parent.ID})
	require.NoError(t, err)
	asChild, subtree := core.WithTenant(t.Context(), child.ID), core.WithSubtree(t.Context(), parent.ID)
	require.NoError(t, d.db.WithContext(asChild).Create(&Ticket{Number: "T-1", Title: "child's"}).Error)
	db := d.db.WithContext(subtree)
	require.NoError(t, db.Create(&Ticket{Number: "T-1", Title: "parent's"}).Error)

	var tickets []Ticket
	require.NoError(t, db.Order("title").Find(&tickets).Error)
	require.Len(t, tickets, 2)
	result := db.Session(&gorm.Session{AllowGlobalUpdate: true}).Model(&Ticket{}).Update("status", "seen")
	require.NoError(t, result.Error)
	require.Equal(t, int64(1), result.RowsAffected)
	require.Zero(t, db.Delete(&tickets[0]).RowsAffected)
	require.ErrorIs(t, db.Create(&Ticket{Tenant: gormstratum.Tenant{TenantID: child.ID}}).Error, gormstratum.ErrTenantID)
}
