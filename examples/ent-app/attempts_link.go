package main

import (
	"context"
	"slices"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/comment"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/country"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/ticket"
	"github.com/stratum-hq/stratum-go/examples/internal/attack"
)

// linkAttempts make references across the boundary, by each kind of edge and from both of its ends. PostgreSQL checks
// foreign keys past every policy, so it is the tenant's id in each key that refuses them.
func (s *scene) linkAttempts() []attack.Attempt {
	refused := attack.Refused(core.ErrForeignKey)
	return slices.Concat([]attack.Attempt{
		attack.Try("a comment on another's ticket", refused, s.commentOnOther),
		attack.Try("CreateBulk with such a comment", refused, s.commentsOnOther),
	}, s.Comments(), []attack.Attempt{
		attack.Try("moving an own comment to another's ticket", refused, s.moveComment),
		attack.Try("moving all comments to another's ticket", refused, s.moveComments),
		attack.Try("ClearComments of another's ticket", attack.Nothing(), s.clearComments),
		attack.Try("AddTags of another's tag", refused, s.addTag),
		attack.Try("AddTags of another's tag to all tickets", refused, s.addTagToAll),
		attack.Try("AddTags to another's ticket", refused, s.addTagToOther),
		attack.Try("AddTickets of another's ticket to a tag", refused, s.addTicket),
		attack.Try("AddTickets to another's tag", refused, s.addTicketToOther),
		attack.Try("RemoveTags of another's ticket", attack.Nothing(), s.removeTags),
		attack.Try("ClearTags of another's ticket", attack.Nothing(), s.clearTags),
		attack.Try("ClearTickets of another's tag", attack.Nothing(), s.clearTickets),
		attack.Try("Create with another's tag", refused, s.createWithTag),
		attack.Try("an upsert with another's tag", refused, s.upsertWithTag),
		attack.Try("SetCountry of another's ticket", attack.Nothing(), s.setCountry),
		attack.Try("AddTickets of another's ticket to a country", attack.Refused(errConstraint), s.addTicketToCountry),
		attack.Try("ClearTickets of a country", attack.Nothing(), s.clearTicketsOfCountry),
	}, s.Joins())
}

func (s *scene) commentOnOther(ctx context.Context) (attack.Reached, error) {
	return comments(one(s.newOwnComment().SetTicketID(s.Other.Ticket).Save(ctx)))
}

func (s *scene) commentsOnOther(ctx context.Context) (attack.Reached, error) {
	return comments(s.client.Comment.CreateBulk(
		s.newOwnComment(), s.newOwnComment().SetTicketID(s.Other.Ticket)).Save(ctx))
}

func (s *scene) moveComment(ctx context.Context) (attack.Reached, error) {
	return comments(one(s.client.Comment.UpdateOneID(s.Me.Comment).SetTicket(s.other.ticket).Save(ctx)))
}

func (s *scene) moveComments(ctx context.Context) (attack.Reached, error) {
	return changes(s.Other)(s.client.Comment.Update().Where(comment.AuthorNEQ("")).
		SetTicketID(s.Other.Ticket).Save(ctx))
}

func (s *scene) clearComments(ctx context.Context) (attack.Reached, error) {
	return nil, missing(s.client.Ticket.UpdateOneID(s.Other.Ticket).ClearComments().Exec(ctx))
}

func (s *scene) addTag(ctx context.Context) (attack.Reached, error) {
	return tickets(one(s.client.Ticket.UpdateOneID(s.Me.Ticket).AddTags(s.other.tag).Save(ctx)))
}

func (s *scene) addTagToAll(ctx context.Context) (attack.Reached, error) {
	return changes(s.Other)(s.client.Ticket.Update().Where(ticket.NumberNEQ("")).AddTagIDs(s.Other.Tag).Save(ctx))
}

func (s *scene) addTagToOther(ctx context.Context) (attack.Reached, error) {
	return tickets(one(s.client.Ticket.UpdateOneID(s.Other.Ticket).AddTags(s.me.tag).Save(ctx)))
}

func (s *scene) addTicket(ctx context.Context) (attack.Reached, error) {
	return tags(one(s.client.Tag.UpdateOneID(s.Me.Tag).AddTicketIDs(s.Other.Ticket).Save(ctx)))
}

func (s *scene) addTicketToOther(ctx context.Context) (attack.Reached, error) {
	return tags(one(s.client.Tag.UpdateOneID(s.Other.Tag).AddTickets(s.me.ticket).Save(ctx)))
}

func (s *scene) removeTags(ctx context.Context) (attack.Reached, error) {
	return nil, missing(s.client.Ticket.UpdateOneID(s.Other.Ticket).RemoveTags(s.other.tag).Exec(ctx))
}

func (s *scene) clearTags(ctx context.Context) (attack.Reached, error) {
	return nil, missing(s.client.Ticket.UpdateOneID(s.Other.Ticket).ClearTags().Exec(ctx))
}

func (s *scene) clearTickets(ctx context.Context) (attack.Reached, error) {
	return nil, missing(s.other.tag.Update().ClearTickets().Exec(ctx))
}

func (s *scene) createWithTag(ctx context.Context) (attack.Reached, error) {
	return tickets(one(s.newOwnTicket().AddTags(s.other.tag).Save(ctx)))
}

func (s *scene) upsertWithTag(ctx context.Context) (attack.Reached, error) {
	return nil, s.newOwnTicket().AddTagIDs(s.Other.Tag).
		OnConflictColumns(ticket.FieldTenantID, ticket.FieldNumber).UpdateNewValues().Exec(ctx)
}

// setCountry changes an edge to a row that is everybody's.
func (s *scene) setCountry(ctx context.Context) (attack.Reached, error) {
	return tickets(one(s.other.ticket.Update().SetCountryID("IE").Save(ctx)))
}

// addTicketToCountry changes the same edge from its other end, where no hook of tickets runs. The ticket is one without
// a country, if there is one: another one ent would not touch in any case.
func (s *scene) addTicketToCountry(ctx context.Context) (attack.Reached, error) {
	id, err := s.client.Ticket.Query().Where(ticket.TenantID(s.Other.Tenant.ID), ticket.CountryCodeIsNil()).
		FirstID(core.AsSystemAt(ctx, "choose a ticket for an attempt", s.Other.Tenant.ID))
	if ent.IsNotFound(err) {
		id, err = s.Other.Ticket, nil
	}
	if err != nil {
		return nil, err
	}
	return nil, constraint(s.client.Country.UpdateOneID("IE").AddTicketIDs(id).Exec(ctx))
}

// clearTicketsOfCountry takes a country where the other tenant has tickets, and the attempting one has none.
func (s *scene) clearTicketsOfCountry(ctx context.Context) (attack.Reached, error) {
	own, err := s.client.Ticket.Query().Where(ticket.CountryCodeNotNil()).Select(ticket.FieldCountryCode).
		Strings(attack.As(ctx, s.Me))
	if err != nil {
		return nil, err
	}
	code, err := s.client.Country.Query().Where(
		country.HasTicketsWith(ticket.TenantID(s.Other.Tenant.ID)), country.IDNotIn(own...),
	).FirstID(core.AsSystemAt(ctx, "choose a country for an attempt", s.Other.Tenant.ID))
	if err != nil {
		return nil, missing(err)
	}
	return nil, s.client.Country.UpdateOneID(code).ClearTickets().Exec(ctx)
}
