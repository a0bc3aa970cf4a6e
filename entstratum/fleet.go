package entstratum

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/script"
)

// Migrations are Migrate for core.Fleet: the shared tables of the registry's database are migrated as Migrate does, and
// those of tenants with a schema or a database of their own follow. The generated ent.StratumMigrations calls it.
//
//	report, err := st.Fleet.Migrate(ctx, core.FleetOptions{
//		Migrations: []core.Migrations{ent.StratumMigrations(st)},
//	})
func Migrations(st *core.Stratum, r *Registry, options MigrateOptions) core.Migrations {
	return core.NewMigrations(access.Token{}, core.SharedMigration{
		Name: "ent",
		Run:  func(ctx context.Context) error { return Migrate(ctx, st, r, options) },
		Rehearse: func(ctx context.Context, look func(ctx context.Context, tx *sql.Tx) error) error {
			m, err := newMigration(ctx, st, r)
			if err != nil {
				return err
			}
			return m.rehearse(ctx, rehearsal{lockTimeout: script.DefaultLockTimeout(), options: options},
				func(ctx context.Context, tx *sql.Tx, _ []string) error { return look(ctx, tx) })
		},
	})
}

// rehearsal is a migration that is rolled back.
type rehearsal struct {
	lockTimeout string
	options     MigrateOptions
	before      func(ctx context.Context, tx *sql.Tx) error // runs ahead of it; nil for nothing
}

// rehearse does what Migrate does, hands the transaction to look, and rolls it back.
func (m *migration) rehearse(
	ctx context.Context, r rehearsal, look func(ctx context.Context, tx *sql.Tx, statements []string) error,
) error {
	owner, err := m.st.OwnerDB(access.Token{})
	if err != nil {
		return err
	}
	tx, err := owner.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return fmt.Errorf("entstratum: beginning the owner's transaction: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // nothing of it is to stay
	_, err = tx.ExecContext(ctx, "SELECT pg_catalog.set_config('lock_timeout', $1, true), "+
		"pg_catalog.set_config('search_path', $2, true)", r.lockTimeout, m.st.SearchPath(access.Token{}))
	if err != nil {
		return fmt.Errorf("entstratum: preparing the transaction: %w", err)
	}
	if r.before != nil {
		if err := r.before(ctx, tx); err != nil {
			return err
		}
	}
	statements, err := m.change(ctx, tx, r.options)
	if err != nil {
		return err
	}
	return look(ctx, tx, statements)
}
