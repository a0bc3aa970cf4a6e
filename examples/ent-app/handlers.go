package main

import (
	"net/http"

	"entgo.io/ent/dialect/sql"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/ticket"
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
	query := a.client.Ticket.Query().WithTags().
		Order(ticket.ByOpenedAt(sql.OrderDesc()), ticket.ByNumber()).Limit(maxTickets)
	if s := r.URL.Query().Get("status"); s != "" {
		query = query.Where(ticket.StatusEQ(dataset.Status(s)))
	}
	tickets, err := query.All(r.Context())
	return http.StatusOK, tickets, err
}

func (a *app) showTicket(r *http.Request) (status int, body any, err error) {
	found, err := a.client.Ticket.Query().Where(ticket.Number(r.PathValue("number"))).
		WithTags().WithComments().Only(r.Context())
	return http.StatusOK, found, notFound(err)
}

func (a *app) createTicket(r *http.Request) (status int, body any, err error) {
	wanted, err := desk.ReadTicket(r)
	if err != nil {
		return 0, nil, err
	}
	created, err := a.client.Ticket.Create().
		SetNumber(wanted.Number).SetSubject(wanted.Subject).SetStatus(dataset.StatusOpen).SetPriority(wanted.Priority).
		SetRequester(wanted.Requester).SetNillableCountryCode(wanted.Country).SetOpenedAt(desk.Now()).
		Save(r.Context())
	return http.StatusCreated, created, err
}

func (a *app) createComment(r *http.Request) (status int, body any, err error) {
	wanted, err := desk.ReadComment(r)
	if err != nil {
		return 0, nil, err
	}
	ctx := r.Context()
	var created *ent.Comment
	err = inTx(ctx, a.client, func(tx *ent.Client) error {
		on, err := tx.Ticket.Query().Where(ticket.Number(r.PathValue("number"))).OnlyID(ctx)
		if err != nil {
			return err
		}
		created, err = tx.Comment.Create().SetTicketID(on).
			SetAuthor(wanted.Author).SetBody(wanted.Body).SetWrittenAt(desk.Now()).Save(ctx)
		return err
	})
	return http.StatusCreated, created, notFound(err)
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

// notFound makes ent's error for a row that is not there, or not the tenant's, the one that becomes a 404.
func notFound(err error) error {
	if ent.IsNotFound(err) {
		return desk.ErrNotFound
	}
	return err
}
