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
	ID     uint
	Note   string `gorm:"uniqueIndex"`
	TaskID *uint
	Task   *Task
	Pages  []page `gorm:"foreignKey:NoteID;constraint:OnDelete:CASCADE"`
}

type page struct {
	gormstratum.Tenant
	ID     uint
	NoteID uint
	Text   string `gorm:"unique"`
}

func (page) TableName() string { return "archive.pages" }

func (archived) TableName() string { return "archive.notes" }

// The predicates are text: they are there before any table is.
func newText(t *testing.T) (*gorm.DB, context.Context) {
	t.Helper()
	d := newEmpty(t)
	db := openDiscreet(t, d)
	require.NoError(t, db.Use(gormstratum.New(d.st, gormstratum.Options{
		Models: append(deskModels(), &Task{}, &archived{}, &page{}),
	})))
	return db, core.WithTenant(t.Context(), uuid.New())
}

// predicate is a statement and what its text must contain.
type predicate struct {
	build func(*gorm.DB) *gorm.DB
	text  string
}

// Whatever the conditions are, they stand in parentheses behind the predicate.
func TestPredicatesOfConditions(t *testing.T) {
	t.Parallel()
	db, ctx := newText(t)
	var (
		tickets []Ticket
		rows    []map[string]any
	)
	for name, test := range map[string]predicate{
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
		"Scopes": {
			func(tx *gorm.DB) *gorm.DB {
				return tx.Scopes(func(tx *gorm.DB) *gorm.DB { return tx.Where("a").Or("b") }).Find(&tickets)
			},
			`SELECT * FROM "tickets" WHERE "tickets"."tenant_id" = $1 AND (a OR b)`,
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
	} {
		require.Contains(t, sqlOf(ctx, db, test.build), test.text, name)
	}
}

// The predicate goes with the table that is read, under the name that it has in the statement.
func TestPredicatesOfTables(t *testing.T) {
	t.Parallel()
	db, ctx := newText(t)
	var (
		tickets []Ticket
		rows    []map[string]any
	)
	for name, test := range map[string]predicate{
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
			`SELECT * FROM (SELECT * FROM "tickets" WHERE "tickets"."tenant_id" = $1) AS x`,
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
	} {
		require.Contains(t, sqlOf(ctx, db, test.build), test.text, name)
	}
}

// A join of an association has the predicate in its ON, and cannot be widened either.
func TestPredicatesOfJoins(t *testing.T) {
	t.Parallel()
	db, ctx := newText(t)
	var (
		comments []Comment
		rows     []map[string]any
	)
	for name, test := range map[string]predicate{
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
	} {
		require.Contains(t, sqlOf(ctx, db, test.build), test.text, name)
	}
}

func TestPredicatesOfChanges(t *testing.T) {
	t.Parallel()
	db, ctx := newText(t)
	for name, test := range map[string]predicate{
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
	} {
		require.Contains(t, sqlOf(ctx, db, test.build), test.text, name)
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
