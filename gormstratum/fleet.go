package gormstratum

import (
	"context"
	"database/sql"

	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/script"
)

// Migrations are Migrate for core.Fleet: the shared tables of the registry's database are migrated as Migrate does, and
// those of tenants with a schema or a database of their own follow.
//
//	report, err := st.Fleet.Migrate(ctx, core.FleetOptions{
//		Migrations: []core.Migrations{gormstratum.Migrations(db, gormstratum.MigrateOptions{})},
//	})
func Migrations(db *gorm.DB, options MigrateOptions) core.Migrations {
	return core.NewMigrations(access.Token{}, core.SharedMigration{
		Name: "gorm",
		Run:  func(ctx context.Context) error { return Migrate(ctx, db, options) },
		Rehearse: func(ctx context.Context, look func(ctx context.Context, tx *sql.Tx) error) error {
			m, err := newMigration(ctx, db, options)
			if err != nil {
				return err
			}
			return m.rehearse(ctx, script.DefaultLockTimeout(), func(ctx context.Context, tx *sql.Tx,
				_ []string,
			) error {
				return look(ctx, tx)
			})
		},
	})
}
