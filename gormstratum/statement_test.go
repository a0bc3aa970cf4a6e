package gormstratum_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/core"
)

// Statements that GORM lets an application use again keep what they had.
func TestStatementsUsedAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskModels())
	acme, bolt := d.tenant(t, "acme"), d.tenant(t, "bolt")
	for _, ctx := range []context.Context{acme, bolt} {
		require.NoError(t, d.db.WithContext(ctx).Create(&[]Ticket{{Number: "T-1"}, {Number: "T-2"}, {Number: "T-3"}}).Error)
	}
	db := d.db.WithContext(acme)
	var count int64
	var found []Ticket

	query := db.Model(&Ticket{}).Where("number = 'T-1'")
	require.NoError(t, query.Count(&count).Error)
	require.NoError(t, query.Or("number = 'T-2'").Find(&found).Error)
	require.Len(t, found, 2)
	require.NoError(t, query.Or("1 = 1").Count(&count).Error)
	require.Equal(t, int64(3), count)

	var batches []int
	require.NoError(t, db.Where("number <> 'x' OR 1 = 1").FindInBatches(&found, 2, func(tx *gorm.DB, _ int) error {
		batches = append(batches, len(found))
		return tx.Save(&found).Error
	}).Error)
	require.Equal(t, []int{2, 1}, batches)

	// The WHERE that the predicate was written into does not stand for a condition.
	all := db.Model(&Ticket{})
	require.NoError(t, all.Count(&count).Error)
	require.ErrorIs(t, all.Delete(&Ticket{}).Error, gorm.ErrMissingWhereClause)
	all = db.Model(&Ticket{})
	require.NoError(t, all.Find(&found).Error)
	require.ErrorIs(t, all.Update("title", "x").Error, gorm.ErrMissingWhereClause)
	require.Equal(t, int64(6), d.value(t, "SELECT count(*) FROM tickets WHERE coalesce(title, '') <> 'x'"))
}

func TestMissingWhere(t *testing.T) {
	t.Parallel()
	d := newDesk(t, append(deskModels(), &Task{}))
	acme, bolt := d.tenant(t, "acme"), d.tenant(t, "bolt")
	for _, ctx := range []context.Context{acme, bolt} {
		require.NoError(t, d.db.WithContext(ctx).Create(&[]Ticket{{Number: "T-1"}, {Number: "T-2"}}).Error)
		require.NoError(t, d.db.WithContext(ctx).Create(&[]Task{{Name: "a"}, {Name: "b"}}).Error)
	}
	db := d.db.WithContext(acme)
	tenant, _ := core.TenantFrom(acme)
	require.ErrorIs(t, db.Delete(&Ticket{}).Error, gorm.ErrMissingWhereClause)
	require.ErrorIs(t, db.Delete(&Task{}).Error, gorm.ErrMissingWhereClause)
	require.ErrorIs(t, db.Model(&Ticket{}).Update("title", "x").Error, gorm.ErrMissingWhereClause)
	require.ErrorIs(t, db.Model(&Task{}).Updates(map[string]any{"name": "x"}).Error, gorm.ErrMissingWhereClause)

	every := db.Session(&gorm.Session{AllowGlobalUpdate: true})
	require.Equal(t, int64(2), every.Model(&Ticket{}).Update("title", "mine").RowsAffected)
	require.Equal(t, int64(2), every.Delete(&Task{}).RowsAffected)
	require.Equal(t, int64(2), d.value(t, "SELECT count(*) FROM tasks WHERE deleted_at IS NOT NULL AND tenant_id = $1", tenant))
	require.Equal(t, int64(2), d.value(t, "SELECT count(*) FROM tasks WHERE deleted_at IS NULL"))
	require.Equal(t, int64(2), every.Unscoped().Delete(&Task{}).RowsAffected)
	require.Equal(t, int64(2), every.Delete(&Ticket{}).RowsAffected)
	require.Zero(t, d.count(t, "tickets", tenant))
	require.Equal(t, int64(2), d.value(t, "SELECT count(*) FROM tickets WHERE title IS DISTINCT FROM 'mine'"))
}

// Sub-queries are mostly made from a db without a context. They belong to the statement around them.
func TestSubqueries(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskModels())
	acme, bolt := d.tenant(t, "acme"), d.tenant(t, "bolt")
	for _, ctx := range []context.Context{acme, bolt} {
		require.NoError(t, d.db.WithContext(ctx).Create(&Ticket{
			Number: "T-1", Title: "one", Comments: []Comment{{Body: "a"}, {Body: "b"}},
		}).Error)
	}
	bare, db := d.db, d.db.WithContext(acme)
	var tickets []Ticket
	commented := bare.Model(&Comment{}).Select("ticket_id")
	require.NoError(t, db.Find(&tickets, "id IN (?)", commented).Error)
	require.Len(t, tickets, 1)

	var n int64
	require.NoError(t, db.Table("(?) AS c", bare.Model(&Comment{})).Count(&n).Error)
	require.Equal(t, int64(2), n)
	var counts []int64
	require.NoError(t, db.Model(&Ticket{}).
		Select("(?) AS n", bare.Table("comments").Select("count(*)")).Pluck("n", &counts).Error)
	require.Equal(t, []int64{2}, counts)
	require.NoError(t, db.Model(&Comment{}).Select("ticket_id").Group("ticket_id").
		Having("count(*) = (?)", bare.Model(&Comment{}).Select("count(*)")).Find(&[]Comment{}).Error)
	result := db.Model(&Ticket{}).Where("true").Update("title", bare.Model(&Comment{}).Select("max(body)"))
	require.NoError(t, result.Error)
	require.Equal(t, int64(1), result.RowsAffected)
	require.NoError(t, db.First(&tickets, "title = 'b'").Error)
	require.NoError(t, db.Delete(&Comment{}, "ticket_id IN (?)", bare.Model(&Ticket{}).Select("id")).Error)
	require.Equal(t, int64(2), d.value(t, "SELECT count(*) FROM comments"))
	require.ErrorIs(t, bare.Find(&tickets, "id IN (?)", db.Model(&Comment{}).Select("ticket_id")).Error, core.ErrNoTenant)
}

// TestReadings reads in the ways that return rows in another form than a slice of the model.
func TestReadings(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskModels())
	acme, bolt := d.tenant(t, "acme"), d.tenant(t, "bolt")
	for title, ctx := range map[string]context.Context{"acme's": acme, "bolt's": bolt} {
		require.NoError(t, d.db.WithContext(ctx).Create(&Ticket{
			Number: "T-1", Title: title, Comments: []Comment{{Body: title}}, Tags: []Tag{{Name: "vip", Title: title}},
		}).Error)
	}
	db := d.db.WithContext(acme)
	var titles []string
	require.NoError(t, db.Model(&Ticket{}).Pluck("title", &titles).Error)
	require.Equal(t, []string{"acme's"}, titles)
	var title string
	require.NoError(t, db.Model(&Ticket{}).Select("title").Row().Scan(&title))
	require.Equal(t, "acme's", title)
	require.NoError(t, db.Model(&Ticket{}).Select("max(title)").Scan(&title).Error)
	require.Equal(t, "acme's", title)

	rows, err := db.Model(&Ticket{}).Rows()
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var ticket Ticket
		require.NoError(t, db.ScanRows(rows, &ticket))
		require.Equal(t, "acme's", ticket.Title)
	}
	require.NoError(t, rows.Err())

	var ticket Ticket
	require.NoError(t, db.Preload("Comments", "body <> ? OR 1 = 1", "x").
		Preload("Tags", func(tx *gorm.DB) *gorm.DB { return tx.Where("1 = 0").Or("1 = 1") }).Take(&ticket).Error)
	require.Len(t, ticket.Comments, 1)
	require.Len(t, ticket.Tags, 1)
	require.NoError(t, db.Preload(clause.Associations).Last(&ticket).Error)
	var comments []Comment
	require.NoError(t, db.InnerJoins("Ticket", db.Where("1 = 0").Or("1 = 1")).Find(&comments).Error)
	require.Len(t, comments, 1)
	require.Equal(t, "acme's", comments[0].Ticket.Title)
	found, err := gorm.G[Comment](d.db).Joins(clause.Has("Ticket"), func(on gorm.JoinBuilder, _, _ clause.Table) error {
		on.Where("1 = 0 OR 1 = 1")
		return nil
	}).Find(acme)
	require.NoError(t, err)
	require.Len(t, found, 1)
}

// What a caller does to the names of the columns is the caller's: GORM's MapColumns writes to them.
func TestColumnNamesAreTheCallersOwn(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskModels())
	db := d.db.WithContext(d.tenant(t, "acme"))
	require.NoError(t, db.Create(&Ticket{Number: "T-1", Title: "printer"}).Error)
	for range 2 {
		var mapped []struct{ Text string }
		require.NoError(t, db.Model(&Ticket{}).Select("*").MapColumns(map[string]string{"title": "text"}).Scan(&mapped).Error)
		require.Equal(t, "printer", mapped[0].Text)
		var tickets []Ticket
		require.NoError(t, db.Select("*").Find(&tickets).Error)
		require.Equal(t, "printer", tickets[0].Title)
	}
}
