package main

import (
	"context"
	"slices"

	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/examples/internal/attack"
)

// linkAttempts make references across the boundary. PostgreSQL checks foreign keys past every policy, so it is the
// tenant's id in each key that refuses them.
func (s *scene) linkAttempts() []attack.Attempt {
	foreignKey := attack.Refused(gorm.ErrForeignKeyViolated)
	return slices.Concat([]attack.Attempt{
		attack.Try("a comment on another's ticket", foreignKey, s.commentOnOther),
	}, s.Comments(), []attack.Attempt{
		attack.Try("moving an own comment to another's ticket", foreignKey, s.moveComment),
		attack.Try("Association Append of another's tag", attack.Refused(core.ErrCrossTenant), s.appendTag),
		attack.Try("Association Append of another's tag by its id", foreignKey, s.appendTagByID),
		attack.Try("Association Append of another's comment", attack.Refused(core.ErrCrossTenant), s.appendComment),
		attack.Try("Association Replace on another's ticket", foreignKey, s.replaceTags),
		attack.Try("Association Clear on another's ticket", attack.Nothing(), s.clearTags),
		attack.Try("Create with another's tag inside", attack.Refused(core.ErrCrossTenant), s.createWithTag),
	}, s.Joins())
}

func (s *scene) commentOnOther(ctx context.Context) (attack.Reached, error) {
	comment := newOwnComment(s)
	comment.TicketID = s.other.ticket.ID
	return change(s.db.WithContext(ctx).Create(&comment), s.Other)
}

func (s *scene) moveComment(ctx context.Context) (attack.Reached, error) {
	return change(s.db.WithContext(ctx).Model(&Comment{}).Where("id = ?", s.me.comment.ID).
		Update("ticket_id", s.other.ticket.ID), s.Other)
}

func (s *scene) appendTag(ctx context.Context) (attack.Reached, error) {
	ticket, tag := s.me.ticket, s.other.tag
	return nil, s.db.WithContext(ctx).Model(&ticket).Association("Tags").Append(&tag)
}

// appendTagByID gives only what GORM needs for the row in the join table.
func (s *scene) appendTagByID(ctx context.Context) (attack.Reached, error) {
	ticket, tag := s.me.ticket, Tag{ID: s.other.tag.ID, Name: s.other.tag.Name}
	return nil, s.db.WithContext(ctx).Omit("Tags.*").Model(&ticket).Association("Tags").Append(&tag)
}

func (s *scene) appendComment(ctx context.Context) (attack.Reached, error) {
	ticket, comment := s.me.ticket, s.other.comment
	return nil, s.db.WithContext(ctx).Model(&ticket).Association("Comments").Append(&comment)
}

func (s *scene) replaceTags(ctx context.Context) (attack.Reached, error) {
	ticket, tag := Ticket{ID: s.other.ticket.ID}, s.me.tag
	return nil, s.db.WithContext(ctx).Omit("Tags.*").Model(&ticket).Association("Tags").Replace(&tag)
}

func (s *scene) clearTags(ctx context.Context) (attack.Reached, error) {
	ticket := s.other.ticket
	return nil, s.db.WithContext(ctx).Model(&ticket).Association("Tags").Clear()
}

func (s *scene) createWithTag(ctx context.Context) (attack.Reached, error) {
	ticket := newOwnTicket()
	ticket.Tags = []Tag{s.other.tag}
	return nil, s.db.WithContext(ctx).Create(&ticket).Error
}
