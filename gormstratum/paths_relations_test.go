package gormstratum_test

import (
	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
	"github.com/stratum-hq/stratum-go/internal/conformance"
)

// relationReadPaths follow relations of every kind.
func relationReadPaths(db *gorm.DB) []conformance.Path {
	person := func(tx *gorm.DB, x target) (*Person, error) {
		var v Person
		return &v, tx.First(&v, "id = ?", x.Person).Error
	}
	return reading(db, map[string]read{
		"Preload of a has-one": func(tx *gorm.DB, x target) (any, error) {
			v, err := person(tx.Preload("Badge"), x)
			return deref(v.Badge), err
		},
		"Preload of a polymorphic": func(tx *gorm.DB, x target) (any, error) {
			v, err := person(tx.Preload("Remarks"), x)
			return v.Remarks, err
		},
		"Preload through a join model": func(tx *gorm.DB, x target) (any, error) {
			v, err := person(tx.Preload("Watched"), x)
			return v.Watched, err
		},
		"nested Preload": func(tx *gorm.DB, x target) (any, error) {
			v, err := person(tx.Preload("Watched.Comments").Preload("Watched.Tags"), x)
			return v.Watched, err
		},
		"Preload of all": func(tx *gorm.DB, x target) (any, error) {
			v, err := person(tx.Preload(clause.Associations), x)
			return []any{deref(v.Badge), v.Watched, v.Remarks}, err
		},
		"Preload that widens": func(tx *gorm.DB, x target) (any, error) {
			v, err := person(tx.Preload("Watched", func(tx *gorm.DB) *gorm.DB {
				return tx.Where("1 = 0").Or("id = ?", x.Ticket)
			}), x)
			return v.Watched, err
		},
		"Preload with conditions": func(tx *gorm.DB, x target) (any, error) {
			v, err := person(tx.Preload("Remarks", "title = ?\nOR id = ?", "", x.Remark), x)
			return v.Remarks, err
		},
		"Preload with a sub-query": func(tx *gorm.DB, x target) (any, error) {
			v, err := person(tx.Preload("Remarks", "owner_id IN (?)", db.Model(&Person{}).Select("id")), x)
			return v.Remarks, err
		},
		"Preload of a self relation": func(tx *gorm.DB, x target) (any, error) {
			var v Remark
			err := tx.Preload("Replies").First(&v, "id = ?", x.Remark).Error
			return v.Replies, err
		},
		"Joins of a self relation": func(tx *gorm.DB, x target) (any, error) {
			var v []Remark
			err := tx.Joins("Parent").Find(&v, "remarks.id = ?", x.Reply).Error
			return deref(last(v).Parent), err
		},
		"nested Joins": func(tx *gorm.DB, x target) (any, error) {
			var v []Remark
			err := tx.InnerJoins("Parent").Joins("Parent.Parent").Find(&v, "remarks.id = ?", x.Reply).Error
			return deref(last(v).Parent), err
		},
		"Joins of a has-one": func(tx *gorm.DB, x target) (any, error) {
			var v []Person
			err := tx.Joins("Badge", db.Where("1 = 0").Or("1 = 1")).Find(&v, "people.id = ?", x.Person).Error
			return deref(last(v).Badge), err
		},
		"Joins with a sub-query in ON": func(tx *gorm.DB, x target) (any, error) {
			return find[Comment](tx.Joins("Ticket", db.Where(`"Ticket"."id" IN (?)`, db.Model(&Ticket{}).Select("id"))).
				Where(`comments.id = ? AND "Ticket"."id" IS NOT NULL`, x.Comment))
		},
		"Joins of a sub-query": func(tx *gorm.DB, x target) (any, error) {
			return scanned(tx.Model(&Ticket{}).Select("c.body").
				Joins("JOIN (?) AS c ON c.ticket_id = tickets.id", db.Model(&Comment{}).Where("ticket_id = ?", x.Ticket)))
		},
		"Joins of a sub-query with ctx": func(tx *gorm.DB, x target) (any, error) {
			inner := tx.Session(&gorm.Session{NewDB: true}).Model(&Comment{}).Where("ticket_id = ?", x.Ticket)
			return scanned(tx.Model(&Ticket{}).Select("c.body").Joins("JOIN (?) AS c ON ?", inner, true))
		},
		"Association Count": func(tx *gorm.DB, x target) (any, error) {
			a := tx.Model(&Person{ID: x.Person}).Association("Watched")
			n := a.Count()
			return told(x, n, a.Error)
		},
		"Association Find that widens": func(tx *gorm.DB, x target) (any, error) {
			var v []Remark
			err := tx.Model(&Person{ID: x.Person}).Association("Remarks").Find(&v, "1 = 0 OR 1 = 1")
			return v, err
		},
		"Association Find of belongs-to": func(tx *gorm.DB, x target) (any, error) {
			var v []Ticket
			err := tx.Model(&Comment{TicketID: x.Ticket}).Association("Ticket").Find(&v)
			return v, err
		},
		"SELECT with a sub-query": func(tx *gorm.DB, x target) (any, error) {
			return scanned(tx.Model(&Ticket{}).Select("(?) AS n", db.Model(&Comment{}).Select("max(body)")).Where("id = ?", x.Ticket))
		},
		"HAVING with a sub-query": func(tx *gorm.DB, x target) (any, error) {
			return scanned(tx.Model(&Comment{}).Select("max(body) AS m").Group("ticket_id").
				Having("ticket_id IN (?)", db.Model(&Ticket{}).Select("id").Where("id = ?", x.Ticket)))
		},
		"EXISTS with a sub-query": func(tx *gorm.DB, x target) (any, error) {
			return find[Ticket](tx.Where("EXISTS (?)", db.Model(&Comment{}).Select("1").Where("comments.ticket_id = ?", x.Ticket)))
		},
		"sub-query in a sub-query": func(tx *gorm.DB, x target) (any, error) {
			inner := db.Model(&Person{}).Select("id").Where("id = ?", x.Person)
			return find[Ticket](tx.Where("id IN (?)", db.Model(&Watcher{}).Select("ticket_id").Where("person_id IN (?)", inner)))
		},
		"sub-query of generics": func(tx *gorm.DB, x target) (any, error) {
			return find[Ticket](tx.Where("id IN (?)", gorm.G[Comment](db).Select("ticket_id").Where("ticket_id = ?", x.Ticket)))
		},
		"sub-query in SQL": func(tx *gorm.DB, x target) (any, error) {
			return scanned(tx.Raw("SELECT * FROM (?) AS t WHERE id IN (?)", db.Model(&Ticket{}),
				db.Model(&Comment{}).Select("ticket_id").Where("ticket_id = ?", x.Ticket)))
		},
		"UNION of sub-queries": func(tx *gorm.DB, x target) (any, error) {
			return scanned(tx.Raw("? UNION ALL ?", db.Model(&Ticket{}).Select("title").Where("id = ?", x.Ticket),
				db.Model(&Tag{}).Select("title").Where("id = ?", x.Tag)))
		},
	})
}

// relationWritePaths change what is related, and how.
func relationWritePaths(db *gorm.DB) []conformance.Path {
	person := func(x target) *Person { return &Person{Tenant: of(x), ID: x.Person} }
	ticket := func(x target) *Ticket { return &Ticket{Tenant: of(x), ID: x.Ticket} }
	// The join rows that GORM makes up have no tenant's id, and the system must say whose they are.
	refused := map[string]error{
		"Append to a many2many": core.ErrNoTenant, "Replace a many2many": core.ErrNoTenant,
		"Append through a join model": gormstratum.ErrTenantID,
	}
	paths := writing(db, map[string]write{
		"Append to a has-many": func(tx *gorm.DB, x target) error {
			return tx.Model(ticket(x)).Association("Comments").Append(&Comment{Tenant: of(x), Body: "new"})
		},
		"Append to a many2many": func(tx *gorm.DB, x target) error {
			return inOneTx(tx, func(tx *gorm.DB) error {
				return tx.Model(&Ticket{ID: x.Ticket}).Association("Tags").Append(&Tag{Tenant: of(x), Name: "new", Title: "new"})
			})
		},
		"Replace a many2many": func(tx *gorm.DB, x target) error {
			return inOneTx(tx, func(tx *gorm.DB) error {
				return tx.Model(ticket(x)).Association("Tags").Replace(&Tag{Tenant: of(x), Name: "new"})
			})
		},
		"Delete from a many2many": func(tx *gorm.DB, x target) error {
			return tx.Model(ticket(x)).Association("Tags").Delete(&Tag{ID: x.Tag})
		},
		"Delete from a has-many": func(tx *gorm.DB, x target) error {
			return tx.Model(person(x)).Association("Remarks").Delete(&Remark{ID: x.Remark})
		},
		"Clear a polymorphic": func(tx *gorm.DB, x target) error {
			return tx.Model(person(x)).Association("Remarks").Clear()
		},
		"Unscoped Clear": func(tx *gorm.DB, x target) error {
			return tx.Model(person(x)).Association("Remarks").Unscoped().Clear()
		},
		"Append to a polymorphic": func(tx *gorm.DB, x target) error {
			return tx.Model(person(x)).Association("Remarks").Append(&Remark{Tenant: of(x), Title: "new"})
		},
		"Replace a has-one": func(tx *gorm.DB, x target) error {
			return tx.Model(person(x)).Association("Badge").Replace(&Badge{Tenant: of(x), Title: "new"})
		},
		"Replace a belongs-to": func(tx *gorm.DB, x target) error {
			return tx.Model(&Badge{Tenant: of(x), ID: x.Badge}).Association("Person").
				Replace(&Person{Tenant: of(x), Title: "new"})
		},
		"Clear a join model": func(tx *gorm.DB, x target) error {
			return tx.Model(person(x)).Association("Watched").Clear()
		},
		"Append through a join model": func(tx *gorm.DB, x target) error {
			return inOneTx(tx, func(tx *gorm.DB) error {
				return tx.Omit("Watched.Comments").Model(person(x)).Association("Watched").
					Append(&Ticket{Tenant: of(x), Number: "T-7", Title: "new"})
			})
		},
		"join model by itself": func(tx *gorm.DB, x target) error {
			return tx.Model(&Watcher{}).Where("ticket_id = ? AND person_id = ?", x.Ticket, x.Person).Update("title", "taken").Error
		},
		"Delete with all associations": func(tx *gorm.DB, x target) error {
			if err := tx.Session(&gorm.Session{NewDB: true}).Delete(&Watcher{}, "person_id = ?", x.Person).Error; err != nil {
				return err
			}
			return tx.Select(clause.Associations).Delete(&Person{ID: x.Person}).Error
		},
		"Create with everything below": func(tx *gorm.DB, x target) error {
			return tx.Create(&Person{
				Tenant: of(x), Title: "new", Badge: &Badge{Tenant: of(x)}, Remarks: []Remark{{Tenant: of(x)}},
			}).Error
		},
		"Save with everything below": func(tx *gorm.DB, x target) error {
			v := ticket(x)
			v.Number, v.Title = x.Number, "taken"
			v.Comments = []Comment{{Tenant: of(x), ID: x.Comment, TicketID: x.Ticket, Body: "taken"}}
			return tx.Session(&gorm.Session{FullSaveAssociations: true}).Save(v).Error
		},
		"Update of a related row": func(tx *gorm.DB, x target) error {
			return tx.Model(&Comment{}).Where("ticket_id IN (?)", db.Model(&Ticket{}).Select("id").Where("id = ?", x.Ticket)).
				Update("body", "taken").Error
		},
		"Delete of related rows": func(tx *gorm.DB, x target) error {
			return tx.Where("ticket_id IN (?)", db.Model(&Ticket{}).Select("id").Where("id = ?", x.Ticket)).Delete(&Comment{}).Error
		},
		"Update with FROM": func(tx *gorm.DB, x target) error {
			return tx.Model(&Comment{}).Clauses(clause.From{Tables: []clause.Table{{Name: "tickets"}}}).
				Where("tickets.id = comments.ticket_id AND tickets.id = ?", x.Ticket).Update("body", gorm.Expr("tickets.number")).Error
		},
		"map with a sub-query": func(tx *gorm.DB, x target) error {
			title := db.Model(&Ticket{}).Select("title").Where("id = ?", x.Ticket)
			return tx.Model(&Comment{}).Create(map[string]any{
				"tenant_id": x.Tenant, "id": uuid.New(), "ticket_id": x.Ticket, "body": gorm.Expr("(?)", title),
			}).Error
		},
	})
	for i, p := range paths {
		paths[i] = asSystem(refused[p.Name], p)
	}
	return paths
}

// inOneTx is a transaction, so that a refusal of the second write undoes the first, whatever the configuration.
func inOneTx(tx *gorm.DB, fn func(tx *gorm.DB) error) error { return tx.Transaction(fn) }

func deref[T any](v *T) any {
	if v == nil {
		return nil
	}
	return *v
}

func last[T any](list []T) (v T) {
	if len(list) > 0 {
		v = list[len(list)-1]
	}
	return v
}
