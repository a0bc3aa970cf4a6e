package gormstratum

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// MigrateOptions say how Migrate treats what is there already.
type MigrateOptions struct {
	// ExistingRows is the tenant that rows of a table without a tenant column are given to. Needed where there are
	// such rows; without it Migrate returns ErrExistingRows and changes nothing.
	ExistingRows uuid.UUID
}

// Migrate brings the tables of the models that db.Use was given to what the models and the boundary want: it does what
// AutoMigrate does, adds the tenant column where it is missing, makes keys, unique indexes and foreign keys composite,
// and puts the policies on. It works as the owner of the tables, with the login of core.Options.OwnerDSN, in one
// transaction, so that a failure changes nothing. A second run changes nothing either, and several processes may run it
// at once.
//
// Rows that refer to another tenant's make it fail, with the name of the constraint. What it finds on a tenant-owned
// table that no model declares, and that reaches across tenants, it leaves alone and tells the logger of db.
//
// db.AutoMigrate is refused. A program that runs GORM's own AutoMigrate in another way, without the plugin and with the
// setting stratum.owner=migrate on its connection, changes nothing either, for models that embed Tenant. The tag unique
// is the exception: GORM has no such constraint over two columns, and fails to add its own. Use uniqueIndex instead.
func Migrate(ctx context.Context, db *gorm.DB, options MigrateOptions) error {
	p, err := pluginOf(db)
	if err != nil {
		return err
	}
	if len(p.registry.models) == 0 {
		return fmt.Errorf("%w: Options.Models is empty, so there is nothing to migrate", ErrModel)
	}
	if err := p.st.Ping(ctx); err != nil {
		return err
	}
	owner, err := p.ownerDB(db)
	if err != nil {
		return err
	}
	list, err := describe(owner, p.registry)
	if err != nil {
		return err
	}
	// Prepare waits for another Migrate, and what follows must see what that one has committed.
	return owner.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		return p.migrate(ctx, tx, list, options)
	}, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
}

// ownerDB is a *gorm.DB on the owner's connections, with the settings of db that concern migrations. It parses the
// models for itself, so that what is changed in their schemas does not reach db.
func (p *Plugin) ownerDB(db *gorm.DB) (*gorm.DB, error) {
	pool, err := p.st.OwnerDB(access.Token{})
	if err != nil {
		return nil, err
	}
	guarded, ok := db.Dialector.(Dialector)
	if !ok {
		return nil, ErrDialector
	}
	owner, err := gorm.Open(postgres.New(*onPool(guarded.Config, pool)), &gorm.Config{
		NamingStrategy:                           db.NamingStrategy,
		Logger:                                   db.Logger,
		NowFunc:                                  db.NowFunc,
		DisableForeignKeyConstraintWhenMigrating: db.DisableForeignKeyConstraintWhenMigrating,
		IgnoreRelationshipsWhenMigrating:         db.IgnoreRelationshipsWhenMigrating,
		DisableAutomaticPing:                     true,
	})
	if err != nil {
		return nil, fmt.Errorf("gormstratum: opening the owner's connection: %w", err)
	}
	return owner, nil
}

// migrate runs inside the owner's transaction: what must be out of GORM's way, GORM's own migration, and then keys and
// policies. The policies come last, because they hide the rows that keys are checked against.
func (p *Plugin) migrate(ctx context.Context, tx *gorm.DB, list []tables.Table, options MigrateOptions) error {
	sqlTx, ok := tx.Statement.ConnPool.(*sql.Tx)
	if !ok {
		return errors.Join(ErrPool, gorm.ErrInvalidTransaction)
	}
	_, err := sqlTx.ExecContext(ctx, "SELECT pg_catalog.set_config('search_path', $1, true)",
		p.st.SearchPath(access.Token{}))
	if err != nil {
		return fmt.Errorf("gormstratum: setting search_path: %w", err)
	}
	m := tables.New(sqlTx, tables.Config{Roles: p.st.Roles(access.Token{}), ExistingRows: options.ExistingRows})
	if err := m.Prepare(ctx, list); err != nil {
		return err
	}
	if err := tx.AutoMigrate(p.registry.models...); err != nil {
		return fmt.Errorf("gormstratum: AutoMigrate: %w", err)
	}
	if err := m.Finish(ctx, list); err != nil {
		return err
	}
	for _, f := range m.Findings() {
		tx.Logger.Warn(ctx, "gormstratum: table %s: %s: %s (%s)", f.Table, f.Object, f.Problem, f.Cure)
	}
	return nil
}
