package gormstratum_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// Task is a model with a soft delete, and a tree.
type Task struct {
	gormstratum.Tenant
	gorm.Model
	Name     string
	Done     bool
	ParentID *uint
	Parent   *Task
	Children []Task `gorm:"foreignKey:ParentID"`
}

// archived is a model in a schema of its own.
type archived struct {
	gormstratum.Tenant
	ID   uint
	Note string
}

func (archived) TableName() string { return "archive.notes" }

// The predicates are text: they are there before any table is.
func newText(t *testing.T) (*gorm.DB, context.Context) {
	t.Helper()
	d := newEmpty(t)
	db := openDiscreet(t, d)
	require.NoError(t, db.Use(gormstratum.New(d.st, gormstratum.Options{
		Models: append(deskModels(), &Task{}, &archived{}),
	})))
	return db, core.WithTenant(t.Context(), uuid.New())
}

func TestPredicates(t *testing.T) {
	t.Parallel()
	db, ctx := newText(t)
	var (
		tickets  []Ticket
		comments []Comment
		rows     []map[string]any
	)
	for name, test := range map[string]struct {
		build func(*gorm.DB) *gorm.DB
		text  string
	}{
		"no condition": {
			func(tx *gorm.DB) *gorm.DB { return tx.Find(&tickets) },
			`SELECT * FROM "tickets" WHERE "tickets"."tenant_id" = $1`,
		},
		"one": {
			func(tx *gorm.DB) *gorm.DB { return tx.Find(&tickets, "title = ?", "x") },
			`SELECT * FROM "tickets" WHERE "tickets"."tenant_id" = $1 AND (title = $2)`,
		},
		"Or": {
			func(tx *gorm.DB) *gorm.DB { return tx.Where("a = 1").Or("b = 2").Find(&tickets) },
			`SELECT * FROM "tickets" WHERE "tickets"."tenant_id" = $1 AND (a = 1 OR b = 2)`,
		},
		"Or first": {
			func(tx *gorm.DB) *gorm.DB { return tx.Or("a = 1").Or("b = 2").Find(&tickets) },
			`SELECT * FROM "tickets" WHERE "tickets"."tenant_id" = $1 AND (a = 1 OR b = 2)`,
		},
		"Or in a line of its own": {
			func(tx *gorm.DB) *gorm.DB { return tx.Where("a = 1\nOR\tb = 2").Find(&tickets) },
			"SELECT * FROM \"tickets\" WHERE \"tickets\".\"tenant_id\" = $1 AND (a = 1\nOR\tb = 2)",
		},
		"Not": {
			func(tx *gorm.DB) *gorm.DB { return tx.Not("a = 1 OR b = 2").Find(&tickets) },
			`SELECT * FROM "tickets" WHERE "tickets"."tenant_id" = $1 AND (NOT (a = 1 OR b = 2))`,
		},
		"group": {
			func(tx *gorm.DB) *gorm.DB {
				return tx.Where(db.Where("a = 1").Or("b = 2")).Or(db.Where("c = 3")).Find(&tickets)
			},
			`SELECT * FROM "tickets" WHERE "tickets"."tenant_id" = $1 AND ((a = 1 OR b = 2) OR c = 3)`,
		},
		"clause": {
			func(tx *gorm.DB) *gorm.DB {
				return tx.Clauses(clause.Where{Exprs: []clause.Expression{clause.Or(clause.Eq{Column: "a", Value: 1},
					clause.Eq{Column: "b", Value: 2})}}).Find(&tickets)
			},
			`SELECT * FROM "tickets" WHERE "tickets"."tenant_id" = $1 AND (("a" = $2 OR "b" = $3))`,
		},
		"Unscoped": {
			func(tx *gorm.DB) *gorm.DB { return tx.Unscoped().Find(&[]Task{}, "name = 'x'") },
			`SELECT * FROM "tasks" WHERE "tasks"."tenant_id" = $1 AND (name = 'x')`,
		},
		"soft delete": {
			func(tx *gorm.DB) *gorm.DB { return tx.Where("name = 'x'").Or("name = 'y'").Find(&[]Task{}) },
			`SELECT * FROM "tasks" WHERE "tasks"."tenant_id" = $1 AND ((name = 'x' OR name = 'y') AND ` +
				`"tasks"."deleted_at" IS NULL)`,
		},
		"another type": {
			func(tx *gorm.DB) *gorm.DB { return tx.Model(&Ticket{}).Find(&[]struct{ Title string }{}) },
			`SELECT "tickets"."title" FROM "tickets" WHERE "tickets"."tenant_id" = $1`,
		},
		"Table": {
			func(tx *gorm.DB) *gorm.DB { return tx.Table("tickets").Find(&rows) },
			`SELECT * FROM "tickets" WHERE "tickets"."tenant_id" = $1`,
		},
		"alias": {
			func(tx *gorm.DB) *gorm.DB { return tx.Table("tickets AS t").Find(&rows) },
			`SELECT * FROM tickets AS t WHERE "t"."tenant_id" = $1`,
		},
		"short alias": {
			func(tx *gorm.DB) *gorm.DB { return tx.Table(`tickets t`).Find(&rows) },
			`SELECT * FROM tickets t WHERE "t"."tenant_id" = $1`,
		},
		"qualified": {
			func(tx *gorm.DB) *gorm.DB { return tx.Table("public.tickets").Find(&rows) },
			`SELECT * FROM "public"."tickets" WHERE "tickets"."tenant_id" = $1`,
		},
		"qualified model": {
			func(tx *gorm.DB) *gorm.DB { return tx.Find(&[]archived{}) },
			`SELECT * FROM "archive"."notes" WHERE "notes"."tenant_id" = $1`,
		},
		"model without its schema": {
			func(tx *gorm.DB) *gorm.DB { return tx.Table("notes").Find(&rows) },
			`SELECT * FROM "notes" WHERE "notes"."tenant_id" = $1`,
		},
		"sub-query as a table": {
			func(tx *gorm.DB) *gorm.DB { return tx.Table("(?) AS x", db.Model(&Ticket{})).Find(&rows) },
			`SELECT * FROM (SELECT * FROM "tickets") AS x`,
		},
		"sub-query with ctx": {
			func(tx *gorm.DB) *gorm.DB {
				return tx.Find(&tickets, "id IN (?)", db.WithContext(ctx).Model(&Comment{}).Select("ticket_id"))
			},
			`SELECT * FROM "tickets" WHERE "tickets"."tenant_id" = $1 AND (id IN (SELECT "ticket_id" FROM "comments" ` +
				`WHERE "comments"."tenant_id" = $2))`,
		},
		"two tables": {
			func(tx *gorm.DB) *gorm.DB { return tx.Table("tickets, comments").Find(&rows) },
			`SELECT * FROM tickets, comments`,
		},
		"global table": {
			func(tx *gorm.DB) *gorm.DB { return tx.Find(&[]Country{}) },
			`SELECT * FROM "countries"`,
		},
		"join": {
			func(tx *gorm.DB) *gorm.DB { return tx.Select("comments.id").Joins("Ticket").Find(&comments) },
			`SELECT comments.id,` + ticketColumns("Ticket") + ` FROM "comments" LEFT JOIN "tickets" "Ticket" ON ` +
				`"Ticket"."tenant_id" = $1 AND ("comments"."ticket_id" = "Ticket"."id") WHERE "comments"."tenant_id" = $2`,
		},
		"join with conditions": {
			func(tx *gorm.DB) *gorm.DB {
				return tx.Select("comments.id").Joins("Ticket", db.Where("x = ?", 1).Or("y\nOR\nz")).Find(&comments)
			},
			`SELECT comments.id,` + ticketColumns("Ticket") + ` FROM "comments" LEFT JOIN "tickets" "Ticket" ON ` +
				`"Ticket"."tenant_id" = $1 AND ("comments"."ticket_id" = "Ticket"."id" AND (x = $2 OR y` + "\nOR\n" + `z)) ` +
				`WHERE "comments"."tenant_id" = $3`,
		},
		"nested join": {
			func(tx *gorm.DB) *gorm.DB {
				return tx.Model(&Task{}).Select("tasks.id").Joins("Parent.Parent").Omit("x").Find(&rows)
			},
			`LEFT JOIN "tasks" "Parent__Parent" ON "Parent__Parent"."tenant_id" = $2 AND ("Parent"."parent_id" = ` +
				`"Parent__Parent"."id" AND "Parent__Parent"."deleted_at" IS NULL) WHERE "tasks"."tenant_id" = $3 ` +
				`AND ("tasks"."deleted_at" IS NULL)`,
		},
		"join as SQL": {
			func(tx *gorm.DB) *gorm.DB {
				return tx.Select("1").Joins("JOIN tickets t ON t.id = comments.ticket_id").Find(&comments)
			},
			`SELECT 1 FROM "comments" JOIN tickets t ON t.id = comments.ticket_id WHERE "comments"."tenant_id" = $1`,
		},
		"join as a clause": {
			func(tx *gorm.DB) *gorm.DB {
				return tx.Select("1").Clauses(clause.From{Joins: []clause.Join{
					{Table: clause.Table{Name: "tickets"}, ON: clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "a OR b"}}}},
					{Table: clause.Table{Name: "countries"}, ON: clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "c"}}}},
				}}).Find(&comments)
			},
			`JOIN "tickets" ON "tickets"."tenant_id" = $1 AND (a OR b) JOIN "countries" ON c WHERE "comments"."tenant_id" = $2`,
		},
		"Count": {
			func(tx *gorm.DB) *gorm.DB { return tx.Model(&Ticket{}).Distinct("title").Count(new(int64)) },
			`SELECT COUNT(DISTINCT("title")) FROM "tickets" WHERE "tickets"."tenant_id" = $1`,
		},
		"Group": {
			func(tx *gorm.DB) *gorm.DB {
				return tx.Model(&Ticket{}).Select("status, count(*)").Group("status").Having("count(*) > ? OR true", 1).Find(&rows)
			},
			`SELECT status, count(*) FROM "tickets" WHERE "tickets"."tenant_id" = $1 GROUP BY "status" HAVING count(*) > $2 OR true`,
		},
		"Locking": {
			func(tx *gorm.DB) *gorm.DB {
				return tx.Clauses(clause.Locking{Strength: "UPDATE"}).Last(&Ticket{}, "a = 1")
			},
			`SELECT * FROM "tickets" WHERE "tickets"."tenant_id" = $1 AND (a = 1) ORDER BY "tickets"."id" DESC LIMIT $2 FOR UPDATE`,
		},
		"Update": {
			func(tx *gorm.DB) *gorm.DB {
				return tx.Model(&Ticket{}).Where("a = 1").Or("b = 2").Update("title", "x")
			},
			`UPDATE "tickets" SET "title"=$1 WHERE "tickets"."tenant_id" = $2 AND (a = 1 OR b = 2)`,
		},
		"Update of a joined table": {
			func(tx *gorm.DB) *gorm.DB {
				return tx.Model(&Comment{}).Clauses(clause.From{Tables: []clause.Table{{Name: "tickets"}}}).
					Where("tickets.id = ticket_id").Update("body", gorm.Expr("title"))
			},
			`UPDATE "comments" SET "body"=title FROM "tickets" WHERE "comments"."tenant_id" = $1 AND (tickets.id = ticket_id)`,
		},
		"Delete": {
			func(tx *gorm.DB) *gorm.DB { return tx.Clauses(clause.Returning{}).Delete(&Ticket{}, "a = 1") },
			`DELETE FROM "tickets" WHERE "tickets"."tenant_id" = $1 AND (a = 1) RETURNING *`,
		},
		"soft Delete": {
			func(tx *gorm.DB) *gorm.DB { return tx.Where("a\nOR b").Delete(&Task{}) },
			`UPDATE "tasks" SET "deleted_at"=$1 WHERE "tasks"."tenant_id" = $2 AND (a` + "\nOR b" + ` AND "tasks"."deleted_at" IS NULL)`,
		},
		"Scopes": {
			func(tx *gorm.DB) *gorm.DB {
				return tx.Scopes(func(tx *gorm.DB) *gorm.DB { return tx.Where("a").Or("b") }).Find(&tickets)
			},
			`SELECT * FROM "tickets" WHERE "tickets"."tenant_id" = $1 AND (a OR b)`,
		},
	} {
		text := sqlOf(ctx, db, test.build)
		require.Contains(t, text, test.text, name)
	}
}

func ticketColumns(alias string) string {
	columns := []string{"tenant_id", "id", "number", "title", "status"}
	for i, name := range columns {
		columns[i] = fmt.Sprintf("%q.%q AS %q", alias, name, alias+"__"+name)
	}
	return strings.Join(columns, ",")
}

// Only one tenant has a predicate: the policies know what a subtree and the system see, and refuse the rest.
func TestNoPredicate(t *testing.T) {
	t.Parallel()
	db, ctx := newText(t)
	tenant, _ := core.TenantFrom(ctx)
	for _, ctx := range []context.Context{t.Context(), asSystemContext(t), core.WithSubtree(t.Context(), tenant)} {
		require.Equal(t, `SELECT * FROM "tickets"`, sqlOf(ctx, db, func(tx *gorm.DB) *gorm.DB { return tx.Find(&[]Ticket{}) }))
		require.NotContains(t, sqlOf(ctx, db, func(tx *gorm.DB) *gorm.DB { return tx.Joins("Ticket").Find(&[]Comment{}) }),
			`"tenant_id" =`)
	}
}

// A builder of the application's own is called, with the predicate in what it is given.
func TestOwnClauseBuilder(t *testing.T) {
	t.Parallel()
	d := newEmpty(t)
	db := openDiscreet(t, d)
	db.ClauseBuilders["WHERE"] = func(c clause.Clause, b clause.Builder) {
		where, ok := c.Expression.(clause.Where)
		require.True(t, ok)
		require.Len(t, where.Exprs, 2)
		c.AfterExpression = clause.Expr{SQL: "/* mine */"}
		c.Build(b)
	}
	require.NoError(t, db.Use(gormstratum.New(d.st, gormstratum.Options{Models: deskModels()})))
	text := sqlOf(core.WithTenant(t.Context(), uuid.New()), db, func(tx *gorm.DB) *gorm.DB {
		return tx.Find(&[]Ticket{}, "a = 1")
	})
	require.Equal(t, `SELECT * FROM "tickets" WHERE "tickets"."tenant_id" = $1 AND (a = 1) /* mine */`, text)
}

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
