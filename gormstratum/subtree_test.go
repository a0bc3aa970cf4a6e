package gormstratum_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// family is a parent with a child, beside a stranger. Each has a ticket with a comment.
type family struct {
	desk

	db     *gorm.DB // the parent's
	parent uuid.UUID
	child  uuid.UUID
}

func newFamily(t *testing.T) family {
	t.Helper()
	f := family{desk: newDesk(t, deskModels())}
	add := func(slug string, parent uuid.UUID) uuid.UUID {
		tenant, err := f.st.Tenants.Create(t.Context(), core.NewTenant{Name: slug, Slug: slug, Parent: parent})
		require.NoError(t, err)
		require.NoError(t, f.desk.db.WithContext(core.WithTenant(t.Context(), tenant.ID)).Create(&Ticket{
			Number: "T-1", Title: slug, Comments: []Comment{{Body: slug}},
		}).Error)
		return tenant.ID
	}
	f.parent = add("msp", uuid.Nil)
	f.child = add("acme", f.parent)
	add("stranger", uuid.Nil)
	f.db = f.desk.db.WithContext(core.WithTenant(t.Context(), f.parent))
	return f
}

func TestSubtreeReads(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	for name, db := range map[string]*gorm.DB{
		"function": gormstratum.Subtree(f.db),
		"scope":    f.db.Scopes(gormstratum.Subtree).Session(&gorm.Session{}),
		"twice":    gormstratum.Subtree(gormstratum.Subtree(f.db)),
	} {
		var tickets []Ticket
		require.NoError(t, db.Preload("Comments").Order("title").Find(&tickets).Error, name)
		require.Len(t, tickets, 2, name)
		require.Equal(t, "acme", tickets[0].Title, name)
		require.Len(t, tickets[0].Comments, 1, name)
		var n int64
		require.NoError(t, db.Model(&Ticket{}).Count(&n).Error, name)
		require.Equal(t, int64(2), n, name)
		require.NoError(t, db.Model(&Ticket{}).Select("max(title)").Row().Scan(new(string)), name)
		require.NoError(t, db.Joins("Ticket").Find(&[]Comment{}, "comments.ticket_id IN (?)",
			f.desk.db.Model(&Ticket{}).Select("id")).Error, name)
		require.NoError(t, db.Clauses(clause.Locking{Strength: "UPDATE"}).Find(&tickets).Error, name)
		require.Len(t, tickets, 1, name)
	}
	var own []Ticket
	require.NoError(t, f.db.Find(&own).Error)
	require.Len(t, own, 1, "the db that was widened is as it was")
	require.NoError(t, gormstratum.Subtree(f.db).Transaction(func(tx *gorm.DB) error {
		require.NoError(t, tx.Find(&own).Error)
		require.Len(t, own, 2)
		return nil
	}))
}

// A change as a subtree has the predicate of the tenant itself, and the policies behind it.
func TestSubtreeWrites(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	db := gormstratum.Subtree(f.db)
	every := db.Session(&gorm.Session{AllowGlobalUpdate: true})
	own := core.WithSubtree(t.Context(), f.parent)
	require.Contains(t, sqlOf(own, f.desk.db, func(tx *gorm.DB) *gorm.DB {
		return tx.Model(&Ticket{}).Where("a = 1\nOR b = 2").Update("title", "x")
	}), `WHERE "tickets"."tenant_id" = $2 AND (a = 1`)
	require.Contains(t, sqlOf(own, f.desk.db, func(tx *gorm.DB) *gorm.DB { return tx.Delete(&Ticket{}, "a = 1") }),
		`WHERE "tickets"."tenant_id" = $1 AND (a = 1)`)

	require.Equal(t, int64(1), every.Model(&Ticket{}).Update("status", "seen").RowsAffected)
	require.Equal(t, int64(1), every.Delete(&Comment{}).RowsAffected)
	require.ErrorIs(t, db.Create(&Ticket{Tenant: gormstratum.Tenant{TenantID: f.child}}).Error, gormstratum.ErrTenantID)
	require.NoError(t, db.Create(&Ticket{Number: "T-2", Title: "msp"}).Error)
	var theirs Ticket
	require.NoError(t, db.First(&theirs, "title = 'acme'").Error)
	theirs.Title = "taken"
	require.Error(t, db.Save(&theirs).Error, "GORM would insert what it could not update")
	for _, conflict := range []clause.OnConflict{
		{DoNothing: true}, {Columns: columns("id"), DoNothing: true}, {UpdateAll: true},
	} {
		mine := Ticket{ID: theirs.ID, Number: "T-3"}
		require.Error(t, db.Clauses(conflict).Create(&mine).Error, "a row that is seen is not one's own")
	}
	require.Equal(t, int64(1), f.value(t, "SELECT count(*) FROM tickets WHERE tenant_id = $1 AND title = 'acme'", f.child))
	require.Equal(t, int64(2), f.count(t, "tickets", f.parent))
}

func TestSubtreeRefused(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	require.ErrorIs(t, gormstratum.Subtree(f.desk.db).Find(&[]Ticket{}).Error, core.ErrNoTenant)
	require.ErrorIs(t, gormstratum.Subtree(f.desk.db.WithContext(asSystemContext(t))).Find(&[]Ticket{}).Error, core.ErrNoTenant)
	require.NoError(t, f.db.Transaction(func(tx *gorm.DB) error {
		require.ErrorIs(t, gormstratum.Subtree(tx).Find(&[]Ticket{}).Error, core.ErrTenantMismatch)
		return nil
	}))
}
