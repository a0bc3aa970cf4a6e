package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
)

const (
	maxBody    = 64 << 10 // bytes of a request
	maxTickets = 50       // in a list
)

// errRequest is returned for a request that cannot be understood.
var errRequest = errors.New("bad request")

// handler routes the requests. Which tenant one belongs to is decided once, in front of all of them.
func (d *desk) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /tickets", endpoint(d.listTickets))
	mux.Handle("POST /tickets", endpoint(d.createTicket))
	mux.Handle("GET /tickets/{number}", endpoint(d.showTicket))
	mux.Handle("POST /tickets/{number}/comments", endpoint(d.createComment))
	mux.Handle("GET /report", endpoint(d.showReport))
	return d.withTenant(mux)
}

// withTenant puts the tenant into the request's context. A real application takes it from an authenticated session or
// a verified token: a header by itself is a claim, not a proof.
//
// A request without the header goes on without a tenant, and every statement of it will be refused. Nothing else has to
// be checked anywhere.
func (d *desk) withTenant(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		slug := r.Header.Get("X-Tenant")
		if slug == "" {
			next.ServeHTTP(w, r)
			return
		}
		tenant, err := d.st.Tenants.BySlug(r.Context(), slug)
		if err != nil {
			writeError(w, r, err)
			return
		}
		ctx := core.WithTenant(r.Context(), tenant.ID)
		ctx = core.WithActor(ctx, core.Actor{ID: "http", Kind: "service"})
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func (d *desk) listTickets(r *http.Request) (status int, body any, err error) {
	query := d.db.WithContext(r.Context()).Preload("Tags").Order("opened_at DESC, number").Limit(maxTickets)
	if s := r.URL.Query().Get("status"); s != "" {
		query = query.Where("status = ?", s)
	}
	var tickets []Ticket
	err = query.Find(&tickets).Error
	return http.StatusOK, tickets, err
}

func (d *desk) showTicket(r *http.Request) (status int, body any, err error) {
	var ticket Ticket
	err = d.db.WithContext(r.Context()).Preload("Tags").Preload("Comments").
		First(&ticket, "number = ?", r.PathValue("number")).Error
	return http.StatusOK, ticket, err
}

// newTicket is the body of POST /tickets.
type newTicket struct {
	Number    string   `json:"number"`
	Subject   string   `json:"subject"`
	Priority  Priority `json:"priority"`
	Requester string   `json:"requester"`
	Country   *string  `json:"country"`
}

func (d *desk) createTicket(r *http.Request) (status int, body any, err error) {
	wanted := newTicket{Priority: PriorityNormal}
	if err := decode(r, &wanted); err != nil {
		return 0, nil, err
	}
	if wanted.Number == "" || wanted.Subject == "" || !wanted.Priority.valid() {
		const needed = "number and subject are needed, and priority is low, normal, high or urgent"
		return 0, nil, fmt.Errorf("%w: %s", errRequest, needed)
	}
	ticket := Ticket{
		Number: wanted.Number, Subject: wanted.Subject, Status: StatusOpen, Priority: wanted.Priority,
		Requester: wanted.Requester, CountryCode: wanted.Country, OpenedAt: now(),
	}
	err = d.db.WithContext(r.Context()).Create(&ticket).Error
	return http.StatusCreated, ticket, err
}

// newComment is the body of POST /tickets/{number}/comments.
type newComment struct {
	Author string `json:"author"`
	Body   string `json:"body"`
}

func (d *desk) createComment(r *http.Request) (status int, body any, err error) {
	var wanted newComment
	if err := decode(r, &wanted); err != nil {
		return 0, nil, err
	}
	if wanted.Author == "" || wanted.Body == "" {
		return 0, nil, fmt.Errorf("%w: author and body are needed", errRequest)
	}
	comment := Comment{Author: wanted.Author, Body: wanted.Body, WrittenAt: now()}
	err = d.db.WithContext(r.Context()).Transaction(func(tx *gorm.DB) error {
		var ticket Ticket
		if err := tx.First(&ticket, "number = ?", r.PathValue("number")).Error; err != nil {
			return err
		}
		comment.TicketID = ticket.ID
		return tx.Create(&comment).Error
	})
	return http.StatusCreated, comment, err
}

// showReport counts the tenant's tickets and those of all tenants beneath it.
func (d *desk) showReport(r *http.Request) (status int, body any, err error) {
	tenant, ok := core.TenantFrom(r.Context())
	if !ok {
		return 0, nil, core.ErrNoTenant
	}
	report, err := summarise(d.db.WithContext(core.WithSubtree(r.Context(), tenant)))
	return http.StatusOK, report, err
}

// now is the time in whole seconds, as in the CSV files.
func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// decode reads a body, and refuses fields that are not asked for: a tenant_id, for instance.
func decode(r *http.Request, into any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", errRequest, err)
	}
	return nil
}

// endpoint makes a handler of a function that returns what to answer.
type endpoint func(r *http.Request) (status int, body any, err error)

// ServeHTTP answers in JSON.
func (e endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, body, err := e(r)
	if err != nil {
		writeError(w, r, err)
		return
	}
	writeJSON(w, status, body)
}

// writeError answers with the status that the error means. An error nobody has thought of is for the log alone.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	status, text := statusOf(err)
	if status == http.StatusInternalServerError {
		slog.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	writeJSON(w, status, map[string]string{"error": text})
}

func statusOf(err error) (status int, text string) {
	switch {
	case errors.Is(err, core.ErrNoTenant):
		return http.StatusUnauthorized, "which tenant? (send its slug in the header X-Tenant)"
	case errors.Is(err, core.ErrTenantNotFound), errors.Is(err, core.ErrTenantUnknown):
		return http.StatusUnauthorized, "no such tenant"
	case errors.Is(err, core.ErrTenantNotActive):
		return http.StatusForbidden, "the tenant is not active"
	case errors.Is(err, gorm.ErrRecordNotFound):
		return http.StatusNotFound, "not found"
	case errors.Is(err, core.ErrDuplicateKey):
		return http.StatusConflict, "there is one with this number"
	case errors.Is(err, gorm.ErrForeignKeyViolated):
		return http.StatusUnprocessableEntity, "no such country"
	case errors.Is(err, errRequest):
		return http.StatusBadRequest, err.Error()
	case errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable, "the request was given up"
	}
	return http.StatusInternalServerError, "something went wrong"
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}
