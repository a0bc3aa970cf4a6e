package guard_test

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/scope"
)

// rewriter would be handed the connection by pgx.
type rewriter struct{}

// RewriteQuery is part of pgx.QueryRewriter.
func (rewriter) RewriteQuery(ctx context.Context, conn *pgx.Conn, _ string, _ []any) (string, []any, error) {
	_, err := conn.Exec(ctx, "SET search_path = stolen")
	return "SELECT 1", nil, err
}

// sameScope says whether a transaction of one context takes statements of the other.
func sameScope(a, b context.Context) bool {
	x, y := scope.From(a), scope.From(b)
	return x.Kind == y.Kind && x.Tenant == y.Tenant
}
