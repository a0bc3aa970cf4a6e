package main

import (
	"errors"
	"net/http"

	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/examples/internal/dataset"
	"github.com/stratum-hq/stratum-go/examples/internal/desk"
)

// maxTickets is how many a list has.
const maxTickets = 50

// Handler routes the requests. Which tenant one belongs to is decided once, in front of all of them.
func (a *app) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /tickets", desk.Endpoint(a.listTickets))
	mux.Handle("POST /tickets", desk.Endpoint(a.createTicket))
	mux.Handle("GET /tickets/{number}", desk.Endpoint(a.showTicket))
	mux.Handle("POST /tickets/{number}/comments", desk.Endpoint(a.createComment))
	mux.Handle("GET /report", desk.Endpoint(a.showReport))
	return desk.WithTenant(a.st, mux)
}

func (a *app) listTickets(r *http.Request) (status int, body any, err error) {
	query := a.db.WithContext(r.Context()).Preload("Tags").Order("opened_at DESC, number").Limit(maxTickets)
	if s := r.URL.Query().Get("status"); s != "" {
		query = query.Where("status = ?", s)
	}
	var tickets []Ticket
	err = query.Find(&tickets).Error
	return http.StatusOK, tickets, err
}

func (a *app) showTicket(r *http.Request) (status int, body any, err error) {
	var ticket Ticket
	err = a.db.WithContext(r.Context()).Preload("Tags").Preload("Comments").
		First(&ticket, "number = ?", r.PathValue("number")).Error
	return http.StatusOK, ticket, notFound(err)
}

func (a *app) createTicket(r *http.Request) (status int, body any, err error) {
	wanted, err := desk.ReadTicket(r)
	if err != nil {
		return 0, nil, err
	}
	ticket := Ticket{
		Number: wanted.Number, Subject: wanted.Subject, Status: dataset.StatusOpen, Priority: wanted.Priority,
		Requester: wanted.Requester, CountryCode: wanted.Country, OpenedAt: desk.Now(),
	}
	err = a.db.WithContext(r.Context()).Create(&ticket).Error
	return http.StatusCreated, ticket, err
}

func (a *app) createComment(r *http.Request) (status int, body any, err error) {
	wanted, err := desk.ReadComment(r)
	if err != nil {
		return 0, nil, err
	}
	comment := Comment{Author: wanted.Author, Body: wanted.Body, WrittenAt: desk.Now()}
	err = a.db.WithContext(r.Context()).Transaction(func(tx *gorm.DB) error {
		var ticket Ticket
		if err := tx.First(&ticket, "number = ?", r.PathValue("number")).Error; err != nil {
			return err
		}
		comment.TicketID = ticket.ID
		return tx.Create(&comment).Error
	})
	return http.StatusCreated, comment, notFound(err)
}

// showReport counts the tenant's tickets and those of all tenants beneath it.
func (a *app) showReport(r *http.Request) (status int, body any, err error) {
	tenant, ok := core.TenantFrom(r.Context())
	if !ok {
		return 0, nil, core.ErrNoTenant
	}
	report, _, err := desk.SummariseSubtree(r.Context(), a, tenant)
	return http.StatusOK, report, err
}

// notFound makes GORM's error for a row that is not there, or not the tenant's, the one that becomes a 404.
func notFound(err error) error {
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return desk.ErrNotFound
	}
	return err
}
