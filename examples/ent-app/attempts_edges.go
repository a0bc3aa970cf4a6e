package main

import (
	"context"

	"entgo.io/ent/dialect/sql"

	"github.com/stratum-hq/stratum-go/examples/ent-app/ent"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/comment"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/country"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/tag"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/ticket"
	"github.com/stratum-hq/stratum-go/examples/internal/attack"
)

// edgeAttempts go from rows of another tenant, or of everybody, to what belongs to them.
func (s *scene) edgeAttempts() []attack.Attempt {
	return []attack.Attempt{
		attack.Try("QueryComments of another's ticket", attack.Nothing(), s.queryComments),
		attack.Try("QueryTags of another's ticket", attack.Nothing(), s.queryTags),
		attack.Try("QueryTicket of another's comment", attack.Nothing(), s.queryTicket),
		attack.Try("QueryTickets of another's tag", attack.Nothing(), s.queryTickets),
		attack.Try("a traversal from tickets to tags and back", attack.OwnRows(), s.thereAndBack),
		attack.Try("a traversal that starts at another's ticket", attack.Nothing(), s.traverseFromOther),
		attack.Try("a traversal from countries to tickets", attack.OwnRows(), s.fromCountries),
		attack.Try("HasCommentsWith another's tenant_id", attack.Nothing(), s.hasComments),
		attack.Try("HasTagsWith another's tag", attack.Nothing(), s.hasTags),
		attack.Try("HasTicketsWith from countries", attack.Nothing(), s.countriesWithTickets),
		attack.Try("WithComments and WithTags by another's id", attack.Nothing(), s.withEdges),
		attack.Try("WithTickets of every country", attack.OwnRows(), s.withTickets),
		attack.Try("WithNamedTickets with a condition that is too wide", attack.OwnRows(), s.withNamedTickets),
		attack.Try("counting tickets to order countries by", attack.OwnRows(), s.orderByCount),
		attack.Try("the join table by itself", attack.Nothing(), s.joinTable),
	}
}

func (s *scene) queryComments(ctx context.Context) (attack.Reached, error) {
	return comments(s.other.ticket.QueryComments().All(ctx))
}

func (s *scene) queryTags(ctx context.Context) (attack.Reached, error) {
	return tags(s.other.ticket.QueryTags().All(ctx))
}

func (s *scene) queryTicket(ctx context.Context) (attack.Reached, error) {
	return tickets(s.other.comment.QueryTicket().All(ctx))
}

func (s *scene) queryTickets(ctx context.Context) (attack.Reached, error) {
	return tickets(s.other.tag.QueryTickets().All(ctx))
}

func (s *scene) thereAndBack(ctx context.Context) (attack.Reached, error) {
	return tickets(s.client.Ticket.Query().QueryTags().QueryTickets().All(ctx))
}

func (s *scene) traverseFromOther(ctx context.Context) (attack.Reached, error) {
	return comments(s.client.Ticket.Query().Where(ticket.TenantID(s.Other.Tenant.ID)).QueryTags().QueryTickets().
		QueryComments().All(ctx))
}

// fromCountries starts at rows that are everybody's.
func (s *scene) fromCountries(ctx context.Context) (attack.Reached, error) {
	return tickets(s.client.Country.Query().QueryTickets().All(ctx))
}

func (s *scene) hasComments(ctx context.Context) (attack.Reached, error) {
	return tickets(s.client.Ticket.Query().
		Where(ticket.HasCommentsWith(comment.TenantID(s.Other.Tenant.ID))).All(ctx))
}

func (s *scene) hasTags(ctx context.Context) (attack.Reached, error) {
	return tickets(s.client.Ticket.Query().Where(ticket.HasTagsWith(tag.ID(s.Other.Tag))).All(ctx))
}

// countriesWithTickets would tell where another tenant has tickets.
func (s *scene) countriesWithTickets(ctx context.Context) (attack.Reached, error) {
	return changes(s.Other)(s.client.Country.Query().
		Where(country.HasTicketsWith(ticket.TenantID(s.Other.Tenant.ID))).Count(ctx))
}

func (s *scene) withEdges(ctx context.Context) (attack.Reached, error) {
	return tickets(s.client.Ticket.Query().Where(ticket.ID(s.Other.Ticket)).WithComments().WithTags().All(ctx))
}

func (s *scene) withTickets(ctx context.Context) (attack.Reached, error) {
	countries, err := s.client.Country.Query().WithTickets().All(ctx)
	var got attack.Reached
	for _, c := range countries {
		owners, _ := tickets(c.Edges.Tickets, nil)
		got = append(got, owners...)
	}
	return got, err
}

func (s *scene) withNamedTickets(ctx context.Context) (attack.Reached, error) {
	countries, err := s.client.Country.Query().WithNamedTickets("all", func(q *ent.TicketQuery) {
		q.Where(func(t *sql.Selector) { t.Where(sql.ExprP("1=0\nOR\ncountry_code IS NOT NULL")) })
	}).All(ctx)
	if err != nil {
		return nil, err
	}
	var got attack.Reached
	for _, c := range countries {
		named, err := c.NamedTickets("all")
		if err != nil {
			return got, err
		}
		owners, _ := tickets(named, nil)
		got = append(got, owners...)
	}
	return got, nil
}

// orderByCount would tell how many tickets there are in each country: ent counts them in a sub-query of its own.
func (s *scene) orderByCount(ctx context.Context) (attack.Reached, error) {
	own, err := s.client.Ticket.Query().Where(ticket.CountryCodeNotNil()).Count(ctx)
	if err != nil {
		return nil, err
	}
	countries, err := s.client.Country.Query().
		Order(country.ByTicketsCount(sql.OrderDesc(), sql.OrderSelectAs("tickets"))).All(ctx)
	n := 0
	for _, c := range countries {
		if value, err := c.Value("tickets"); err == nil {
			count, _ := value.(int64) // nil where there are none
			n += int(count)
		}
	}
	return s.counted(n, own), err
}

func (s *scene) joinTable(ctx context.Context) (attack.Reached, error) {
	return attack.Owners(ctx, s.client, "SELECT tenant_id FROM ticket_tags WHERE tenant_id = $1", s.Other.Tenant.ID)
}
