package core

import (
	"context"
	"strconv"

	"github.com/google/uuid"
)

// Bounds of ListOptions.Limit.
const (
	defaultPage = 100
	maxPage     = 1000
)

// ListOptions says which tenants List returns. The zero value asks for the first hundred of all.
type ListOptions struct {
	// After is the Next of the page before. Defaults to the beginning.
	After string
	// Limit is the most tenants a page has, from 1 to 1000. Defaults to 100.
	Limit int
	// Statuses keeps only tenants with one of these. Defaults to any.
	Statuses []Status
	// Under keeps only this tenant and its descendants. Defaults to all, and with a tenant's ctx to that tenant.
	Under uuid.UUID
}

// Page is one page of tenants.
type Page struct {
	// Tenants are ordered by ID, which for ids made by Create is the order of creation.
	Tenants []Tenant
	// Next is the After of the next page, or empty when this was the last. Its form may change; do not take it apart.
	Next string
}

// List returns one page of the tenants in the caller's reach. Pages follow each other by the id of the last tenant and
// not by counting, so that one created, moved or suspended meanwhile makes no other appear twice or not at all. It
// returns ErrTenantNotFound for an unknown Under and an *InvalidError for an After, Limit or Statuses out of range.
func (t *Tenants) List(ctx context.Context, opts ListOptions) (Page, error) {
	const op = "list tenants"
	after, err := opts.validate()
	if err != nil {
		return Page{}, operationError(op, err)
	}
	var found []Tenant
	err = t.do(ctx, op, readOnly, func(s session) (err error) {
		found, err = s.list(ctx, after, opts)
		return err
	})
	if err != nil {
		return Page{}, err
	}
	return opts.page(found), nil
}

// validate returns the id to go on after.
func (o ListOptions) validate() (after uuid.UUID, err error) {
	if o.Limit < 0 || o.Limit > maxPage {
		return uuid.Nil, &InvalidError{Field: "Limit", Reason: "must be from 1 to 1000, or 0 for 100"}
	}
	for _, status := range o.Statuses {
		if !status.isKnown() {
			unknown := strconv.Quote(string(status))
			return uuid.Nil, &InvalidError{Field: "Statuses", Reason: "must not have the unknown status " + unknown}
		}
	}
	if o.After == "" {
		return uuid.Nil, nil
	}
	if after, err = uuid.Parse(o.After); err != nil {
		return uuid.Nil, &InvalidError{Field: "After", Reason: "is not the Next of another page"}
	}
	return after, nil
}

func (s Status) isKnown() bool {
	switch s {
	case StatusActive, StatusSuspended, StatusArchived, StatusProvisioning, StatusMoving:
		return true
	default:
		return false
	}
}

// limit is how many tenants a page has.
func (o ListOptions) limit() int {
	if o.Limit == 0 {
		return defaultPage
	}
	return o.Limit
}

// page makes a page of what list found, which is one tenant more than fits when there is another page.
func (o ListOptions) page(found []Tenant) Page {
	limit := o.limit()
	if len(found) <= limit {
		return Page{Tenants: found}
	}
	return Page{Tenants: found[:limit], Next: found[limit-1].ID.String()}
}

func (s session) list(ctx context.Context, after uuid.UUID, o ListOptions) ([]Tenant, error) {
	under := o.Under
	if under == uuid.Nil {
		under = s.caller.id
	}
	statuses := o.Statuses // nil is NULL to the database: any status
	if under == uuid.Nil {
		const all = `WHERE id > $1 AND ($2::text[] IS NULL OR status = ANY($2)) ORDER BY id LIMIT $3`
		return s.find(ctx, all, after, statuses, o.limit()+1)
	}
	if _, err := s.get(ctx, under); err != nil {
		return nil, err
	}
	const subtree = `WHERE id > $1 AND ($2::text[] IS NULL OR status = ANY($2))
		AND path <@ (SELECT top.path FROM stratum.tenants top WHERE top.id = $4) ORDER BY id LIMIT $3`
	return s.find(ctx, subtree, after, statuses, o.limit()+1, under)
}
