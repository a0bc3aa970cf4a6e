package main

import (
	"context"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/examples/internal/attack"
	"github.com/stratum-hq/stratum-go/examples/internal/dataset"
)

// changeAttempts change or delete rows of another tenant.
func (s *scene) changeAttempts() []attack.Attempt {
	return slices.Concat([]attack.Attempt{
		attack.Try("Update where tenant_id is another's", attack.Nothing(), s.updateWhere),
		attack.Try("Updates of another's model", attack.Nothing(), s.updatesModel),
		attack.Try("UpdateColumn with Or", attack.OwnRows(), s.updateWithOr),
		attack.Try("Delete by another's primary key", attack.Nothing(), s.deleteByKey),
		attack.Try("Delete where tenant_id is another's", attack.Nothing(), s.deleteWhere),
		attack.Try("Update of all rows", attack.Refused(gorm.ErrMissingWhereClause), s.updateAll),
		attack.Try("Delete of all rows, allowed on purpose", attack.OwnRows(), s.deleteAll),
	}, s.Changes(), []attack.Attempt{
		attack.Try("Save of another's ticket", attack.Refused(core.ErrCrossTenant), s.saveOther),
		attack.Try("Save of another's comment as an own one", attack.Refused(core.ErrCrossTenant), s.saveAsOwn),
		attack.Try("upsert on another's primary key", attack.Refused(core.ErrCrossTenant), s.upsert),
	}, s.Upserts())
}

// forgeAttempts write rows that would be another tenant's.
func (s *scene) forgeAttempts() []attack.Attempt {
	return slices.Concat([]attack.Attempt{
		attack.Try("Create with another's TenantID", attack.Refused(core.ErrCrossTenant), s.createForOther),
		attack.Try("Create of a batch with one such row", attack.Refused(core.ErrCrossTenant), s.createBatchForOther),
		attack.Try("Create from a map with such a tenant_id", attack.Refused(core.ErrCrossTenant), s.createMapForOther),
	}, s.Forgeries(), []attack.Attempt{
		attack.Try("Create with another's primary key", attack.Refused(core.ErrDuplicateKey), s.createWithKey),
		attack.Try("Update of tenant_id: giving a row away", attack.Refused(core.ErrCrossTenant), s.giveAway),
	}, s.Gifts())
}

func (s *scene) updateWhere(ctx context.Context) (attack.Reached, error) {
	return change(s.db.WithContext(ctx).Model(&Ticket{}).
		Where("tenant_id = ?", s.Other.Tenant.ID).Update("status", dataset.StatusClosed), s.Other)
}

func (s *scene) updatesModel(ctx context.Context) (attack.Reached, error) {
	return change(s.db.WithContext(ctx).Model(&s.other.ticket).
		Updates(map[string]any{"subject": "changed", "priority": dataset.PriorityLow}), s.Other)
}

// updateWithOr reaches all that it can, and shows whose rows these were.
func (s *scene) updateWithOr(ctx context.Context) (attack.Reached, error) {
	return undone(s.db.WithContext(ctx), func(tx *gorm.DB) (attack.Reached, error) {
		var changed []Ticket
		err := tx.Model(&changed).Clauses(clause.Returning{}).
			Where("number = ?", "none").Or("1 = 1").UpdateColumn("subject", "changed").Error
		return ownersOf(changed), err
	})
}

func (s *scene) deleteByKey(ctx context.Context) (attack.Reached, error) {
	return change(s.db.WithContext(ctx).Delete(&Comment{}, "id = ?", s.other.comment.ID), s.Other)
}

func (s *scene) deleteWhere(ctx context.Context) (attack.Reached, error) {
	return change(s.db.WithContext(ctx).Unscoped().
		Where("tenant_id = ?", s.Other.Tenant.ID).Delete(&Comment{}), s.Other)
}

func (s *scene) updateAll(ctx context.Context) (attack.Reached, error) {
	return change(s.db.WithContext(ctx).Model(&Ticket{}).Update("status", dataset.StatusClosed), s.Other)
}

func (s *scene) deleteAll(ctx context.Context) (attack.Reached, error) {
	db := s.db.Session(&gorm.Session{AllowGlobalUpdate: true, Context: ctx})
	return undone(db, func(tx *gorm.DB) (attack.Reached, error) {
		var deleted []Comment
		err := tx.Clauses(clause.Returning{}).Delete(&deleted).Error
		return ownersOf(deleted), err
	})
}

// saveOther saves a ticket that the tenant cannot have read. GORM's Save turns into an upsert where the UPDATE found no
// row.
func (s *scene) saveOther(ctx context.Context) (attack.Reached, error) {
	ticket := s.other.ticket
	ticket.Subject = "changed"
	return change(s.db.WithContext(ctx).Save(&ticket), s.Other)
}

// saveAsOwn says that another's comment is an own one, on an own ticket.
func (s *scene) saveAsOwn(ctx context.Context) (attack.Reached, error) {
	comment := s.other.comment
	comment.TenantID, comment.TicketID = s.Me.Tenant.ID, s.me.ticket.ID
	return change(s.db.WithContext(ctx).Save(&comment), s.Other)
}

func (s *scene) upsert(ctx context.Context) (attack.Reached, error) {
	comment := newOwnComment(s)
	comment.ID = s.other.comment.ID
	return change(s.db.WithContext(ctx).Clauses(clause.OnConflict{UpdateAll: true}).Create(&comment), s.Other)
}

// newOwnTicket is a ticket that may be created.
func newOwnTicket() Ticket {
	return Ticket{
		Number: "T-forged", Subject: "forged", Status: dataset.StatusOpen, Priority: dataset.PriorityLow,
		OpenedAt: time.Now(),
	}
}

// newOwnComment is a comment that may be created.
func newOwnComment(s *scene) Comment {
	return Comment{TicketID: s.me.ticket.ID, Author: "mallory@example.org", Body: "forged", WrittenAt: time.Now()}
}

func (s *scene) createForOther(ctx context.Context) (attack.Reached, error) {
	ticket := newOwnTicket()
	ticket.TenantID = s.Other.Tenant.ID
	return change(s.db.WithContext(ctx).Create(&ticket), s.Other)
}

func (s *scene) createBatchForOther(ctx context.Context) (attack.Reached, error) {
	tags := []Tag{{Name: "forged 1"}, {Name: "forged 2"}, {Name: "forged 3"}}
	tags[1].TenantID = s.Other.Tenant.ID
	return change(s.db.WithContext(ctx).Create(&tags), s.Other)
}

func (s *scene) createMapForOther(ctx context.Context) (attack.Reached, error) {
	return change(s.db.WithContext(ctx).Model(&Tag{}).
		Create(map[string]any{"name": "forged", "tenant_id": s.Other.Tenant.ID}), s.Other)
}

// createWithKey guesses an id. The refusal says that it is taken, and not by whom: hence random ids.
func (s *scene) createWithKey(ctx context.Context) (attack.Reached, error) {
	tag := Tag{ID: s.other.tag.ID, Name: "forged"}
	return change(s.db.WithContext(ctx).Create(&tag), s.Other)
}

func (s *scene) giveAway(ctx context.Context) (attack.Reached, error) {
	return change(s.db.WithContext(ctx).Model(&Tag{}).Where("id = ?", s.me.tag.ID).
		Update("tenant_id", s.Other.Tenant.ID), s.Other)
}
