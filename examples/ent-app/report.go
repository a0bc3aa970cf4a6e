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

// Summarise counts in the scope of ctx. No query names a tenant: under WithTenant they see that tenant's rows, wherever
// these are, and under WithSubtree those of its descendants as well.
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
	if s.Tags, err = frequencies(ctx, a.client.Tag.Query().Modify(countLinks)); err != nil {
		return s, err
	}
	// Countries are everybody's, tickets are not: the join sees only the scope's own.
	s.Countries, err = frequencies(ctx, a.client.Country.Query().Modify(countTickets))
	return s, err
}

// countLinks counts how many tickets have a tag. Several tenants may have one of that name, each in a row of its own.
func countLinks(tags *sql.Selector) {
	links := sql.Table(tag.TicketsTable)
	tags.Join(links).On(tags.C(tag.FieldID), links.C(tag.TicketsPrimaryKey[1]))
	name := tags.C(tag.FieldName)
	tags.Select(name, sql.As(sql.Count("*"), "count")).GroupBy(name)
}

// countTickets counts how many tickets are from a country.
func countTickets(countries *sql.Selector) {
	tickets := sql.Table(ticket.Table)
	countries.Join(tickets).On(countries.C(country.FieldID), tickets.C(ticket.FieldCountryCode))
	name := countries.C(country.FieldName)
	countries.Select(name, sql.As(sql.Count("*"), "count")).GroupBy(name)
}

// frequencies reads names and how often there is each.
func frequencies(ctx context.Context, query interface {
	Scan(ctx context.Context, v any) error
},
) (map[string]int64, error) {
	var rows []struct {
		Name  string
		Count int64
	}
	err := query.Scan(ctx, &rows)
	counts := make(map[string]int64, len(rows))
	for _, row := range rows {
		counts[row.Name] = row.Count
	}
	return counts, err
}
