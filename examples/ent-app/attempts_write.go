package main

import (
	"context"
	"slices"

	"entgo.io/ent/dialect/sql"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/comment"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/tag"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/ticket"
	"github.com/stratum-hq/stratum-go/examples/internal/attack"
	"github.com/stratum-hq/stratum-go/examples/internal/dataset"
	"github.com/stratum-hq/stratum-go/examples/internal/desk"
)

// changeAttempts change or delete rows of another tenant.
func (s *scene) changeAttempts() []attack.Attempt {
	return slices.Concat([]attack.Attempt{
		attack.Try("Update where tenant_id is another's", attack.Nothing(), s.updateWhere),
		attack.Try("Update with Or", attack.OwnRows(), s.updateWithOr),
		attack.Try("Update with Or on the selector", attack.OwnRows(), s.updateOrOnSelector),
		attack.Try("UpdateOneID of another's ticket", attack.Nothing(), s.updateOneID),
		attack.Try("UpdateOneID without a change", attack.Nothing(), s.updateOneIDUnchanged),
		attack.Try("UpdateOne of another's ticket", attack.Nothing(), s.updateOne),
		attack.Try("UpdateOneID with Select of its columns", attack.Nothing(), s.updateSelect),
		attack.Try("Update with a modifier", attack.Nothing(), s.updateModified),
		attack.Try("Delete where tenant_id is another's", attack.Nothing(), s.deleteWhere),
		attack.Try("DeleteOneID of another's comment", attack.Nothing(), s.deleteOneID),
		attack.Try("DeleteOne of another's comment", attack.Nothing(), s.deleteOne),
		attack.Try("Delete of all rows", attack.OwnRows(), s.deleteAll),
	}, s.Changes())
}

// forgeAttempts write rows that would be another tenant's.
func (s *scene) forgeAttempts() []attack.Attempt {
	return slices.Concat([]attack.Attempt{
		attack.Try("Create with another's TenantID", attack.Refused(core.ErrCrossTenant), s.createForOther),
		attack.Try("CreateBulk with one such row", attack.Refused(core.ErrCrossTenant), s.createBulkForOther),
		attack.Try("SetField of tenant_id", attack.Refused(core.ErrCrossTenant), s.setField),
	}, s.Forgeries(), []attack.Attempt{
		attack.Try("Create with another's primary key", attack.Refused(core.ErrDuplicateKey), s.createWithKey),
		attack.Try("SetField of tenant_id on update", attack.Refused(entstratum.ErrTenantChange), s.setFieldInUpdate),
		attack.Try("a modifier that gives a row away", attack.Refused(core.ErrCrossTenant), s.giveAway),
	}, s.Gifts())
}

func (s *scene) updateWhere(ctx context.Context) (attack.Reached, error) {
	return changes(s.Other)(s.client.Ticket.Update().Where(ticket.TenantID(s.Other.Tenant.ID)).
		SetStatus(dataset.StatusClosed).Save(ctx))
}

// updateWithOr reaches all that it can, and counts whether that is more than there is.
func (s *scene) updateWithOr(ctx context.Context) (attack.Reached, error) {
	return s.countUpdate(ctx, ticket.Or(ticket.Number("none"), ticket.NumberNEQ("none")))
}

func (s *scene) updateOrOnSelector(ctx context.Context) (attack.Reached, error) {
	return s.countUpdate(ctx, func(t *sql.Selector) { t.Where(sql.ExprP("1=0\nOR\n1=1")).Or() })
}

func (s *scene) countUpdate(ctx context.Context, condition func(*sql.Selector)) (attack.Reached, error) {
	return undone(ctx, s.client, func(tx *ent.Client) (attack.Reached, error) {
		own, err := tx.Ticket.Query().Count(ctx)
		if err != nil {
			return nil, err
		}
		n, err := tx.Ticket.Update().Where(condition).SetSubject("changed").Save(ctx)
		return s.counted(n, own), err
	})
}

func (s *scene) updateOneID(ctx context.Context) (attack.Reached, error) {
	return tickets(one(s.client.Ticket.UpdateOneID(s.Other.Ticket).SetSubject("changed").Save(ctx)))
}

// updateOneIDUnchanged makes ent read the row and return it.
func (s *scene) updateOneIDUnchanged(ctx context.Context) (attack.Reached, error) {
	return tickets(one(s.client.Ticket.UpdateOneID(s.Other.Ticket).Save(ctx)))
}

func (s *scene) updateOne(ctx context.Context) (attack.Reached, error) {
	return tickets(one(s.client.Ticket.UpdateOne(s.other.ticket).SetPriority(dataset.PriorityLow).Save(ctx)))
}

func (s *scene) updateSelect(ctx context.Context) (attack.Reached, error) {
	return tickets(one(s.client.Ticket.UpdateOneID(s.Other.Ticket).
		Select(ticket.FieldTenantID, ticket.FieldSubject).SetSubject("changed").Save(ctx)))
}

// updateModified sets columns past the mutation, which no hook sees.
func (s *scene) updateModified(ctx context.Context) (attack.Reached, error) {
	return changes(s.Other)(s.client.Ticket.Update().Where(ticket.ID(s.Other.Ticket)).
		Modify(func(u *sql.UpdateBuilder) { u.Set(ticket.FieldSubject, "changed") }).Save(ctx))
}

func (s *scene) deleteWhere(ctx context.Context) (attack.Reached, error) {
	return changes(s.Other)(s.client.Comment.Delete().Where(comment.TenantID(s.Other.Tenant.ID)).Exec(ctx))
}

func (s *scene) deleteOneID(ctx context.Context) (attack.Reached, error) {
	return nil, missing(s.client.Comment.DeleteOneID(s.Other.Comment).Exec(ctx))
}

func (s *scene) deleteOne(ctx context.Context) (attack.Reached, error) {
	return nil, missing(s.client.Comment.DeleteOne(s.other.comment).Exec(ctx))
}

func (s *scene) deleteAll(ctx context.Context) (attack.Reached, error) {
	return undone(ctx, s.client, func(tx *ent.Client) (attack.Reached, error) {
		own, err := tx.Comment.Query().Count(ctx)
		if err != nil {
			return nil, err
		}
		n, err := tx.Comment.Delete().Exec(ctx)
		return s.counted(n, own), err
	})
}

// newOwnTicket is a ticket that may be created.
func (s *scene) newOwnTicket() *ent.TicketCreate {
	return s.client.Ticket.Create().SetNumber("T-forged").SetSubject("forged").SetStatus(dataset.StatusOpen).
		SetPriority(dataset.PriorityLow).SetRequester("").SetOpenedAt(desk.Now())
}

// newOwnComment is a comment that may be created.
func (s *scene) newOwnComment() *ent.CommentCreate {
	return s.client.Comment.Create().SetTicketID(s.Me.Ticket).SetAuthor("mallory@example.org").SetBody("forged")
}

func (s *scene) createForOther(ctx context.Context) (attack.Reached, error) {
	return tickets(one(s.newOwnTicket().SetTenantID(s.Other.Tenant.ID).Save(ctx)))
}

func (s *scene) createBulkForOther(ctx context.Context) (attack.Reached, error) {
	return tags(s.client.Tag.CreateBulk(
		s.client.Tag.Create().SetName("forged 1"),
		s.client.Tag.Create().SetName("forged 2").SetTenantID(s.Other.Tenant.ID),
		s.client.Tag.Create().SetName("forged 3"),
	).Save(ctx))
}

func (s *scene) setField(ctx context.Context) (attack.Reached, error) {
	create := s.client.Tag.Create().SetName("forged")
	if err := create.Mutation().SetField(tag.FieldTenantID, s.Other.Tenant.ID); err != nil {
		return nil, err
	}
	return tags(one(create.Save(ctx)))
}

// createWithKey guesses an id. The refusal says that it is taken, and not by whom: hence random ids.
func (s *scene) createWithKey(ctx context.Context) (attack.Reached, error) {
	return tags(one(s.client.Tag.Create().SetID(s.Other.Tag).SetName("forged").Save(ctx)))
}

// setFieldInUpdate sets what the builder has no method for, since the field is immutable.
func (s *scene) setFieldInUpdate(ctx context.Context) (attack.Reached, error) {
	update := s.client.Tag.Update().Where(tag.ID(s.Me.Tag))
	if err := update.Mutation().SetField(tag.FieldTenantID, s.Other.Tenant.ID); err != nil {
		return nil, err
	}
	return changes(s.Other)(update.Save(ctx))
}

func (s *scene) giveAway(ctx context.Context) (attack.Reached, error) {
	return changes(s.Other)(s.client.Tag.Update().Where(tag.ID(s.Me.Tag)).
		Modify(func(u *sql.UpdateBuilder) { u.Set(tag.FieldTenantID, s.Other.Tenant.ID) }).Save(ctx))
}
