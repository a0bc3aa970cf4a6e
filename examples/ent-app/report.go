package main

import (
	"context"

	"entgo.io/ent/dialect/sql"

	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/country"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/tag"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/ticket"
	"github.com/stratum-hq/stratum-go/examples/internal/dataset"
	"github.com/stratum-hq/stratum-go/examples/internal/desk"
)

// Summarise counts in the scope of ctx. No query names a tenant: under WithTenant they see that tenant's rows, under
// WithSubtree those of its descendants as well.
func (a *app) Summarise(ctx context.Context) (s desk.Summary, err error) {
	closed, err := a.client.Ticket.Query().Where(ticket.StatusEQ(dataset.StatusClosed)).Count(ctx)
	if err != nil {
		return s, err
	}
	open, err := a.client.Ticket.Query().Where(ticket.StatusNEQ(dataset.StatusClosed)).Count(ctx)
	if err != nil {
		return s, err
	}
	comments, err := a.client.Comment.Query().Count(ctx)
	if err != nil {
		return s, err
	}
	s.Open, s.Closed, s.Comments = int64(open), int64(closed), int64(comments)
	if s.TopTag, err = first(a.client.Tag.Query().Modify(mostUsed).Strings(ctx)); err != nil {
		return s, err
	}
	// Countries are everybody's, tickets are not: the count sees only the scope's own.
	s.Country, err = first(a.client.Country.Query().Where(country.HasTickets()).
		Order(country.ByTicketsCount(sql.OrderDesc()), country.ByName()).Limit(1).
		Select(country.FieldName).Strings(ctx))
	return s, err
}

// mostUsed selects the name that most tickets are tagged with. Several tenants may have it, each in a row of its own.
func mostUsed(tags *sql.Selector) {
	links := sql.Table(tag.TicketsTable)
	tags.Join(links).On(tags.C(tag.FieldID), links.C(tag.TicketsPrimaryKey[1]))
	name := tags.C(tag.FieldName)
	tags.Select(name).GroupBy(name).OrderBy(sql.Desc(sql.Count("*")), name).Limit(1)
}

// first is the first of the strings, or an empty one.
func first(names []string, err error) (string, error) {
	if err != nil || len(names) == 0 {
		return "", err
	}
	return names[0], nil
}
