package gormstratum

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
)

// ForEachOptions say which tenants ForEachTenant visits, and how. The zero value visits all active ones.
type ForEachOptions = core.ForEachOptions

// ForEachReport says how far a run has come.
type ForEachReport = core.ForEachReport

// TenantFailure is one tenant that the function failed for.
type TenantFailure = core.TenantFailure

// ForEachError is returned by ForEachTenant for failures of the function. errors.Is and errors.As look into those that
// were kept.
type ForEachError = core.ForEachError

// PanicError is the failure of a tenant whose function panicked.
type PanicError = core.PanicError

// ForEachFunc is what ForEachTenant calls for a tenant. ctx and db belong to the tenant, and db has none of the
// conditions of the db that ForEachTenant was given.
type ForEachFunc func(ctx context.Context, db *gorm.DB, tenant core.Tenant) error

// ForEachTenant is core.Tenants.ForEach with a *gorm.DB for each tenant: it calls fn for many tenants, a few of them at
// once, as each of them. db must not be in a transaction, as each tenant's work has transactions of its own; in one the
// error is ErrForEach.
func ForEachTenant(
	ctx context.Context, db *gorm.DB, options ForEachOptions, fn ForEachFunc,
) (ForEachReport, error) {
	p, err := pluginOf(db)
	if err != nil {
		return ForEachReport{}, err
	}
	if _, inTx := db.Statement.ConnPool.(gorm.TxCommitter); inTx {
		return ForEachReport{}, fmt.Errorf("%w: db is in a transaction, which belongs to one tenant (call it on the "+
			"db outside)", ErrForEach)
	}
	return p.st.Tenants.ForEach(ctx, options, func(ctx context.Context, tenant core.Tenant) error {
		return fn(ctx, db.Session(&gorm.Session{NewDB: true, Context: ctx}), tenant)
	})
}
