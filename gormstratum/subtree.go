package gormstratum

import (
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
)

// Subtree widens db from the tenant of its context to that tenant and its descendants: reads see the descendants' rows,
// archived ones left out, and writes still reach the tenant's own rows alone. It is core.WithSubtree for db's context,
// and both forms do the same:
//
//	gormstratum.Subtree(db.WithContext(ctx)).Find(&invoices)
//	db.WithContext(ctx).Scopes(gormstratum.Subtree).Find(&invoices)
//
// A transaction keeps the scope that it began with: begin it on what Subtree returns, since a statement that is widened
// inside a tenant's transaction is refused with core.ErrTenantMismatch. SELECT ... FOR UPDATE returns the tenant's own
// rows alone, as it is the beginning of a write. A context without a tenant, or of the system, is refused with
// core.ErrNoTenant when the statement runs.
func Subtree(db *gorm.DB) *gorm.DB {
	ctx := db.Statement.Context
	tenant, _ := core.TenantFrom(ctx) // uuid.Nil is refused by the guard
	return db.WithContext(core.WithSubtree(ctx, tenant))
}
