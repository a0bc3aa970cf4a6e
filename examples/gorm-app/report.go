package main

import (
	"context"

	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/examples/internal/desk"
)

// Summarise counts in the scope of ctx. No query names a tenant: under WithTenant they see that tenant's rows, wherever
// these are, and under WithSubtree those of its descendants as well.
func (a *app) Summarise(ctx context.Context) (s desk.Summary, err error) {
	db := a.db.WithContext(ctx)
	err = db.Model(&Ticket{}).
		Select("count(*) FILTER (WHERE status <> 'closed') AS open, "+
			"count(*) FILTER (WHERE status = 'closed') AS closed").
		Row().Scan(&s.Open, &s.Closed)
	if err != nil {
		return s, err
	}
	if err = db.Model(&Comment{}).Count(&s.Comments).Error; err != nil {
		return s, err
	}
	s.Tags, err = frequencies(db.Model(&Tag{}).Select("tags.name, count(*)").
		Joins("JOIN ticket_tags ON ticket_tags.tag_id = tags.id").Group("tags.name"))
	if err != nil {
		return s, err
	}
	// Countries are everybody's, tickets are not: the join sees only the scope's own.
	s.Countries, err = frequencies(db.Model(&Country{}).Select("countries.name, count(*)").
		Joins("JOIN tickets ON tickets.country_code = countries.code").Group("countries.name"))
	return s, err
}

// frequencies runs a query for names and how often there is each.
func frequencies(query *gorm.DB) (map[string]int64, error) {
	var rows []struct {
		Name  string
		Count int64
	}
	err := query.Scan(&rows).Error
	counts := make(map[string]int64, len(rows))
	for _, row := range rows {
		counts[row.Name] = row.Count
	}
	return counts, err
}
