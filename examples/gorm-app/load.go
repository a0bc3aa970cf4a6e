package main

import (
	"context"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/examples/internal/dataset"
)

// batchSize is how many tickets one INSERT adds.
const batchSize = 500

// LoadCountries writes a global table, which only the system may do.
func (a *app) LoadCountries(ctx context.Context, countries []dataset.Country) error {
	if len(countries) == 0 {
		return nil
	}
	rows := make([]Country, 0, len(countries))
	for _, c := range countries {
		rows = append(rows, Country{Code: c.Code, Name: c.Name})
	}
	ctx = core.AsSystem(ctx, "load countries")
	return a.db.WithContext(ctx).Clauses(clause.OnConflict{DoNothing: true}).CreateInBatches(rows, batchSize).Error
}

// LoadRows writes the rows of the tenant of ctx in one transaction, unless it has some. Nothing here says whose they
// are: the context does.
func (a *app) LoadRows(ctx context.Context, rows *dataset.Rows) (written bool, err error) {
	err = a.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		var there int
		err := tx.Raw("SELECT (SELECT count(*) FROM tickets) + (SELECT count(*) FROM tags)").Scan(&there).Error
		if err != nil || there > 0 {
			return err
		}
		written = true
		if tags := newTags(rows.Tags); len(tags) > 0 {
			if err := tx.CreateInBatches(tags, batchSize).Error; err != nil {
				return err
			}
		}
		if len(rows.Tickets) == 0 {
			return nil
		}
		// With their comments and the links to their tags; the tags themselves are there already.
		return tx.Omit("Tags.*").CreateInBatches(newTickets(rows.Tickets), batchSize).Error
	})
	return written && err == nil, err
}

// newTags are the models of tags.
func newTags(records []*dataset.Tag) []Tag {
	tags := make([]Tag, 0, len(records))
	for _, t := range records {
		tags = append(tags, Tag{ID: t.ID, Name: t.Name})
	}
	return tags
}

// newTickets are the models of tickets, with their comments and tags.
func newTickets(records []*dataset.Ticket) []Ticket {
	tickets := make([]Ticket, 0, len(records))
	for _, t := range records {
		ticket := Ticket{
			ID: t.ID, Number: t.Number, Subject: t.Subject, Status: t.Status, Priority: t.Priority,
			Requester: t.Requester, CountryCode: t.Country, OpenedAt: t.OpenedAt, ClosedAt: t.ClosedAt,
			Tags: newTags(t.Tags),
		}
		for _, c := range t.Comments {
			comment := Comment{Author: c.Author, Body: c.Body, WrittenAt: c.WrittenAt}
			ticket.Comments = append(ticket.Comments, comment)
		}
		tickets = append(tickets, ticket)
	}
	return tickets
}
