package gormstratum

import (
	"context"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// subqueryClauses are the clauses that can hold a sub-query.
func subqueryClauses() []string {
	return []string{
		"SELECT", fromClause, whereClause, "GROUP BY", "ORDER BY", "SET", "VALUES", conflictClause, "RETURNING",
	}
}

// subquery stands in the place of a *gorm.DB among the arguments of a statement. Sub-queries are mostly made from a db
// without a context, and GORM writes them without a look at the statement around them. This one looks up the context
// of the statement that it is written into, at that moment: it may stay in a statement that is used again.
type subquery struct{ db *gorm.DB }

// Build writes the sub-query. The caller's *gorm.DB is copied and not changed, for others may be using it.
func (s subquery) Build(b clause.Builder) {
	stmt, ok := b.(*gorm.Statement)
	if !ok { // an application's own builder: the policies still act
		b.AddVar(b, s.db)
		return
	}
	ctx, err := s.contextIn(stmt)
	var failed subqueryFailure
	sub := s.db.Session(&gorm.Session{Context: context.WithValue(ctx, subqueryKey{}, &failed)})
	stmt.AddVar(stmt, sub)
	for _, err := range []error{err, failed.err} {
		if err != nil {
			_ = stmt.AddError(err) // AddError keeps it and returns it
		}
	}
}

// contextIn returns the context that the sub-query is written with: that of the statement around it, except where that
// has less to say than its own.
func (s subquery) contextIn(stmt *gorm.Statement) (context.Context, error) {
	ctx, own := stmt.Context, s.db.Statement.Context
	if ctx == nil { // the ON of a join is a statement without one
		ctx = stmt.Statement.Context
	}
	around, inner := scope.From(ctx), scope.From(own)
	switch {
	case inner.Kind == scope.None || inner == around:
		return ctx, nil
	case around.Kind == scope.System || !named(ctx):
		return own, nil // the guard refuses the statement, or the system sees as little as it asks for
	}
	// It would find nothing, silently: its predicate is of one tenant, the policies of another.
	return own, subqueryError{}
}

// named reports whether ctx has a scope that a statement can have.
func named(ctx context.Context) bool {
	_, err := scope.Check(ctx)
	return err == nil
}

// subqueryError is the refusal of a sub-query in another scope. It is core.ErrTenantMismatch to errors.Is, whose own
// words are about transactions.
type subqueryError struct{}

// Error says how to cure it.
func (subqueryError) Error() string {
	return "gormstratum: a sub-query belongs to another tenant than the statement around it (make it from a db " +
		"without a context, or with the same one)"
}

// Unwrap returns core.ErrTenantMismatch.
func (subqueryError) Unwrap() error { return core.ErrTenantMismatch }

// subqueryKey is the place of a *subqueryFailure in the context that a sub-query is written with.
type subqueryKey struct{}

// subqueryFailure keeps what GORM forgets: the error of a sub-query, in whose place "IN ()" would be left.
type subqueryFailure struct{ err error }

// failureOf is where the error of the sub-query at hand belongs. It reports false for any other statement.
func failureOf(db *gorm.DB) (*subqueryFailure, bool) {
	if !db.DryRun || db.Statement.Context == nil {
		return nil, false
	}
	failed, ok := db.Statement.Context.Value(subqueryKey{}).(*subqueryFailure)
	return failed, ok
}

// afterQuery hands the error of a sub-query to the statement around it.
func (p *Plugin) afterQuery(db *gorm.DB) {
	p.forget(db)
	p.dropMissing(db)
	if db.Error == nil {
		return
	}
	if failed, ok := failureOf(db); ok {
		failed.err = db.Error
	}
}
