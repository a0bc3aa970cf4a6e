package main

import (
	"context"

	"github.com/stratum-hq/stratum-go/examples/internal/desk"
)

// Summarise counts in the scope of ctx. No query names a tenant: under WithTenant they see that tenant's rows, under
// WithSubtree those of its descendants as well.
func (a *app) Summarise(ctx context.Context) (s desk.Summary, err error) {
	db := a.db.WithContext(ctx)
	err = db.Model(&Ticket{}).
		Select("count(*) FILTER (WHERE status <> 'closed') AS open, " +
			"count(*) FILTER (WHERE status = 'closed') AS closed").
		Scan(&s).Error
	if err != nil {
		return s, err
	}
	if err = db.Model(&Comment{}).Count(&s.Comments).Error; err != nil {
		return s, err
	}
	err = db.Model(&Tag{}).Select("tags.name").
		Joins("JOIN ticket_tags ON ticket_tags.tag_id = tags.id").
		Group("tags.name").Order("count(*) DESC, tags.name").Limit(1).
		Scan(&s.TopTag).Error
	if err != nil {
		return s, err
	}
	// Countries are everybody's, tickets are not: the join sees only the scope's own.
	return s, db.Model(&Country{}).Select("countries.name").
		Joins("JOIN tickets ON tickets.country_code = countries.code").
		Group("countries.name").Order("count(*) DESC, countries.name").Limit(1).
		Scan(&s.Country).Error
}
