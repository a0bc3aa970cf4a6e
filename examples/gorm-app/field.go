package main

import (
	"context"
	"errors"
	"strings"

	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/examples/internal/desk"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// Field reads the requester of a ticket twice: as whoever has the database and no keys, and as the application. Then it
// looks for tickets by it, as nobody has written it.
func (a *app) Field(ctx context.Context) (f desk.Field, err error) {
	var ticket Ticket
	err = a.db.WithContext(ctx).Where("requester <> ?", "").Order("number").First(&ticket).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	stored := a.db.WithContext(gormstratum.AsStored(ctx)).Table("tickets").Select("requester").
		Where("id = ?", ticket.ID)
	if err := stored.Row().Scan(&f.Stored); err != nil {
		return f, err
	}
	var found []Ticket
	f.Read, f.Asked = ticket.Requester, " "+strings.ToUpper(ticket.Requester)
	err = a.db.WithContext(ctx).Where("requester = ?", f.Asked).Find(&found).Error
	f.Found = len(found)
	return f, err
}
