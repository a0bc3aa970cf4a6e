package main

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/core"
)

// changeAttempts change or delete rows of another tenant.
func changeAttempts() []attempt {
	return []attempt{
		{"Update where tenant_id is another's", nothing(), updateWhere},
		{"Updates of another's model", nothing(), updatesModel},
		{"UpdateColumn with Or", ownRows(), updateWithOr},
		{"Delete by another's primary key", nothing(), deleteByKey},
		{"Delete where tenant_id is another's", nothing(), deleteWhere},
		{"Update of all rows", refused(gorm.ErrMissingWhereClause), updateAll},
		{"Delete of all rows, allowed on purpose", ownRows(), deleteAll},
		{"raw UPDATE", nothing(), rawUpdate},
		{"raw UPDATE ... FROM", nothing(), rawUpdateFrom},
		{"raw DELETE", nothing(), rawDelete},
		{"raw DELETE in a CTE", nothing(), rawDeleteCTE},
		{"Save of another's ticket", refused(core.ErrCrossTenant), saveOther},
		{"Save of another's comment as an own one", refused(core.ErrCrossTenant), saveAsOwn},
		{"upsert on another's primary key", refused(core.ErrCrossTenant), upsert},
		{"raw INSERT ... ON CONFLICT DO UPDATE", refused(core.ErrCrossTenant), rawUpsert},
	}
}

// forgeAttempts write rows that would be another tenant's.
func forgeAttempts() []attempt {
	return []attempt{
		{"Create with another's TenantID", refused(core.ErrCrossTenant), createForOther},
		{"Create of a batch with one such row", refused(core.ErrCrossTenant), createBatchForOther},
		{"Create from a map with such a tenant_id", refused(core.ErrCrossTenant), createMapForOther},
		{"raw INSERT with such a tenant_id", refused(core.ErrCrossTenant), rawInsert},
		{"raw INSERT ... SELECT of another's rows", nothing(), rawInsertSelect},
		{"Create with another's primary key", refused(core.ErrDuplicateKey), createWithKey},
		{"Update of tenant_id: giving a row away", refused(core.ErrCrossTenant), giveAway},
		{"raw UPDATE of tenant_id", refused(core.ErrCrossTenant), rawGiveAway},
	}
}

func updateWhere(ctx context.Context, s *scene) (reached, error) {
	return change(s.db.WithContext(ctx).Model(&Ticket{}).
		Where("tenant_id = ?", s.other.tenant.ID).Update("status", StatusClosed), s.other)
}

func updatesModel(ctx context.Context, s *scene) (reached, error) {
	return change(s.db.WithContext(ctx).Model(&s.other.ticket).
		Updates(map[string]any{"subject": "changed", "priority": PriorityLow}), s.other)
}

// updateWithOr reaches all that it can, and shows whose rows these were.
func updateWithOr(ctx context.Context, s *scene) (reached, error) {
	return undone(s.db.WithContext(ctx), func(tx *gorm.DB) (reached, error) {
		var changed []Ticket
		err := tx.Model(&changed).Clauses(clause.Returning{}).
			Where("number = ?", "none").Or("1 = 1").UpdateColumn("subject", "changed").Error
		return ownersOf(changed), err
	})
}

func deleteByKey(ctx context.Context, s *scene) (reached, error) {
	return change(s.db.WithContext(ctx).Delete(&Comment{}, "id = ?", s.other.comment.ID), s.other)
}

func deleteWhere(ctx context.Context, s *scene) (reached, error) {
	return change(s.db.WithContext(ctx).Unscoped().
		Where("tenant_id = ?", s.other.tenant.ID).Delete(&Comment{}), s.other)
}

func updateAll(ctx context.Context, s *scene) (reached, error) {
	return change(s.db.WithContext(ctx).Model(&Ticket{}).Update("status", StatusClosed), s.other)
}

func deleteAll(ctx context.Context, s *scene) (reached, error) {
	db := s.db.Session(&gorm.Session{AllowGlobalUpdate: true, Context: ctx})
	return undone(db, func(tx *gorm.DB) (reached, error) {
		var deleted []Comment
		err := tx.Clauses(clause.Returning{}).Delete(&deleted).Error
		return ownersOf(deleted), err
	})
}

func rawUpdate(ctx context.Context, s *scene) (reached, error) {
	return change(s.db.WithContext(ctx).Exec("UPDATE tickets SET status = 'closed' WHERE id = ?", s.other.ticket.ID),
		s.other)
}

func rawUpdateFrom(ctx context.Context, s *scene) (reached, error) {
	return change(s.db.WithContext(ctx).Exec(`UPDATE tickets SET subject = mine.subject FROM tickets mine
		WHERE mine.id = ? AND tickets.tenant_id <> mine.tenant_id`, s.me.ticket.ID), s.other)
}

func rawDelete(ctx context.Context, s *scene) (reached, error) {
	return change(s.db.WithContext(ctx).Exec("DELETE FROM ticket_tags WHERE tenant_id = ?", s.other.tenant.ID), s.other)
}

func rawDeleteCTE(ctx context.Context, s *scene) (reached, error) {
	return owners(s.db.WithContext(ctx).Raw(
		"WITH gone AS (DELETE FROM comments WHERE tenant_id = ? RETURNING tenant_id) SELECT tenant_id FROM gone",
		s.other.tenant.ID))
}

// saveOther saves a ticket that the tenant cannot have read. GORM's Save turns into an upsert where the UPDATE found no
// row.
func saveOther(ctx context.Context, s *scene) (reached, error) {
	ticket := s.other.ticket
	ticket.Subject = "changed"
	return change(s.db.WithContext(ctx).Save(&ticket), s.other)
}

// saveAsOwn says that another's comment is an own one, on an own ticket.
func saveAsOwn(ctx context.Context, s *scene) (reached, error) {
	comment := s.other.comment
	comment.TenantID, comment.TicketID = s.me.tenant.ID, s.me.ticket.ID
	return change(s.db.WithContext(ctx).Save(&comment), s.other)
}

func upsert(ctx context.Context, s *scene) (reached, error) {
	comment := newOwnComment(s)
	comment.ID = s.other.comment.ID
	return change(s.db.WithContext(ctx).Clauses(clause.OnConflict{UpdateAll: true}).Create(&comment), s.other)
}

func rawUpsert(ctx context.Context, s *scene) (reached, error) {
	return change(s.db.WithContext(ctx).Exec(
		"INSERT INTO tags (id, name) VALUES (?, 'forged') ON CONFLICT (id) DO UPDATE SET name = excluded.name",
		s.other.tag.ID), s.other)
}

// newOwnTicket is a ticket that may be created.
func newOwnTicket() Ticket {
	return Ticket{
		Number: "T-forged", Subject: "forged", Status: StatusOpen, Priority: PriorityLow, OpenedAt: time.Now(),
	}
}

// newOwnComment is a comment that may be created.
func newOwnComment(s *scene) Comment {
	return Comment{TicketID: s.me.ticket.ID, Author: "mallory@example.org", Body: "forged", WrittenAt: time.Now()}
}

func createForOther(ctx context.Context, s *scene) (reached, error) {
	ticket := newOwnTicket()
	ticket.TenantID = s.other.tenant.ID
	return change(s.db.WithContext(ctx).Create(&ticket), s.other)
}

func createBatchForOther(ctx context.Context, s *scene) (reached, error) {
	tags := []Tag{{Name: "forged 1"}, {Name: "forged 2"}, {Name: "forged 3"}}
	tags[1].TenantID = s.other.tenant.ID
	return change(s.db.WithContext(ctx).Create(&tags), s.other)
}

func createMapForOther(ctx context.Context, s *scene) (reached, error) {
	return change(s.db.WithContext(ctx).Model(&Tag{}).
		Create(map[string]any{"name": "forged", "tenant_id": s.other.tenant.ID}), s.other)
}

func rawInsert(ctx context.Context, s *scene) (reached, error) {
	return change(s.db.WithContext(ctx).Exec("INSERT INTO tags (tenant_id, name) VALUES (?, 'forged')",
		s.other.tenant.ID), s.other)
}

func rawInsertSelect(ctx context.Context, s *scene) (reached, error) {
	const sql = "INSERT INTO tags (name) SELECT 'stolen from ' || id FROM tickets WHERE tenant_id = ?"
	return change(s.db.WithContext(ctx).Exec(sql, s.other.tenant.ID), s.other)
}

// createWithKey guesses an id. The refusal says that it is taken, and not by whom: hence random ids.
func createWithKey(ctx context.Context, s *scene) (reached, error) {
	tag := Tag{ID: s.other.tag.ID, Name: "forged"}
	return change(s.db.WithContext(ctx).Create(&tag), s.other)
}

func giveAway(ctx context.Context, s *scene) (reached, error) {
	return change(s.db.WithContext(ctx).Model(&Tag{}).Where("id = ?", s.me.tag.ID).
		Update("tenant_id", s.other.tenant.ID), s.other)
}

func rawGiveAway(ctx context.Context, s *scene) (reached, error) {
	const sql = "UPDATE tags SET tenant_id = ? WHERE id = ?"
	return change(s.db.WithContext(ctx).Exec(sql, s.other.tenant.ID, s.me.tag.ID), s.other)
}
