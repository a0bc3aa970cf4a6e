package entstratum

import (
	"context"

	"entgo.io/ent"
	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/internal/scope"
)

// tenancy is what Stratum does to the queries and mutations of one schema.
type tenancy struct {
	column   string
	everyone bool // rows may be everyone's
}

// scoped is implemented by the generated queries: the condition is put behind all others each time a query is written.
type scoped interface {
	StratumScope(condition func(*sql.Selector))
}

// Intercept leaves a query as it is: what is to be done is done in Traverse, which also sees the steps of a traversal.
func (tenancy) Intercept(next ent.Querier) ent.Querier { return next }

// Traverse puts the tenant's condition into a query, or refuses the query where ctx has no tenant.
func (t tenancy) Traverse(ctx context.Context, q ent.Query) error {
	if _, err := scope.Check(ctx); err != nil {
		return err
	}
	query, ok := q.(scoped)
	if !ok {
		return ErrGenerated
	}
	query.StratumScope(t.narrow)
	return nil
}

// narrow reads the tenant when the query is written, and not when it is built: the same query may be run again for
// another tenant. The system has no condition, and what a subtree reads the policies know better.
func (t tenancy) narrow(s *sql.Selector) {
	if found, err := scope.Check(s.Context()); err == nil && found.Kind == scope.Tenant {
		s.SetP(both(s.P(), t.readBy(s.C(t.column), found.Tenant)))
	}
}

// readBy is the condition that the tenant reads a row: its own, and where there are such rows everyone's.
func (t tenancy) readBy(column string, tenant uuid.UUID) *sql.Predicate {
	own := sql.EQ(column, tenant)
	if t.everyone {
		return sql.Or(own, sql.IsNull(column))
	}
	return own
}

// both is a condition that has each of the two in parentheses of its own, so that an OR in the caller's cannot widen
// it, in whatever form it was written. sql.And leaves the parentheses out where it sees no OR, and does not see one in
// a text.
func both(callers, ours *sql.Predicate) *sql.Predicate {
	if callers == nil {
		return ours
	}
	return sql.P(func(b *sql.Builder) {
		b.Wrap(func(b *sql.Builder) { b.Join(callers) })
		b.WriteString(" AND ")
		b.Wrap(func(b *sql.Builder) { b.Join(ours) })
	})
}
