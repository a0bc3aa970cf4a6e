package gormstratum_test

import (
	"context"
	"database/sql"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
	"github.com/stratum-hq/stratum-go/internal/conformance"
)

// find returns what db finds, for paths that differ in their conditions only.
func find[T any](db *gorm.DB) (any, error) {
	var found []T
	err := db.Find(&found).Error
	return found, err
}

func reads(name string, run func(context.Context, conformance.Target) (any, error)) conformance.Path {
	return conformance.Path{Name: name, Effect: conformance.Reads, Run: run}
}

func writes(name string, run func(context.Context, conformance.Target) error) conformance.Path {
	return conformance.Path{
		Name: name, Effect: conformance.Writes,
		Run: func(ctx context.Context, x conformance.Target) (any, error) { return nil, run(ctx, x) },
	}
}

// asSystem says with which error the system is refused on a path.
func asSystem(err error, p conformance.Path) conformance.Path {
	p.System = err
	return p
}

func readPaths(db *gorm.DB) []conformance.Path {
	type target = conformance.Target
	return []conformance.Path{
		reads("First by primary key", func(ctx context.Context, x target) (any, error) {
			var ticket Ticket
			err := db.WithContext(ctx).First(&ticket, "id = ?", x.Ticket).Error
			return ticket, err
		}),
		reads("Find of everything", func(ctx context.Context, _ target) (any, error) {
			return find[Ticket](db.WithContext(ctx))
		}),
		reads("Or that widens", func(ctx context.Context, x target) (any, error) {
			return find[Ticket](db.WithContext(ctx).Where("id = ?", x.Ticket).Or("1 = 1"))
		}),
		reads("Or in a raw string behind a line break", func(ctx context.Context, x target) (any, error) {
			return find[Ticket](db.WithContext(ctx).Where("id = ?\nOR\t1 = 1", x.Ticket))
		}),
		reads("Not, with Unscoped", func(ctx context.Context, _ target) (any, error) {
			return find[Ticket](db.WithContext(ctx).Unscoped().Not("status = ?", "closed"))
		}),
		reads("Joins of an association", func(ctx context.Context, x target) (any, error) {
			var comments []Comment
			err := db.WithContext(ctx).Joins("Ticket").Find(&comments, "comments.ticket_id = ?", x.Ticket).Error
			if len(comments) == 0 {
				return nil, err
			}
			return comments[0].Ticket, err
		}),
		reads("Joins as raw SQL", func(ctx context.Context, x target) (any, error) {
			var titles []string
			err := db.WithContext(ctx).Model(&Comment{}).Joins("JOIN tickets t ON t.id = comments.ticket_id OR true").
				Where("t.id = ?", x.Ticket).Pluck("t.title", &titles).Error
			return titles, err
		}),
		reads("Preload of a has-many", func(ctx context.Context, x target) (any, error) {
			var ticket Ticket
			err := db.WithContext(ctx).Preload("Comments").First(&ticket, "id = ?", x.Ticket).Error
			return ticket.Comments, err
		}),
		reads("Preload of a many2many", func(ctx context.Context, x target) (any, error) {
			var ticket Ticket
			err := db.WithContext(ctx).Preload("Tags").First(&ticket, "id = ?", x.Ticket).Error
			return ticket.Tags, err
		}),
		reads("Association Find", func(ctx context.Context, x target) (any, error) {
			var tags []Tag
			err := db.WithContext(ctx).Model(&Ticket{ID: x.Ticket}).Association("Tags").Find(&tags)
			return tags, err
		}),
		reads("sub-query made without a context", func(ctx context.Context, x target) (any, error) {
			inner := db.Model(&Comment{}).Select("ticket_id").Where("ticket_id = ?", x.Ticket)
			return find[Ticket](db.WithContext(ctx).Where("id IN (?)", inner))
		}),
		reads("Table without a model", func(ctx context.Context, x target) (any, error) {
			var rows []map[string]any
			err := db.WithContext(ctx).Table("tickets").Where("id = ?", x.Ticket).Find(&rows).Error
			return rows, err
		}),
		reads("Table with an alias, into another type", func(ctx context.Context, x target) (any, error) {
			var rows []struct{ Title string }
			err := db.WithContext(ctx).Table("tickets AS t").Where("t.id = ?", x.Ticket).Find(&rows).Error
			return rows, err
		}),
		reads("Rows", func(ctx context.Context, x target) (any, error) {
			return titles(db.WithContext(ctx).Model(&Ticket{}).Select("title").Where("id = ?", x.Ticket).Rows())
		}),
		reads("generics", func(ctx context.Context, x target) (any, error) {
			return gorm.G[Ticket](db).Where("id = ?", x.Ticket).Find(ctx)
		}),
		reads("session made with PrepareStmt", func(ctx context.Context, x target) (any, error) {
			return find[Ticket](db.Session(&gorm.Session{PrepareStmt: true, Context: ctx}).Where("id = ?", x.Ticket))
		}),
		reads("Connection", func(ctx context.Context, x target) (seen any, err error) {
			err = db.WithContext(ctx).Connection(func(tx *gorm.DB) error {
				seen, err = find[Ticket](tx.Where("id = ?", x.Ticket))
				return err
			})
			return seen, err
		}),
	}
}

// titles reads the one column of rows.
func titles(rows *sql.Rows, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells more
	var all []string
	for rows.Next() {
		var title string
		if err := rows.Scan(&title); err != nil {
			return nil, err
		}
		all = append(all, title)
	}
	return all, rows.Err()
}

// joinPaths read through more than one table, or in more than one statement.
func joinPaths(db *gorm.DB) []conformance.Path {
	type target = conformance.Target
	return []conformance.Path{
		reads("Joins with a condition that widens", func(ctx context.Context, x target) (any, error) {
			var comments []Comment
			err := db.WithContext(ctx).Joins("Ticket", db.Where("1 = 0").Or("1 = 1")).
				Find(&comments, "comments.ticket_id = ?", x.Ticket).Error
			return comments, err
		}),
		reads("InnerJoins and a Preload", func(ctx context.Context, x target) (any, error) {
			var comments []Comment
			err := db.WithContext(ctx).InnerJoins("Ticket").Preload("Ticket.Tags").
				Find(&comments, "comments.id = ? OR 1 = 1", x.Comment).Error
			if len(comments) == 0 {
				return nil, err
			}
			return comments[0].Ticket.Tags, err
		}),
		reads("list of tables", func(ctx context.Context, x target) (any, error) {
			var rows []map[string]any
			err := db.WithContext(ctx).Table("tickets, comments").Where("comments.ticket_id = ?", x.Ticket).
				Select("body", "tickets.title").Find(&rows).Error
			return rows, err
		}),
		reads("sub-query as a table", func(ctx context.Context, x target) (any, error) {
			var rows []map[string]any
			err := db.WithContext(ctx).Table("(?) AS x", db.Model(&Ticket{})).Where("x.id = ?", x.Ticket).Find(&rows).Error
			return rows, err
		}),
		reads("Count and then Find with one statement", func(ctx context.Context, x target) (any, error) {
			query := db.WithContext(ctx).Model(&Ticket{}).Where("id = ?", x.Ticket)
			if err := query.Count(new(int64)).Error; err != nil {
				return nil, err
			}
			return find[Ticket](query.Or("1 = 1"))
		}),
		reads("FindInBatches", func(ctx context.Context, _ target) (seen any, err error) {
			var all, batch []Ticket
			err = db.WithContext(ctx).Where("1 = 0\nOR 1 = 1").FindInBatches(&batch, 1, func(*gorm.DB, int) error {
				all = append(all, batch...)
				return nil
			}).Error
			return all, err
		}),
		reads("Locking", func(ctx context.Context, x target) (any, error) {
			return find[Ticket](db.WithContext(ctx).Clauses(clause.Locking{Strength: "UPDATE"}).Where("id = ?", x.Ticket))
		}),
		reads("aggregate", func(ctx context.Context, _ target) (any, error) {
			var all string
			err := db.WithContext(ctx).Model(&Ticket{}).Select("string_agg(title, ',')").Having("true OR true").Scan(&all).Error
			return all, err
		}),
	}
}

// upsertPaths write where rows may be there already.
func upsertPaths(db *gorm.DB) []conformance.Path {
	type target = conformance.Target
	return []conformance.Path{
		writes("upsert by primary key", func(ctx context.Context, x target) error {
			ticket := Ticket{Tenant: gormstratum.Tenant{TenantID: x.Tenant}, ID: x.Ticket, Number: "T-1", Title: "taken"}
			return db.WithContext(ctx).Clauses(clause.OnConflict{
				Columns: []clause.Column{{Name: "id"}}, DoUpdates: clause.AssignmentColumns([]string{"title"}),
			}).Create(&ticket).Error
		}),
		writes("nested Create of a ticket that exists", func(ctx context.Context, x target) error {
			tenant := gormstratum.Tenant{TenantID: x.Tenant}
			return db.WithContext(ctx).Session(&gorm.Session{FullSaveAssociations: true}).Create(&Comment{
				Tenant: tenant, TicketID: x.Ticket, Body: "new",
				Ticket: &Ticket{Tenant: tenant, ID: x.Ticket, Number: "T-1", Title: "taken"},
			}).Error
		}),
		writes("Association Replace", func(ctx context.Context, x target) error {
			tenant := gormstratum.Tenant{TenantID: x.Tenant}
			ticket := Ticket{Tenant: tenant, ID: x.Ticket}
			return db.WithContext(ctx).Model(&ticket).Association("Comments").
				Replace(&Comment{Tenant: tenant, TicketID: x.Ticket, Body: "instead"})
		}),
		writes("Delete with its association", func(ctx context.Context, x target) error {
			if err := db.WithContext(ctx).Delete(&Watcher{}, "ticket_id = ?", x.Ticket).Error; err != nil {
				return err
			}
			return db.WithContext(ctx).Select("Comments", "Tags").Delete(&Ticket{ID: x.Ticket}).Error
		}),
		writes("Update from a sub-query", func(ctx context.Context, x target) error {
			return db.WithContext(ctx).Model(&Ticket{}).Where("id = ?", x.Ticket).
				Update("title", db.Model(&Comment{}).Select("'taken'").Where("ticket_id = ?", x.Ticket)).Error
		}),
		writes("generics Updates", func(ctx context.Context, x target) error {
			_, err := gorm.G[Ticket](db).Where("id = ?", x.Ticket).Updates(ctx, Ticket{Title: "taken"})
			return err
		}),
	}
}

func writePaths(db *gorm.DB) []conformance.Path {
	type target = conformance.Target
	return []conformance.Path{
		asSystem(gormstratum.ErrTenantID, writes("Create of a child", func(ctx context.Context, x target) error {
			return db.WithContext(ctx).Create(&Comment{TicketID: x.Ticket, Body: "new"}).Error
		})),
		writes("Create with the tenant's id", func(ctx context.Context, x target) error {
			tenant := gormstratum.Tenant{TenantID: x.Tenant}
			return db.WithContext(ctx).Create(&Ticket{Tenant: tenant, Number: "T-2", Title: "new"}).Error
		}),
		writes("Create from a map with the tenant's id", func(ctx context.Context, x target) error {
			return db.WithContext(ctx).Model(&Ticket{}).Create(map[string]any{
				"tenant_id": x.Tenant, "number": "T-2", "title": "new",
			}).Error
		}),
		writes("Save", func(ctx context.Context, x target) error {
			tenant := gormstratum.Tenant{TenantID: x.Tenant}
			return db.WithContext(ctx).Save(&Ticket{Tenant: tenant, ID: x.Ticket, Number: "T-1", Title: "taken"}).Error
		}),
		asSystem(gormstratum.ErrTenantID, writes("Save without the tenant's id", func(ctx context.Context, x target) error {
			return db.WithContext(ctx).Clauses(clause.OnConflict{UpdateAll: true}).
				Create(&Ticket{ID: x.Ticket, Number: "T-9", Title: "taken"}).Error
		})),
		writes("Updates with a map", func(ctx context.Context, x target) error {
			return db.WithContext(ctx).Model(&Ticket{}).Where("id = ?", x.Ticket).
				Updates(map[string]any{"title": "taken"}).Error
		}),
		writes("Update behind a widening Or", func(ctx context.Context, x target) error {
			return db.WithContext(ctx).Model(&Ticket{}).Where("number = ?", "none").Or("id = ?", x.Ticket).
				Update("title", "taken").Error
		}),
		writes("UpdateColumn with Returning", func(ctx context.Context, x target) error {
			return db.WithContext(ctx).Model(&Ticket{ID: x.Ticket}).Clauses(clause.Returning{}).
				UpdateColumn("title", "taken").Error
		}),
		writes("Delete by primary key", func(ctx context.Context, x target) error {
			return db.WithContext(ctx).Delete(&Comment{}, "id = ?", x.Comment).Error
		}),
		asSystem(core.ErrNoTenant, writes("Association Append", func(ctx context.Context, x target) error {
			ticket := Ticket{ID: x.Ticket, Tenant: gormstratum.Tenant{TenantID: x.Tenant}}
			return db.WithContext(ctx).Omit("Tags.*").Model(&ticket).Association("Tags").Append(&Tag{ID: x.Spare})
		})),
		writes("Association Clear", func(ctx context.Context, x target) error {
			return db.WithContext(ctx).Model(&Ticket{ID: x.Ticket}).Association("Tags").Clear()
		}),
		writes("Transaction with a savepoint", func(ctx context.Context, x target) error {
			return db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
				return tx.Transaction(func(nested *gorm.DB) error {
					return nested.Model(&Ticket{}).Where("id = ?", x.Ticket).Update("title", "taken").Error
				})
			})
		}),
	}
}

func rawPaths(db *gorm.DB) []conformance.Path {
	type target = conformance.Target
	const selectSQL = "SELECT title FROM tickets WHERE id = $1"
	return []conformance.Path{
		reads("Raw SELECT", func(ctx context.Context, x target) (any, error) {
			var title string
			err := db.WithContext(ctx).Raw("SELECT title FROM tickets WHERE id = ?", x.Ticket).Scan(&title).Error
			return title, err
		}),
		writes("Exec UPDATE", func(ctx context.Context, x target) error {
			return db.WithContext(ctx).Exec("UPDATE tickets SET title = 'taken' WHERE id = ?", x.Ticket).Error
		}),
		writes("Exec DELETE in a CTE", func(ctx context.Context, x target) error {
			return db.WithContext(ctx).Exec("WITH gone AS (DELETE FROM comments WHERE id = ? RETURNING id) "+
				"SELECT count(*) FROM gone", x.Comment).Error
		}),
		writes("Exec INSERT from a SELECT", func(ctx context.Context, x target) error {
			return db.WithContext(ctx).Exec("INSERT INTO comments (tenant_id, id, ticket_id, body) "+
				"SELECT tenant_id, gen_random_uuid(), id, title FROM tickets WHERE id = ?", x.Ticket).Error
		}),
		writes("Exec of a DO block", func(ctx context.Context, x target) error {
			return db.WithContext(ctx).Exec("DO $$ BEGIN UPDATE tickets SET title = 'taken' WHERE id = '" +
				x.Ticket.String() + "'; END $$").Error
		}),
		reads("plain database/sql", func(ctx context.Context, x target) (any, error) {
			pool, err := db.DB()
			if err != nil {
				return nil, err
			}
			return titles(pool.QueryContext(ctx, selectSQL, x.Ticket))
		}),
		reads("plain database/sql, prepared", func(ctx context.Context, x target) (any, error) {
			pool, err := db.DB()
			if err != nil {
				return nil, err
			}
			stmt, err := pool.PrepareContext(ctx, selectSQL)
			if err != nil {
				return nil, err
			}
			defer func() { _ = stmt.Close() }() // it is lazy: there is nothing to close
			return titles(stmt.QueryContext(ctx, x.Ticket))
		}),
		writes("plain database/sql, transaction", func(ctx context.Context, x target) error {
			pool, err := db.DB()
			if err != nil {
				return err
			}
			tx, err := pool.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback() }() // after Commit it has nothing to do
			if _, err := tx.ExecContext(ctx, "UPDATE tickets SET title = 'taken' WHERE id = $1", x.Ticket); err != nil {
				return err
			}
			return tx.Commit()
		}),
	}
}
