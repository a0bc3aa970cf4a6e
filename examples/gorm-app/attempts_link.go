package main

import (
	"context"

	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
)

// linkAttempts make references across the boundary. PostgreSQL checks foreign keys past every policy, so it is the
// tenant's id in each key that refuses them.
func linkAttempts() []attempt {
	return []attempt{
		{"a comment on another's ticket", refused(gorm.ErrForeignKeyViolated), commentOnOther},
		{"raw INSERT of such a comment", refused(gorm.ErrForeignKeyViolated), rawCommentOnOther},
		{"moving an own comment to another's ticket", refused(gorm.ErrForeignKeyViolated), moveComment},
		{"Association Append of another's tag", refused(core.ErrCrossTenant), appendTag},
		{"Association Append of another's tag by its id", refused(gorm.ErrForeignKeyViolated), appendTagByID},
		{"Association Append of another's comment", refused(core.ErrCrossTenant), appendComment},
		{"Association Replace on another's ticket", refused(gorm.ErrForeignKeyViolated), replaceTags},
		{"Association Clear on another's ticket", nothing(), clearTags},
		{"Create with another's tag inside", refused(core.ErrCrossTenant), createWithTag},
		{"raw row in the join table", refused(gorm.ErrForeignKeyViolated), rawJoinRow},
		{"raw row in the join table in another's name", refused(core.ErrCrossTenant), rawForeignJoinRow},
	}
}

func commentOnOther(ctx context.Context, s *scene) (reached, error) {
	comment := newOwnComment(s)
	comment.TicketID = s.other.ticket.ID
	return change(s.db.WithContext(ctx).Create(&comment), s.other)
}

func rawCommentOnOther(ctx context.Context, s *scene) (reached, error) {
	return change(s.db.WithContext(ctx).Exec(
		"INSERT INTO comments (ticket_id, author, body, written_at) VALUES (?, 'mallory', 'hello', now())",
		s.other.ticket.ID), s.other)
}

func moveComment(ctx context.Context, s *scene) (reached, error) {
	return change(s.db.WithContext(ctx).Model(&Comment{}).Where("id = ?", s.me.comment.ID).
		Update("ticket_id", s.other.ticket.ID), s.other)
}

func appendTag(ctx context.Context, s *scene) (reached, error) {
	ticket, tag := s.me.ticket, s.other.tag
	return nil, s.db.WithContext(ctx).Model(&ticket).Association("Tags").Append(&tag)
}

// appendTagByID gives only what GORM needs for the row in the join table.
func appendTagByID(ctx context.Context, s *scene) (reached, error) {
	ticket, tag := s.me.ticket, Tag{ID: s.other.tag.ID, Name: s.other.tag.Name}
	return nil, s.db.WithContext(ctx).Omit("Tags.*").Model(&ticket).Association("Tags").Append(&tag)
}

func appendComment(ctx context.Context, s *scene) (reached, error) {
	ticket, comment := s.me.ticket, s.other.comment
	return nil, s.db.WithContext(ctx).Model(&ticket).Association("Comments").Append(&comment)
}

func replaceTags(ctx context.Context, s *scene) (reached, error) {
	ticket, tag := Ticket{ID: s.other.ticket.ID}, s.me.tag
	return nil, s.db.WithContext(ctx).Omit("Tags.*").Model(&ticket).Association("Tags").Replace(&tag)
}

func clearTags(ctx context.Context, s *scene) (reached, error) {
	ticket := s.other.ticket
	return nil, s.db.WithContext(ctx).Model(&ticket).Association("Tags").Clear()
}

func createWithTag(ctx context.Context, s *scene) (reached, error) {
	ticket := newOwnTicket()
	ticket.Tags = []Tag{s.other.tag}
	return nil, s.db.WithContext(ctx).Create(&ticket).Error
}

func rawJoinRow(ctx context.Context, s *scene) (reached, error) {
	return change(s.db.WithContext(ctx).Exec("INSERT INTO ticket_tags (ticket_id, tag_id) VALUES (?, ?)",
		s.other.ticket.ID, s.me.tag.ID), s.other)
}

func rawForeignJoinRow(ctx context.Context, s *scene) (reached, error) {
	return change(s.db.WithContext(ctx).Exec("INSERT INTO ticket_tags (tenant_id, ticket_id, tag_id) VALUES (?, ?, ?)",
		s.other.tenant.ID, s.other.ticket.ID, s.me.tag.ID), s.other)
}
