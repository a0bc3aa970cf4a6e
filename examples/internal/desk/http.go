package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/examples/internal/dataset"
)

// MaxBody is how many bytes a request may have.
const MaxBody = 64 << 10

// What a handler returns for the client to know, for errors.Is. Errors of Stratum are understood as they are.
var (
	// ErrRequest is returned for a request that cannot be understood.
	ErrRequest = errors.New("bad request")
	// ErrNotFound is returned for a ticket that the tenant does not have.
	ErrNotFound = errors.New("not found")
)

// WithTenant puts the tenant into the request's context. A real application takes it from an authenticated session or
// a verified token: a header by itself is a claim, not a proof.
//
// A request without the header goes on without a tenant, and every statement of it will be refused. Nothing else has to
// be checked anywhere.
func WithTenant(st *core.Stratum, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		slug := r.Header.Get("X-Tenant")
		if slug == "" {
			next.ServeHTTP(w, r)
			return
		}
		tenant, err := st.Tenants.BySlug(r.Context(), slug)
		if err != nil {
			writeError(w, r, err)
			return
		}
		ctx := core.WithTenant(r.Context(), tenant.ID)
		ctx = core.WithActor(ctx, core.Actor{ID: "http", Kind: "service"})
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// NewTicket is the body of POST /tickets.
type NewTicket struct {
	Number    string           `json:"number"`
	Subject   string           `json:"subject"`
	Priority  dataset.Priority `json:"priority"`
	Requester string           `json:"requester"`
	Country   *string          `json:"country"`
}

// ReadTicket reads the body of POST /tickets.
func ReadTicket(r *http.Request) (NewTicket, error) {
	wanted := NewTicket{Priority: dataset.PriorityNormal}
	if err := decode(r, &wanted); err != nil {
		return NewTicket{}, err
	}
	if wanted.Number == "" || wanted.Subject == "" || !wanted.Priority.Valid() {
		const needed = "number and subject are needed, and priority is low, normal, high or urgent"
		return NewTicket{}, fmt.Errorf("%w: %s", ErrRequest, needed)
	}
	return wanted, nil
}

// NewComment is the body of POST /tickets/{number}/comments.
type NewComment struct {
	Author string `json:"author"`
	Body   string `json:"body"`
}

// ReadComment reads the body of POST /tickets/{number}/comments.
func ReadComment(r *http.Request) (NewComment, error) {
	var wanted NewComment
	if err := decode(r, &wanted); err != nil {
		return NewComment{}, err
	}
	if wanted.Author == "" || wanted.Body == "" {
		return NewComment{}, fmt.Errorf("%w: author and body are needed", ErrRequest)
	}
	return wanted, nil
}

// Now is the time in whole seconds, as in the CSV files.
func Now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// decode reads a body, and refuses fields that are not asked for: a tenant_id, for instance.
func decode(r *http.Request, into any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(nil, r.Body, MaxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return nil
}

// Endpoint makes a handler of a function that returns what to answer.
type Endpoint func(r *http.Request) (status int, body any, err error)

// ServeHTTP answers in JSON.
func (e Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
	case errors.Is(err, ErrNotFound):
		return http.StatusNotFound, "not found"
	case errors.Is(err, core.ErrDuplicateKey):
		return http.StatusConflict, "there is one with this number"
	case errors.Is(err, core.ErrForeignKey):
		return http.StatusUnprocessableEntity, "no such country"
	case errors.Is(err, ErrRequest):
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
