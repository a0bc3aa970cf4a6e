package entstratum

import (
	"context"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"entgo.io/ent/dialect/sql/sqlgraph"

	"github.com/stratum-hq/stratum-go/internal/scope"
)

// Mutation is what a mutation of the generated client carries from the hook of its schema to the statement: whose it
// is, and what the statement has to hold to.
type Mutation struct {
	scope scope.Scope
	keep  func(*sql.Selector)
	check func(context.Context) error

	everyones bool
}

// stated is implemented by the mutations that the extension generates.
type stated interface {
	StratumState() *Mutation
}

// IsEveryones reports whether a new row is to have no tenant. The generated create builders ask it.
func (m *Mutation) IsEveryones() bool { return m.everyones }

// Narrow puts the condition that rows are the tenant's behind a statement's others, where no hook can widen it any
// more. The generated update and delete builders call it. It returns nil where there is no condition at all.
func (m *Mutation) Narrow(others func(*sql.Selector)) func(*sql.Selector) {
	switch {
	case m.keep == nil:
		return others
	case others == nil:
		return m.keep
	}
	keep := m.keep
	return func(s *sql.Selector) {
		others(s)
		keep(s)
	}
}

// NarrowOne does the same for an update of one row whose key has two columns. ent takes a predicate there for one with
// an id, and panics.
func (m *Mutation) NarrowOne(spec *sqlgraph.UpdateSpec) {
	if m.keep == nil {
		return
	}
	keep := m.keep
	spec.AddModifier(func(u *sql.UpdateBuilder) {
		s := sql.Dialect(dialect.Postgres).Select().From(sql.Table(spec.Node.Table))
		keep(s)
		u.Where(s.P())
	})
}
