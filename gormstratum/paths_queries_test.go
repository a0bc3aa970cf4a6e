package gormstratum_test

import (
	"context"
	"database/sql"
	"errors"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/internal/conformance"
)

// queryPaths read one table, in each way that GORM has for it.
func queryPaths(db *gorm.DB) []conformance.Path {
	widened := func(tx *gorm.DB) *gorm.DB { return tx.Where("1 = 0").Or("1 = 1") }
	return reading(db, map[string]read{
		"Take": func(tx *gorm.DB, x target) (any, error) { return one[Ticket](tx.Where("id = ?", x.Ticket)) },
		"Last": func(tx *gorm.DB, x target) (any, error) {
			var v Ticket
			return &v, tx.Last(&v, "id = ?", x.Ticket).Error
		},
		"FirstOrInit": func(tx *gorm.DB, x target) (any, error) {
			var v Ticket
			return &v, tx.FirstOrInit(&v, "id = ?", x.Ticket).Error
		},
		"inline struct": func(tx *gorm.DB, x target) (any, error) { return find[Ticket](tx.Where(&Ticket{ID: x.Ticket})) },
		"inline map": func(tx *gorm.DB, x target) (any, error) {
			return find[Ticket](tx.Where(map[string]any{"id": x.Ticket}))
		},
		"Model with a primary key": func(tx *gorm.DB, x target) (any, error) {
			v := Ticket{ID: x.Ticket}
			return &v, tx.First(&v).Error
		},
		"Pluck": func(tx *gorm.DB, x target) (any, error) {
			var titles []string
			return &titles, tx.Model(&Ticket{}).Where("id = ?", x.Ticket).Pluck("title", &titles).Error
		},
		"Distinct": func(tx *gorm.DB, x target) (any, error) {
			return find[Ticket](tx.Distinct("title").Where("id = ?\nOR 1 = 1", x.Ticket))
		},
		"Count": func(tx *gorm.DB, x target) (any, error) {
			var n int64
			err := tx.Model(&Ticket{}).Where("title LIKE ?", "%"+x.Secret).Or("title LIKE ?", "%"+x.Secret+"%").Count(&n).Error
			return told(x, n, err)
		},
		"Group and Having": func(tx *gorm.DB, x target) (any, error) {
			var all []string
			return &all, tx.Model(&Ticket{}).Group("status").Having("count(*) > 0 OR true").Pluck("string_agg(title, ',')", &all).Error
		},
		"Order, Limit, Offset": func(tx *gorm.DB, x target) (any, error) {
			return find[Ticket](tx.Order("title DESC").Limit(10).Offset(0))
		},
		"Row": func(tx *gorm.DB, x target) (any, error) {
			var title string
			err := tx.Model(&Ticket{}).Select("title").Where("id = ?", x.Ticket).Row().Scan(&title)
			if errors.Is(err, sql.ErrNoRows) {
				err = nil
			}
			return title, err
		},
		"ScanRows": func(tx *gorm.DB, x target) (any, error) {
			return scanRows(tx.Model(&Ticket{}).Where("id = ?", x.Ticket))
		},
		"Scan into maps": func(tx *gorm.DB, x target) (any, error) {
			return scanned(tx.Model(&Ticket{}).Where("id = ?", x.Ticket))
		},
		"smaller struct": func(tx *gorm.DB, x target) (any, error) {
			var small []struct{ Title string }
			return &small, tx.Model(&Ticket{}).Where("id = ?", x.Ticket).Find(&small).Error
		},
		"MapColumns": func(tx *gorm.DB, x target) (any, error) {
			var mapped []struct{ Text string }
			err := tx.Model(&Ticket{}).MapColumns(map[string]string{"title": "text"}).Where("id = ?", x.Ticket).Scan(&mapped).Error
			return mapped, err
		},
		"Scopes that widen": func(tx *gorm.DB, _ target) (any, error) { return find[Ticket](tx.Scopes(widened, widened)) },
		"WHERE as a clause": func(tx *gorm.DB, x target) (any, error) {
			return find[Ticket](tx.Clauses(clause.Where{Exprs: []clause.Expression{
				clause.Or(clause.Eq{Column: "id", Value: x.Ticket}, clause.Expr{SQL: "true"}),
			}}))
		},
		"soft delete": func(tx *gorm.DB, x target) (any, error) {
			return find[Remark](tx.Where("id = ?", x.Remark).Or("1 = 1"))
		},
		"soft delete, Unscoped": func(tx *gorm.DB, x target) (any, error) { return find[Remark](tx.Unscoped().Where("id = ?", x.Remark)) },
		"QueryFields": func(tx *gorm.DB, x target) (any, error) {
			return find[Ticket](tx.Session(&gorm.Session{QueryFields: true}).Where("id = ?", x.Ticket))
		},
		"NewDB": func(tx *gorm.DB, x target) (any, error) {
			return find[Ticket](tx.Where("1 = 0").Session(&gorm.Session{NewDB: true}).Where("id = ?", x.Ticket))
		},
		"SkipHooks": func(tx *gorm.DB, x target) (any, error) {
			return find[talking](tx.Session(&gorm.Session{SkipHooks: true}).Where("id = ?", x.Ticket))
		},
		"hook that reads": func(tx *gorm.DB, x target) (any, error) { return find[talking](tx.Where("id = ?", x.Ticket)) },
		"embedded struct": func(tx *gorm.DB, x target) (any, error) { return find[Person](tx.Where("id = ?", x.Person)) },
		"ToSQL and then Raw": func(tx *gorm.DB, x target) (any, error) {
			text := tx.ToSQL(func(tx *gorm.DB) *gorm.DB { return tx.Where("id = ?", x.Ticket).Find(&[]Ticket{}) })
			return scanned(tx.Raw(text))
		},
		"DryRun and then the pool": func(tx *gorm.DB, x target) (any, error) {
			stmt := tx.Session(&gorm.Session{DryRun: true}).Select("title").Find(&[]Ticket{}, "id = ?", x.Ticket).Statement
			return titles(stmt.ConnPool.QueryContext(tx.Statement.Context, stmt.SQL.String(), stmt.Vars...))
		},
		"FOR SHARE SKIP LOCKED": func(tx *gorm.DB, x target) (any, error) {
			return find[Ticket](tx.Clauses(clause.Locking{Strength: "SHARE", Options: "SKIP LOCKED"}).Where("id = ?", x.Ticket))
		},
		"hint": func(tx *gorm.DB, x target) (any, error) {
			tx = tx.Where("id = ?", x.Ticket)
			tx.Statement.Clauses["SELECT"] = clause.Clause{AfterNameExpression: clause.Expr{SQL: "/*+ SeqScan(tickets) */"}}
			return find[Ticket](tx)
		},
		"alias": func(tx *gorm.DB, x target) (any, error) {
			var titles []string
			return &titles, tx.Table("tickets AS t").Where("t.id = ?", x.Ticket).Or("1 = 1").Pluck("t.title", &titles).Error
		},
		"row as JSON": func(tx *gorm.DB, x target) (any, error) {
			var all []string
			return &all, tx.Model(&Ticket{}).Where("id = ?", x.Ticket).Pluck("row_to_json(tickets)::text", &all).Error
		},
		"window function": func(tx *gorm.DB, x target) (any, error) {
			return scanned(tx.Model(&Ticket{}).Select("first_value(title) OVER (ORDER BY title DESC) AS f").Where("true OR true"))
		},
		"FirstOrCreate of one that is there": func(tx *gorm.DB, x target) (any, error) {
			tag := Tag{Tenant: of(x)}
			err := tx.Where(&Tag{ID: x.Tag}).Attrs(&Tag{Tenant: of(x), Name: "vip"}).FirstOrCreate(&tag).Error
			return tag, err
		},
	})
}

// scanRows reads rows one by one into the model.
func scanRows(tx *gorm.DB) (any, error) {
	rows, err := tx.Rows()
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells more
	var all []Ticket
	for rows.Next() {
		var ticket Ticket
		if err := tx.Session(&gorm.Session{NewDB: true}).ScanRows(rows, &ticket); err != nil {
			return nil, err
		}
		all = append(all, ticket)
	}
	return all, rows.Err()
}

// transactionPaths read on a connection that is held.
func transactionPaths(db *gorm.DB) []conformance.Path {
	return reading(db, map[string]read{
		"read-only Transaction": func(tx *gorm.DB, x target) (seen any, err error) {
			err = tx.Transaction(func(tx *gorm.DB) error {
				seen, err = find[Ticket](tx.Where("id = ?", x.Ticket))
				return err
			}, &sql.TxOptions{ReadOnly: true})
			return seen, err
		},
		"Begin and Rollback": func(tx *gorm.DB, x target) (any, error) {
			tx = tx.Begin()
			if tx.Error != nil {
				return nil, tx.Error
			}
			defer tx.Rollback()
			return find[Ticket](tx.Where("id = ?", x.Ticket))
		},
		"RollbackTo a savepoint": func(tx *gorm.DB, x target) (seen any, err error) {
			err = tx.Transaction(func(tx *gorm.DB) error {
				tx.SavePoint("before")
				if err := tx.Model(&Ticket{}).Where("id = ?", x.Ticket).Update("title", "x").Error; err != nil {
					return err
				}
				tx.RollbackTo("before")
				seen, err = find[Ticket](tx.Where("id = ?", x.Ticket))
				return err
			})
			return seen, err
		},
		"Transaction in a Connection": func(tx *gorm.DB, x target) (seen any, err error) {
			err = tx.Connection(func(tx *gorm.DB) error {
				return tx.Transaction(func(tx *gorm.DB) error {
					seen, err = find[Ticket](tx.Where("id = ?", x.Ticket))
					return err
				})
			})
			return seen, err
		},
		"cursor": func(tx *gorm.DB, x target) (seen any, err error) {
			err = tx.Transaction(func(tx *gorm.DB) error {
				if err := tx.Exec("DECLARE c CURSOR FOR SELECT title FROM tickets").Error; err != nil {
					return err
				}
				seen, err = scanned(tx.Raw("FETCH ALL FROM c"))
				return err
			})
			return seen, err
		},
	})
}

// genericPaths read and write with gorm.G.
func genericPaths(db *gorm.DB) []conformance.Path {
	byID := func(x target) gorm.ChainInterface[Ticket] { return gorm.G[Ticket](db).Where("id = ?", x.Ticket) }
	return []conformance.Path{
		reads("G First", func(ctx context.Context, x target) (any, error) { return byID(x).First(ctx) }),
		reads("G Take", func(ctx context.Context, x target) (any, error) { return byID(x).Take(ctx) }),
		reads("G Last", func(ctx context.Context, x target) (any, error) { return byID(x).Last(ctx) }),
		reads("G Count", func(ctx context.Context, x target) (any, error) {
			n, err := byID(x).Count(ctx, "id")
			return told(x, n, err)
		}),
		reads("G Scan", func(ctx context.Context, x target) (any, error) {
			var v struct{ Title string }
			return &v, byID(x).Select("title").Scan(ctx, &v)
		}),
		reads("G Raw", func(ctx context.Context, x target) (any, error) {
			return gorm.G[Ticket](db).Raw("SELECT * FROM tickets WHERE id = ?", x.Ticket).Find(ctx)
		}),
		reads("G Preload", func(ctx context.Context, x target) (any, error) {
			v, err := byID(x).Preload("Comments", func(b gorm.PreloadBuilder) error { b.Where("1 = 0 OR 1 = 1"); return nil }).First(ctx)
			return v.Comments, err
		}),
		reads("G Joins", func(ctx context.Context, x target) (any, error) {
			on := func(on gorm.JoinBuilder, _, _ clause.Table) error { on.Where("1 = 0\nOR 1 = 1"); return nil }
			v, err := gorm.G[Comment](db).Joins(clause.LeftJoin.Association("Ticket").As("t"), on).
				Where("comments.id = ?", x.Comment).Find(ctx)
			if err != nil || len(v) == 0 {
				return nil, err
			}
			return v[0].Ticket, nil
		}),
		reads("G FindInBatches", func(ctx context.Context, x target) (seen any, err error) {
			err = byID(x).FindInBatches(ctx, 1, func(data []Ticket, _ int) error { seen = data; return nil })
			return seen, err
		}),
		reads("G Scopes and Rows", func(ctx context.Context, x target) (any, error) {
			return titles(byID(x).Select("title").Rows(ctx))
		}),
		writes("G Create", func(ctx context.Context, x target) error {
			return gorm.G[Comment](db).Create(ctx, &Comment{Tenant: of(x), TicketID: x.Ticket, Body: "new"})
		}),
		writes("G CreateInBatches", func(ctx context.Context, x target) error {
			return gorm.G[Comment](db).CreateInBatches(ctx, &[]Comment{{Tenant: of(x), TicketID: x.Ticket, Body: "new"}}, 1)
		}),
		writes("G Update", func(ctx context.Context, x target) error {
			_, err := byID(x).Update(ctx, "title", "taken")
			return err
		}),
		writes("G Set", func(ctx context.Context, x target) error {
			_, err := byID(x).Set(clause.Assignment{Column: clause.Column{Name: "title"}, Value: "taken"}).Update(ctx)
			return err
		}),
		writes("G Set of an association", func(ctx context.Context, x target) error {
			_, err := byID(x).Set(clause.Association{Association: "Comments", Type: clause.OpUpdate, Set: []clause.Assignment{
				{Column: clause.Column{Name: "body"}, Value: "taken"},
			}}).Update(ctx)
			return err
		}),
		writes("G Set unlinks", func(ctx context.Context, x target) error {
			_, err := gorm.G[Person](db).Where("id = ?", x.Person).
				Set(clause.Association{Association: "Badge", Type: clause.OpUnlink}).Update(ctx)
			return err
		}),
		writes("G Delete", func(ctx context.Context, x target) error {
			_, err := gorm.G[Comment](db).Where("id = ?", x.Comment).Delete(ctx)
			return err
		}),
		writes("G Exec", func(ctx context.Context, x target) error {
			return gorm.G[Ticket](db).Exec(ctx, "UPDATE tickets SET title = 'taken' WHERE id = ?", x.Ticket)
		}),
	}
}

// qualifiedPaths name the schema of the shared tables.
func qualifiedPaths(db *gorm.DB) []conformance.Path {
	paths := reading(db, map[string]read{
		"qualified table": func(tx *gorm.DB, x target) (any, error) {
			return scanned(tx.Table("public.tickets").Where("tickets.id = ?", x.Ticket))
		},
	})
	for i := range paths {
		paths[i].Qualified = true
	}
	return paths
}
