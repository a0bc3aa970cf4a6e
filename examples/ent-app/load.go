package main

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/country"
	"github.com/stratum-hq/stratum-go/examples/internal/dataset"
)

// batchSize is how many rows one INSERT adds.
const batchSize = 500

// LoadCountries writes a global table, which only the system may do.
func (a *app) LoadCountries(ctx context.Context, countries []dataset.Country) error {
	ctx = core.AsSystem(ctx, "load countries")
	for batch := range slices.Chunk(countries, batchSize) {
		err := a.client.Country.MapCreateBulk(batch, func(c *ent.CountryCreate, i int) {
			c.SetID(batch[i].Code).SetName(batch[i].Name)
		}).OnConflictColumns(country.FieldID).DoNothing().Exec(ctx)
		if err != nil {
			return err
		}
	}
	return nil
}

// LoadRows writes the rows of the tenant of ctx in one transaction, unless it has some. Nothing here says whose they
// are: the context does.
func (a *app) LoadRows(ctx context.Context, rows *dataset.Rows) (written bool, err error) {
	err = inTx(ctx, a.client, func(tx *ent.Client) error {
		someTickets, err := tx.Ticket.Query().Exist(ctx)
		if err != nil || someTickets {
			return err
		}
		someTags, err := tx.Tag.Query().Exist(ctx)
		if err != nil || someTags {
			return err
		}
		written = true
		return loadRows(ctx, tx, rows)
	})
	return written && err == nil, err
}

// loadRows writes tags, tickets with the links to their tags, and comments.
func loadRows(ctx context.Context, tx *ent.Client, rows *dataset.Rows) error {
	for tags := range slices.Chunk(rows.Tags, batchSize) {
		err := tx.Tag.MapCreateBulk(tags, func(c *ent.TagCreate, i int) {
			c.SetID(tags[i].ID).SetName(tags[i].Name)
		}).Exec(ctx)
		if err != nil {
			return err
		}
	}
	for tickets := range slices.Chunk(rows.Tickets, batchSize) {
		err := tx.Ticket.MapCreateBulk(tickets, func(c *ent.TicketCreate, i int) { fill(c, tickets[i]) }).Exec(ctx)
		if err != nil {
			return err
		}
	}
	for batch := range slices.Chunk(newComments(tx, rows.Tickets), batchSize) {
		if err := tx.Comment.CreateBulk(batch...).Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}

// fill makes a ticket of a record.
func fill(c *ent.TicketCreate, t *dataset.Ticket) {
	c.SetID(t.ID).SetNumber(t.Number).SetSubject(t.Subject).SetStatus(t.Status).SetPriority(t.Priority).
		SetRequester(t.Requester).SetNillableCountryCode(t.Country).
		SetOpenedAt(t.OpenedAt).SetNillableClosedAt(t.ClosedAt)
	tags := make([]uuid.UUID, 0, len(t.Tags))
	for _, tag := range t.Tags {
		tags = append(tags, tag.ID)
	}
	c.AddTagIDs(tags...)
}

// newComments are the comments of tickets, to be created.
func newComments(tx *ent.Client, tickets []*dataset.Ticket) []*ent.CommentCreate {
	var comments []*ent.CommentCreate
	for _, t := range tickets {
		for _, c := range t.Comments {
			comments = append(comments, tx.Comment.Create().SetTicketID(t.ID).SetAuthor(c.Author).SetBody(c.Body).
				SetWrittenAt(c.WrittenAt))
		}
	}
	return comments
}
