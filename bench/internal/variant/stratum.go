package variant

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/bench/internal/world"
)

// openStratum is a handle as an application has it.
func openStratum(ctx context.Context, target Target) (*core.Stratum, error) {
	options := target.World.Options(target.DSN, target.SystemDSN)
	options.MaxConns = target.Conns
	return core.Open(ctx, options)
}

// scopes has a context for each tenant. A request's middleware makes one for all the request's statements, so that none
// of them pays for it here.
func scopes(ctx context.Context, w *world.World) func(context.Context, world.Pick) context.Context {
	base := context.WithoutCancel(ctx) // the variant outlives the call that opens it
	made := make([]context.Context, len(w.Tenants))
	for i, tenant := range w.Tenants {
		made[i] = core.WithTenant(base, tenant.ID) //nolint:fatcontext // side by side, not one in the other
	}
	return func(_ context.Context, pick world.Pick) context.Context { return made[pick.Index] }
}

func openGuard(ctx context.Context, target Target) (*Variant, error) {
	st, err := openStratum(ctx, target)
	if err != nil {
		return nil, err
	}
	return &Variant{
		actions: newStatements(st.DB(), "tickets", scopes(ctx, target.World)).actions(), close: st.Close,
	}, nil
}

func openPlugin(ctx context.Context, target Target) (*Variant, error) {
	st, err := openStratum(ctx, target)
	if err != nil {
		return nil, err
	}
	db, err := gorm.Open(gormstratum.Open(st), &gorm.Config{Logger: logger.Discard})
	if err == nil {
		err = db.Use(gormstratum.New(st, gormstratum.Options{Models: []any{&world.Ticket{}}}))
	}
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	rows := model[world.Ticket]{
		owner: func(row *world.Ticket) uuid.UUID { return row.TenantID },
		fresh: freshTicket, // without its tenant: the plugin stamps it
	}
	scope := scopes(ctx, target.World)
	in := func(ctx context.Context, pick world.Pick, fn func(db *gorm.DB) error) error {
		return fn(db.WithContext(scope(ctx, pick)))
	}
	return &Variant{actions: rows.actions(in), close: st.Close}, nil
}

func freshTicket(uuid.UUID) *world.Ticket {
	row := freshRow(uuid.Nil)
	return &world.Ticket{
		Number: row.Number, Title: row.Title, Body: row.Body, CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
	}
}
