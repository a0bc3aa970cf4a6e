package gormstratum_test

import (
	"errors"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/internal/conformance"
)

// createPaths add rows, in every form that GORM takes them in.
func createPaths(db *gorm.DB) []conformance.Path {
	comment := func(x target) Comment { return Comment{Tenant: of(x), TicketID: x.Ticket, Body: "new"} }
	row := func(x target) map[string]any {
		return map[string]any{"tenant_id": x.Tenant, "ticket_id": x.Ticket, "body": "new"}
	}
	return writing(db, map[string]write{
		"Create of a slice":   func(tx *gorm.DB, x target) error { return tx.Create(&[]Comment{comment(x), comment(x)}).Error },
		"Create of pointers":  func(tx *gorm.DB, x target) error { v := comment(x); return tx.Create([]*Comment{&v}).Error },
		"Create of an array":  func(tx *gorm.DB, x target) error { return tx.Create(&[1]Comment{comment(x)}).Error },
		"Create of maps":      func(tx *gorm.DB, x target) error { return tx.Model(&Comment{}).Create(&[]map[string]any{row(x)}).Error },
		"Create into a Table": func(tx *gorm.DB, x target) error { return tx.Table("comments").Create(row(x)).Error },
		"CreateInBatches": func(tx *gorm.DB, x target) error {
			return tx.CreateInBatches([]Comment{comment(x), comment(x)}, 1).Error
		},
		"Create with Returning": func(tx *gorm.DB, x target) error {
			v := comment(x)
			return tx.Clauses(clause.Returning{}).Create(&v).Error
		},
		"Create of selected fields": func(tx *gorm.DB, x target) error {
			v := comment(x)
			return tx.Select("TenantID", "TicketID").Create(&v).Error
		},
		"Create without a field": func(tx *gorm.DB, x target) error { v := comment(x); return tx.Omit("Body").Create(&v).Error },
		"CreateBatchSize": func(tx *gorm.DB, x target) error {
			return tx.Session(&gorm.Session{CreateBatchSize: 1}).Create(&[]Comment{comment(x), comment(x)}).Error
		},
		"SkipHooks Create": func(tx *gorm.DB, x target) error {
			v := comment(x)
			return tx.Session(&gorm.Session{SkipHooks: true}).Create(&v).Error
		},
		"FirstOrCreate": func(tx *gorm.DB, x target) error {
			v := Comment{Tenant: of(x)}
			return tx.Where(&Comment{TicketID: x.Ticket, Body: "absent"}).FirstOrCreate(&v).Error
		},
		"FirstOrCreate with Assign": func(tx *gorm.DB, x target) error {
			v := Ticket{Tenant: of(x)}
			return tx.Where(&Ticket{ID: x.Ticket, Number: x.Number}).Assign(&Ticket{Tenant: of(x), Title: "taken"}).FirstOrCreate(&v).Error
		},
		"ON CONFLICT DO NOTHING": func(tx *gorm.DB, x target) error {
			return tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&[]Ticket{
				{Tenant: of(x), ID: x.Ticket, Number: x.Number}, {Tenant: of(x), Number: "T-8"},
			}).Error
		},
		"ON CONFLICT of a rewritten key": func(tx *gorm.DB, x target) error {
			return tx.Clauses(clause.OnConflict{Columns: columns("number"), DoUpdates: clause.Assignments(map[string]any{"title": "taken"})}).
				Create(&Ticket{Tenant: of(x), Number: x.Number}).Error
		},
		"ON CONFLICT of a constraint": func(tx *gorm.DB, x target) error {
			return tx.Clauses(clause.OnConflict{OnConstraint: "uni_tags_name", UpdateAll: true}).
				Create(&Tag{Tenant: of(x), Name: "vip", Title: "taken"}).Error
		},
		"ON CONFLICT with WHERE": func(tx *gorm.DB, x target) error {
			return tx.Clauses(clause.OnConflict{
				Columns: columns("id"), DoUpdates: clause.AssignmentColumns([]string{"title"}),
				Where: clause.Where{Exprs: []clause.Expression{gorm.Expr("tickets.title LIKE ?", "%"+x.Secret)}},
			}).Create(&Ticket{Tenant: of(x), ID: x.Ticket, Number: x.Number, Title: "taken"}).Error
		},
		"Save of a slice": func(tx *gorm.DB, x target) error {
			return tx.Save(&[]Ticket{{Tenant: of(x), ID: x.Ticket, Number: x.Number, Title: "taken"}}).Error
		},
		"Save of a new row": func(tx *gorm.DB, x target) error {
			return tx.Save(&Comment{Tenant: of(x), ID: uuid.New(), TicketID: x.Ticket, Body: "new"}).Error
		},
	})
}

// changePaths change and remove rows.
func changePaths(db *gorm.DB) []conformance.Path {
	byID := func(tx *gorm.DB, x target) *gorm.DB { return tx.Model(&Ticket{}).Where("id = ?", x.Ticket) }
	return writing(db, map[string]write{
		"Updates with a struct": func(tx *gorm.DB, x target) error { return byID(tx, x).Updates(Ticket{Title: "taken"}).Error },
		"Updates of all fields": func(tx *gorm.DB, x target) error {
			return tx.Model(&Ticket{ID: x.Ticket}).Select("*").Omit("ID", "Number").
				Updates(Ticket{Tenant: of(x), Title: "taken"}).Error
		},
		"Update with an expression": func(tx *gorm.DB, x target) error {
			return byID(tx, x).Update("title", gorm.Expr("title || ?", "!")).Error
		},
		"UpdateColumns": func(tx *gorm.DB, x target) error { return byID(tx, x).UpdateColumns(Ticket{Title: "taken"}).Error },
		"Update of a Table": func(tx *gorm.DB, x target) error {
			return tx.Table("tickets").Where("id = ?", x.Ticket).Updates(map[string]any{"title": "taken"}).Error
		},
		"Update in a line of its own": func(tx *gorm.DB, x target) error {
			return tx.Model(&Ticket{}).Where("1 = 0\nOR id = ?", x.Ticket).Update("title", "taken").Error
		},
		"AllowGlobalUpdate": func(tx *gorm.DB, x target) error {
			return tx.Session(&gorm.Session{AllowGlobalUpdate: true}).Model(&Ticket{ID: x.Ticket}).Update("title", "taken").Error
		},
		"PrepareStmt Update": func(tx *gorm.DB, x target) error {
			return byID(tx.Session(&gorm.Session{PrepareStmt: true}), x).Update("title", "taken").Error
		},
		"SkipDefaultTransaction Update": func(tx *gorm.DB, x target) error {
			return byID(tx.Session(&gorm.Session{SkipDefaultTransaction: true}), x).Update("title", "taken").Error
		},
		"hook that updates": func(tx *gorm.DB, x target) error {
			return tx.Model(&talking{ID: x.Ticket}).Update("title", "taken").Error
		},
		"hook that deletes": func(tx *gorm.DB, x target) error {
			if err := tx.Delete(&Watcher{}, "ticket_id = ?", x.Ticket).Error; err != nil {
				return err
			}
			if err := tx.Model(&Ticket{ID: x.Ticket}).Association("Tags").Clear(); err != nil {
				return err
			}
			return tx.Delete(&talking{ID: x.Ticket}).Error
		},
		"Delete of a slice": func(tx *gorm.DB, x target) error { return tx.Delete(&[]Comment{{ID: x.Comment}}).Error },
		"Delete with Returning": func(tx *gorm.DB, x target) error {
			var gone []Comment
			err := tx.Clauses(clause.Returning{}).Where("id = ?", x.Comment).Delete(&gone).Error
			return err
		},
		"Delete from a Table": func(tx *gorm.DB, x target) error {
			return tx.Table("comments").Where("id = ?", x.Comment).Delete(nil).Error
		},
		"soft Delete": func(tx *gorm.DB, x target) error { return tx.Delete(&Remark{ID: x.Reply}).Error },
		"Unscoped Delete": func(tx *gorm.DB, x target) error {
			return tx.Unscoped().Where("id = ?", x.Reply).Delete(&Remark{}).Error
		},
		"after RollbackTo": func(tx *gorm.DB, x target) error {
			return tx.Transaction(func(tx *gorm.DB) error {
				tx.SavePoint("s")
				byID(tx, x).Update("title", "gone")
				tx.RollbackTo("s")
				return byID(tx, x).Update("title", "taken").Error
			})
		},
		"after an inner failure": func(tx *gorm.DB, x target) error {
			return tx.Transaction(func(tx *gorm.DB) error {
				failed := errors.New("inner")
				err := tx.Transaction(func(tx *gorm.DB) error { byID(tx, x).Update("title", "gone"); return failed })
				if !errors.Is(err, failed) {
					return err
				}
				return byID(tx, x).Update("title", "taken").Error
			})
		},
		"Begin and Commit": func(tx *gorm.DB, x target) error {
			tx = tx.Begin()
			if tx.Error != nil {
				return tx.Error
			}
			defer tx.Rollback()
			if err := byID(tx, x).Update("title", "taken").Error; err != nil {
				return err
			}
			return tx.Commit().Error
		},
		"FindInBatches that saves": func(tx *gorm.DB, x target) error {
			var batch []Ticket
			return tx.Where("id = ?", x.Ticket).FindInBatches(&batch, 1, func(tx *gorm.DB, _ int) error {
				batch[0].Title = "taken"
				return tx.Save(&batch).Error
			}).Error
		},
	})
}
