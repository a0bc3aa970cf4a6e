package desktest

import (
	"net/http"
	"strings"

	"github.com/stratum-hq/stratum-go/examples/internal/desk"
)

// Request is a request to the desk with the small dataset, and what is to be in the answer.
type Request struct {
	Name, Tenant, Line, Body string // Line is "GET /tickets"; Tenant is a slug, or empty

	Status int
	Says   string
}

// Reads are requests that change nothing.
func Reads() []Request {
	const partial = `"open":3,"closed":1,"comments":3,"top_tag":"vip","country":"Norway"`
	return []Request{
		{"no tenant", "", "GET /tickets", "", http.StatusUnauthorized, "X-Tenant"},
		{"no tenant, one ticket", "", "GET /tickets/T-1", "", http.StatusUnauthorized, "X-Tenant"},
		{"no tenant, report", "", "GET /report", "", http.StatusUnauthorized, "X-Tenant"},
		{"unknown tenant", "nobody", "GET /tickets", "", http.StatusUnauthorized, "no such tenant"},
		{"impossible tenant", "'; --", "GET /tickets", "", http.StatusUnauthorized, "no such tenant"},
		{"one ticket", "mid", "GET /tickets/T-2", "", http.StatusOK, `"subject":"Second, \"quoted\""`},
		{"its tags and comments", "mid", "GET /tickets/T-1", "", http.StatusOK, `ünïcode ✓`},
		{"a ticket of another", "side", "GET /tickets/T-3", "", http.StatusNotFound, "not found"},
		{"a ticket of a child", "top", "GET /tickets/T-3", "", http.StatusNotFound, "not found"},
		{"a tenant without any", "idle", "GET /tickets", "", http.StatusOK, "[]"},
		{"report on a subtree", "mid", "GET /report", "", http.StatusOK, partial},
		{"report on the whole tree", "top", "GET /report", "", http.StatusOK, `"open":5,"closed":2,"comments":5,`},
		{"report on a leaf", "leaf", "GET /report", "", http.StatusOK, `"open":1,"closed":0,"comments":1,`},
		{"no other page", "mid", "GET /nix", "", http.StatusNotFound, "404"},
		{"status that no ticket has", "mid", "GET /tickets?status=lost", "", http.StatusOK, "[]"},
		{"a status with SQL inside it", "mid", "GET /tickets?status=x'%20OR%20'1'='1", "", http.StatusOK, "[]"},
	}
}

// Writes are requests in an order: each sees what those before it have done.
func Writes() []Request {
	const (
		tickets  = "POST /tickets"
		comments = "POST /tickets/T-50/comments"
		ticket   = `{"number": "T-50", "subject": "New", "country": "IE"}`
		comment  = `{"author":"ann","body":"Me too"}`
		nowhere  = `{"number":"T-51","subject":"s","country":"XX"}`
		highest  = `{"number":"T-51","subject":"s","priority":"max"}`
		forged   = `{"tenant_id":"x","number":"T-51","subject":"s"}`
	)
	long := `{"subject":"` + strings.Repeat("x", desk.MaxBody) + `"}`
	return []Request{
		{"no tenant", "", tickets, ticket, http.StatusUnauthorized, "X-Tenant"},
		{"a ticket", "mid", tickets, ticket, http.StatusCreated, `"number":"T-50"`},
		{"its number again", "mid", tickets, ticket, http.StatusConflict, "this number"},
		{"its number elsewhere", "side", tickets, ticket, http.StatusCreated, `"number":"T-50"`},
		{"unknown country", "mid", tickets, nowhere, http.StatusUnprocessableEntity, "country"},
		{"no subject", "mid", tickets, `{"number":"T-51"}`, http.StatusBadRequest, "subject"},
		{"unknown priority", "mid", tickets, highest, http.StatusBadRequest, "priority"},
		{"a tenant_id", "mid", tickets, forged, http.StatusBadRequest, "unknown field"},
		{"no JSON", "mid", tickets, `number`, http.StatusBadRequest, "bad request"},
		{"too much", "mid", tickets, long, http.StatusBadRequest, "too large"},
		{"a comment", "mid", comments, comment, http.StatusCreated, `"Me too"`},
		{"on another's ticket", "leaf", comments, comment, http.StatusNotFound, "not found"},
		{"an empty comment", "mid", comments, `{"author":"ann"}`, http.StatusBadRequest, "body"},
		{"no comment", "mid", comments, ``, http.StatusBadRequest, "bad request"},
		{"a comment of nobody", "", comments, comment, http.StatusUnauthorized, "X-Tenant"},
	}
}
