package variant

import (
	"context"
	"errors"
	"strconv"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/bench/internal/world"
)

// settingRows is the table whose policy compares with the setting app.tenant, without a predicate by hand.
func settingRows() model[world.Setting] {
	return model[world.Setting]{
		owner: func(row *world.Setting) uuid.UUID { return row.TenantID },
		fresh: func(tenant uuid.UUID) *world.Setting { row := world.Setting(freshRow(tenant)); return &row },
	}
}

// openSetLocal wraps each operation in a transaction whose first statement sets the tenant for its length: four round
// trips for one statement.
func openSetLocal(_ context.Context, target Target) (*Variant, error) {
	db, pool, err := openGORM(target)
	if err != nil {
		return nil, err
	}
	in := func(ctx context.Context, pick world.Pick, fn func(db *gorm.DB) error) error {
		return db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
			const set = "SELECT set_config('app.tenant', ?, true)"
			if err := tx.Exec(set, pick.Tenant.String()).Error; err != nil {
				return err
			}
			// Else GORM's own transactions around a write become savepoints, which nobody needs here.
			return fn(tx.Session(&gorm.Session{SkipDefaultTransaction: true, DisableNestedTransaction: true}))
		})
	}
	return &Variant{actions: settingRows().actions(in), close: pool.Close}, nil
}

// openSetSession sets the tenant on a connection when it is checked out and resets it when it is given back.
func openSetSession(_ context.Context, target Target) (*Variant, error) {
	db, pool, err := openGORM(target)
	if err != nil {
		return nil, err
	}
	in := func(ctx context.Context, pick world.Pick, fn func(db *gorm.DB) error) error {
		return reserved(db.WithContext(ctx), fn,
			"SELECT set_config('app.tenant', ?, false)", "SELECT set_config('app.tenant', '', false)",
			pick.Tenant.String())
	}
	return &Variant{actions: settingRows().actions(in), close: pool.Close}, nil
}

// openSearchPath leads the names of tables to the tenant's own schema for as long as it has the connection.
func openSearchPath(_ context.Context, target Target) (*Variant, error) {
	db, pool, err := openGORM(target)
	if err != nil {
		return nil, err
	}
	rows := model[world.Schema]{
		owner: func(row *world.Schema) uuid.UUID { return row.TenantID },
		fresh: func(tenant uuid.UUID) *world.Schema { row := world.Schema(freshRow(tenant)); return &row },
	}
	in := func(ctx context.Context, pick world.Pick, fn func(db *gorm.DB) error) error {
		return reserved(db.WithContext(ctx), fn,
			"SET search_path TO t"+strconv.Itoa(pick.Index), "RESET search_path")
	}
	return &Variant{actions: rows.actions(in), close: pool.Close}, nil
}

// reserved runs fn on a connection of its own, between the statements set and reset. args are those of set.
func reserved(db *gorm.DB, fn func(db *gorm.DB) error, set, reset string, args ...any) error {
	return db.Connection(func(conn *gorm.DB) error {
		// A session of its own for each statement, or GORM adds the next to the one before.
		conn = conn.Session(&gorm.Session{})
		if err := conn.Exec(set, args...).Error; err != nil {
			return err
		}
		err := fn(conn)
		return errors.Join(err, conn.Exec(reset).Error)
	})
}
