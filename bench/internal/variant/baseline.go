package variant

import (
	"context"
	"database/sql"
	"errors"

	"github.com/google/uuid"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/bench/internal/world"
)

// openGORM is GORM as its documentation opens it: pgx underneath, which prepares statements and keeps them.
func openGORM(target Target) (*gorm.DB, *sql.DB, error) {
	db, err := gorm.Open(postgres.Open(target.DSN), &gorm.Config{Logger: logger.Discard})
	if err != nil {
		return nil, nil, errors.New("open GORM") // the error may quote the DSN
	}
	pool, err := db.DB()
	if err != nil {
		return nil, nil, err
	}
	pool.SetMaxOpenConns(target.Conns)
	pool.SetMaxIdleConns(target.Conns)
	return db, pool, nil
}

func openPlainSQL(_ context.Context, target Target) (*Variant, error) {
	_, pool, err := openGORM(target) // the same pool, settings and all
	if err != nil {
		return nil, err
	}
	scope := func(ctx context.Context, _ world.Pick) context.Context { return ctx }
	return &Variant{actions: newStatements(pool, "plain_tickets", scope).actions(), close: pool.Close}, nil
}

func openPlainGORM(_ context.Context, target Target) (*Variant, error) {
	db, pool, err := openGORM(target)
	if err != nil {
		return nil, err
	}
	rows := model[world.Plain]{
		owner:  func(row *world.Plain) uuid.UUID { return row.TenantID },
		fresh:  func(tenant uuid.UUID) *world.Plain { row := freshRow(tenant); return &row },
		byHand: true,
	}
	in := func(ctx context.Context, _ world.Pick, fn func(db *gorm.DB) error) error {
		return fn(db.WithContext(ctx))
	}
	return &Variant{actions: rows.actions(in), close: pool.Close}, nil
}
