package gormstratum_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// asked is a sub-query as applications make it: from a db without a context.
func asked(db *gorm.DB) *gorm.DB {
	return db.Model(&Comment{}).Select("ticket_id").Where("body = ?\nOR\ttrue", "x")
}

// answered is how it is to be written, whatever the parameters' numbers are.
const answered = `SELECT "ticket_id" FROM "comments" WHERE "comments"."tenant_id" = $ AND (body = $` + "\nOR\ttrue)"

// numbers takes the numbers of parameters out of a statement.
func numbers(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text)
}

// Wherever an argument may be a sub-query, it is written with the predicate of the statement around it.
func TestSubqueriesInherit(t *testing.T) {
	t.Parallel()
	db, ctx := newText(t)
	in := func(exprs ...clause.Expression) clause.Where { return clause.Where{Exprs: exprs} }
	for name, build := range map[string]func(*gorm.DB) *gorm.DB{
		"Where":           func(tx *gorm.DB) *gorm.DB { return tx.Where("id IN (?)", asked(db)).Find(&[]Ticket{}) },
		"inline":          func(tx *gorm.DB) *gorm.DB { return tx.Find(&[]Ticket{}, "id IN (?)", asked(db)) },
		"exists":          func(tx *gorm.DB) *gorm.DB { return tx.Where("EXISTS (?)", asked(db)).Find(&[]Ticket{}) },
		"Or":              func(tx *gorm.DB) *gorm.DB { return tx.Where("a").Or("id IN (?)", asked(db)).Find(&[]Ticket{}) },
		"Not":             func(tx *gorm.DB) *gorm.DB { return tx.Not("id IN (?)", asked(db)).Find(&[]Ticket{}) },
		"list":            func(tx *gorm.DB) *gorm.DB { return tx.Where("id IN ?", []any{asked(db)}).Find(&[]Ticket{}) },
		"list of queries": func(tx *gorm.DB) *gorm.DB { return tx.Where("id = ANY(?)", []*gorm.DB{asked(db)}).Find(&[]Ticket{}) },
		"group":           func(tx *gorm.DB) *gorm.DB { return tx.Where(db.Where("id IN (?)", asked(db))).Find(&[]Ticket{}) },
		"map":             func(tx *gorm.DB) *gorm.DB { return tx.Where(map[string]any{"id": asked(db)}).Find(&[]Ticket{}) },
		"named": func(tx *gorm.DB) *gorm.DB {
			return tx.Where("id IN (@sub)", sql.Named("sub", asked(db))).Find(&[]Ticket{})
		},
		"named in a map": func(tx *gorm.DB) *gorm.DB {
			return tx.Where("id IN (@sub)", map[string]any{"sub": asked(db), "other": 1}).Find(&[]Ticket{})
		},
		"expression": func(tx *gorm.DB) *gorm.DB {
			return tx.Where("id IN (?)", gorm.Expr("?", asked(db))).Find(&[]Ticket{})
		},
		"Eq": func(tx *gorm.DB) *gorm.DB {
			return tx.Clauses(in(clause.Eq{Column: "id", Value: asked(db)})).Find(&[]Ticket{})
		},
		"Neq": func(tx *gorm.DB) *gorm.DB {
			return tx.Clauses(in(clause.Neq{Column: "id", Value: asked(db)})).Find(&[]Ticket{})
		},
		"Gt": func(tx *gorm.DB) *gorm.DB {
			return tx.Clauses(in(clause.Gt{Column: "id", Value: asked(db)})).Find(&[]Ticket{})
		},
		"Gte": func(tx *gorm.DB) *gorm.DB {
			return tx.Clauses(in(clause.Gte{Column: "id", Value: asked(db)})).Find(&[]Ticket{})
		},
		"Lt": func(tx *gorm.DB) *gorm.DB {
			return tx.Clauses(in(clause.Lt{Column: "id", Value: asked(db)})).Find(&[]Ticket{})
		},
		"Lte": func(tx *gorm.DB) *gorm.DB {
			return tx.Clauses(in(clause.Lte{Column: "id", Value: asked(db)})).Find(&[]Ticket{})
		},
		"Like": func(tx *gorm.DB) *gorm.DB {
			return tx.Clauses(in(clause.Like{Column: "id", Value: asked(db)})).Find(&[]Ticket{})
		},
		"IN": func(tx *gorm.DB) *gorm.DB {
			return tx.Clauses(in(clause.IN{Column: "id", Values: []any{asked(db), 1}})).Find(&[]Ticket{})
		},
		"commas": func(tx *gorm.DB) *gorm.DB {
			return tx.Clauses(in(clause.CommaExpression{Exprs: []clause.Expression{gorm.Expr("a IN (?)", asked(db))}})).
				Find(&[]Ticket{})
		},
		"Having": func(tx *gorm.DB) *gorm.DB {
			return tx.Model(&Ticket{}).Select("status").Group("status").Having("max(id) IN (?)", asked(db)).Find(&[]Ticket{})
		},
		"Select":   func(tx *gorm.DB) *gorm.DB { return tx.Model(&Ticket{}).Select("(?) AS n", asked(db)).Find(&[]Ticket{}) },
		"Distinct": func(tx *gorm.DB) *gorm.DB { return tx.Model(&Ticket{}).Distinct("(?)", asked(db)).Find(&[]Ticket{}) },
		"Order": func(tx *gorm.DB) *gorm.DB {
			return tx.Order(clause.OrderBy{Expression: gorm.Expr("(?)", asked(db))}).Find(&[]Ticket{})
		},
		"Table": func(tx *gorm.DB) *gorm.DB { return tx.Table("(?) AS x", asked(db)).Find(&[]map[string]any{}) },
		"Joins with SQL": func(tx *gorm.DB) *gorm.DB {
			return tx.Joins("JOIN (?) AS x ON x.ticket_id = tickets.id AND ?", asked(db), true).Find(&[]Ticket{})
		},
		"Joins with SQL and nothing else": func(tx *gorm.DB) *gorm.DB {
			return tx.Joins("JOIN (?) AS x ON true", asked(db)).Find(&[]Ticket{})
		},
		"Joins of an association": func(tx *gorm.DB) *gorm.DB {
			return tx.Joins("Ticket", db.Where(`"Ticket"."id" IN (?)`, asked(db))).Find(&[]Comment{})
		},
		"join as a clause": func(tx *gorm.DB) *gorm.DB {
			return tx.Clauses(clause.From{Joins: []clause.Join{{
				Table: clause.Table{Name: "tickets"}, ON: in(gorm.Expr("id IN (?)", asked(db))),
			}}}).Find(&[]Comment{})
		},
		"Update": func(tx *gorm.DB) *gorm.DB {
			return tx.Model(&Ticket{}).Where("true").Update("title", asked(db))
		},
		"Updates": func(tx *gorm.DB) *gorm.DB {
			return tx.Model(&Ticket{}).Where("true").Updates(map[string]any{"title": asked(db)})
		},
		"UpdateColumn": func(tx *gorm.DB) *gorm.DB {
			return tx.Model(&Ticket{}).Where("true").UpdateColumn("title", gorm.Expr("(?)", asked(db)))
		},
		"Create": func(tx *gorm.DB) *gorm.DB {
			return tx.Model(&Ticket{}).Create(map[string]any{"title": gorm.Expr("(?)", asked(db))})
		},
		"Create of several": func(tx *gorm.DB) *gorm.DB {
			return tx.Model(&Ticket{}).Create([]map[string]any{{"title": "x"}, {"title": gorm.Expr("(?)", asked(db))}})
		},
		"conflict's assignment": func(tx *gorm.DB) *gorm.DB {
			return tx.Clauses(clause.OnConflict{Columns: columns("id"), DoUpdates: clause.Set{
				{Column: clause.Column{Name: "title"}, Value: gorm.Expr("(?)", asked(db))},
			}}).Create(&Ticket{})
		},
		"conflict's where": func(tx *gorm.DB) *gorm.DB {
			return tx.Clauses(clause.OnConflict{
				Columns: columns("id"), DoUpdates: clause.AssignmentColumns([]string{"title"}),
				Where: in(gorm.Expr("tickets.id IN (?)", asked(db))),
			}).Create(&Ticket{})
		},
		"Delete": func(tx *gorm.DB) *gorm.DB { return tx.Delete(&Ticket{}, "id IN (?)", asked(db)) },
		"before a clause": func(tx *gorm.DB) *gorm.DB {
			chain := tx.Where("a")
			where := chain.Statement.Clauses["WHERE"]
			where.AfterExpression = gorm.Expr("AND EXISTS (?)", asked(db))
			chain.Statement.Clauses["WHERE"] = where
			return chain.Find(&[]Ticket{})
		},
		"nested": func(tx *gorm.DB) *gorm.DB {
			return tx.Find(&[]Tag{}, "id IN (?)", db.Model(&Ticket{}).Select("id").Where("id IN (?)", asked(db)))
		},
	} {
		require.Contains(t, numbers(sqlOf(ctx, db, build)), answered, name)
	}
}

// A sub-query is copied: it is the same for whoever uses it next, and at the same time.
func TestSubqueriesAreNotChanged(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskModels())
	inner := d.db.Model(&Comment{}).Select("ticket_id")
	outer := d.db.Table("(?) AS x", inner).Joins("JOIN tickets ON tickets.id = x.ticket_id").Session(&gorm.Session{})
	for _, name := range []string{"acme", "bolt", "cord", "dune"} {
		ctx := d.tenant(t, name)
		require.NoError(t, d.db.WithContext(ctx).Create(&Ticket{Number: "T-1", Title: name, Comments: []Comment{{}}}).Error)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 20 {
				var tickets []Ticket
				require.NoError(t, d.db.WithContext(ctx).Find(&tickets, "id IN (?)", inner).Error)
				require.Len(t, tickets, 1)
				require.Equal(t, name, tickets[0].Title)
				require.NoError(t, d.db.WithContext(ctx).Where(d.db.Where("id IN (?)", inner)).Find(&tickets).Error)
				require.Len(t, tickets, 1)
				var titles []string
				require.NoError(t, outer.WithContext(ctx).Pluck("tickets.title", &titles).Error)
				require.Equal(t, []string{name}, titles)
			}
		})
	}
	require.NoError(t, inner.Statement.Context.Err())
	_, hasTenant := core.TenantFrom(inner.Statement.Context)
	require.False(t, hasTenant)
}

// TestSubqueryOfAnotherTenant is refused: it would find nothing, and say nothing.
func TestSubqueryOfAnotherTenant(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskModels())
	acme, bolt := d.tenant(t, "acme"), d.tenant(t, "bolt")
	tenant, _ := core.TenantFrom(acme)
	require.NoError(t, d.db.WithContext(acme).Create(&Ticket{Number: "T-1", Comments: []Comment{{}}}).Error)
	query := func(ctx context.Context) *gorm.DB { return d.db.WithContext(ctx).Model(&Comment{}).Select("ticket_id") }
	for name, inner := range map[string]context.Context{
		"another tenant": bolt, "the system": asSystemContext(t), "a subtree": core.WithSubtree(acme, tenant),
	} {
		db := d.db.WithContext(acme)
		nested := d.db.Model(&Ticket{}).Select("id").Where("id IN (?)", query(inner))
		for _, err := range []error{
			db.Find(&[]Ticket{}, "id IN (?)", query(inner)).Error,
			db.Find(&[]Ticket{}, "id IN (?)", nested).Error,
			db.Model(&Ticket{}).Where("id IN (?)", query(inner)).Update("title", "x").Error,
			db.Delete(&Ticket{}, "id IN (?)", query(inner)).Error,
			db.Model(&Ticket{}).Create(map[string]any{"title": gorm.Expr("(?)", query(inner))}).Error,
			db.Model(&Ticket{}).Where("id IN (?)", query(inner)).Select("title").Row().Scan(new(string)),
		} {
			require.ErrorIs(t, err, core.ErrTenantMismatch, name)
		}
		rows, err := db.Model(&Ticket{}).Where("id IN (?)", query(inner)).Rows() //nolint:rowserrcheck // there are none
		require.ErrorIs(t, err, core.ErrTenantMismatch, name)
		require.Nil(t, rows)
	}
	var tickets []Ticket
	require.NoError(t, d.db.WithContext(acme).Find(&tickets, "id IN (?)", query(acme)).Error)
	require.Len(t, tickets, 1)
	require.NoError(t, d.db.WithContext(asSystemContext(t)).Find(&tickets, "id IN (?)", query(bolt)).Error)
	require.Empty(t, tickets, "the system asks for one tenant's")
	require.Equal(t, int64(1), d.count(t, "tickets", tenant))
}

// valuer is a value of the application's own that is an expression.
type valuer struct{ inner *gorm.DB }

// GormValue is called by GORM when it writes the value.
func (v valuer) GormValue(context.Context, *gorm.DB) clause.Expr {
	return clause.Expr{SQL: "(?)", Vars: []any{v.inner}}
}

// Where GORM or the application writes a sub-query before Stratum can look, the policies act on it.
func TestSubqueriesOutOfReach(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskModels())
	acme, bolt := d.tenant(t, "acme"), d.tenant(t, "bolt")
	for _, ctx := range []context.Context{acme, bolt} {
		require.NoError(t, d.db.WithContext(ctx).Create(&Ticket{Number: "T-1", Comments: []Comment{{Body: "x"}}}).Error)
	}
	db := d.db.WithContext(acme)
	var n int64
	require.NoError(t, db.Raw("SELECT count(*) FROM (?) AS c", d.db.Model(&Comment{})).Scan(&n).Error)
	require.Equal(t, int64(1), n)
	result := db.Exec("UPDATE tickets SET title = 'seen' WHERE id IN (?)", d.db.Model(&Comment{}).Select("ticket_id"))
	require.NoError(t, result.Error)
	require.Equal(t, int64(1), result.RowsAffected)
	require.NoError(t, db.Model(&Ticket{}).Where("id = ?", valuer{d.db.Model(&Comment{}).Select("ticket_id")}).Count(&n).Error)
	require.Equal(t, int64(1), n)
	require.ErrorIs(t, d.db.WithContext(core.WithTenant(t.Context(), uuid.Nil)).
		Find(&[]Ticket{}, "id IN (?)", db.Model(&Comment{}).Select("ticket_id")).Error, core.ErrNoTenant)
	require.ErrorIs(t, db.Find(&[]Ticket{}, "id IN (?)", d.db.Table("nowhere").Select("id")).Error, gormstratum.ErrModel)
}
