package attack

import (
	"context"
	"database/sql"
	"slices"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/core"
)

// Topic is a list of attempts that act in the same context.
type Topic struct {
	Title    string
	As       Actor
	Of       Party // who attempts; Scene.Me where it is left out
	Attempts []Attempt
}

// Actor gives a context to somebody.
type Actor func(ctx context.Context) context.Context

// Attempt is one way to reach another tenant's rows.
type Attempt struct {
	Name string
	Want Outcome
	Try  func(ctx context.Context) (Reached, error)
}

// Try returns an attempt. It must end as want says.
func Try(name string, want Outcome, try func(ctx context.Context) (Reached, error)) Attempt {
	return Attempt{Name: name, Want: want, Try: try}
}

// ORM is the application that is attacked, as far as attempts that know no ORM need it.
type ORM interface {
	// Tickets finds all tickets.
	Tickets(ctx context.Context) (Reached, error)
	// ExecContext runs SQL as the ORM's own method for that does.
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	// QueryContext runs a query as the ORM's own method for that does.
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// AsNobody forgets the tenant.
func AsNobody(ctx context.Context) context.Context { return ctx }

// AsMe is one ordinary tenant, who is taken to know every id there is.
func (s *Scene) AsMe(ctx context.Context) context.Context { return As(ctx, s.Me) }

// As is the context of a request by somebody at p.
func As(ctx context.Context, p Party) context.Context {
	return core.WithActor(core.WithTenant(ctx, p.Tenant.ID), core.Actor{ID: "mallory", Kind: "user"})
}

// WithoutTenant is ctx with its tenant forgotten on the way.
func WithoutTenant(ctx context.Context) context.Context { return core.WithTenant(ctx, uuid.Nil) }

// Changed are n rows that a statement has changed, which can only have been rows of one owner.
func Changed(n int64, owner Party) Reached {
	return slices.Repeat(Reached{owner.Tenant.ID}, int(max(n, 0)))
}

// Querier runs a query: a client, a transaction, a connection.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Owners runs a query whose one column is the tenant_id of rows.
func Owners(ctx context.Context, db Querier, query string, args ...any) (Reached, error) {
	return ScanOwners(db.QueryContext(ctx, query, args...))
}

// ScanOwners reads rows whose one column is a tenant_id, and closes them.
func ScanOwners(rows *sql.Rows, err error) (Reached, error) {
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err has what matters
	var got Reached
	for rows.Next() {
		var owner uuid.UUID
		if err := rows.Scan(&owner); err != nil {
			return got, err
		}
		got = append(got, owner)
	}
	return got, rows.Err()
}

// owners makes an attempt of a query whose one column is the tenant_id of rows.
func (s *Scene) owners(ctx context.Context, query string, args ...any) (Reached, error) {
	return Owners(ctx, s.orm, query, args...)
}

// change makes an attempt of a statement that can only change rows of one owner.
func (s *Scene) change(ctx context.Context, owner Party, query string, args ...any) (Reached, error) {
	result, err := s.orm.ExecContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	n, err := result.RowsAffected()
	return Changed(n, owner), err
}

// exec is an attempt of one raw statement.
func (s *Scene) exec(query string) func(ctx context.Context) (Reached, error) {
	return func(ctx context.Context) (Reached, error) {
		_, err := s.orm.ExecContext(ctx, query)
		return nil, err
	}
}
