package gormstratum

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

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
// What each table is declared as is recorded in stratum.tables. MigrateScript prints what Migrate would do.
//
// db.AutoMigrate is refused. A program that runs GORM's own AutoMigrate in another way, without the plugin and with the
// setting stratum.owner=migrate on its connection, changes nothing either, for models that embed Tenant. The tag unique
// is the exception: GORM has no such constraint over two columns, and fails to add its own. Use uniqueIndex instead.
func Migrate(ctx context.Context, db *gorm.DB, options MigrateOptions) error {
	m, err := newMigration(ctx, db, options)
	if err != nil {
		return err
	}
	return m.transaction(ctx, m.run)
}

// migration is what one Migrate does.
type migration struct {
	plugin  *Plugin
	owner   *gorm.DB
	list    []tables.Table
	options MigrateOptions
}

// newMigration finds out what is wanted. It reads nothing of the tables yet.
func newMigration(ctx context.Context, db *gorm.DB, options MigrateOptions) (*migration, error) {
	p, err := pluginOf(db)
	if err != nil {
		return nil, err
	}
	if len(p.registry.models) == 0 {
		return nil, fmt.Errorf("%w: Options.Models is empty, so there is nothing to migrate", ErrModel)
	}
	if err := p.st.Ping(ctx); err != nil {
		return nil, err
	}
	m := &migration{plugin: p, options: options}
	if m.owner, err = p.ownerDB(db); err != nil {
		return nil, err
	}
	m.list, err = describe(m.owner, p.registry)
	return m, err
}

// transaction runs work as the owner. Prepare waits for another Migrate, and what follows must see what that one has
// committed.
func (m *migration) transaction(ctx context.Context, work func(context.Context, *gorm.DB) error) error {
	return m.owner.WithContext(ctx).Transaction(func(tx *gorm.DB) error { return work(ctx, tx) },
		&sql.TxOptions{Isolation: sql.LevelReadCommitted})
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

// run does the work inside the owner's transaction.
func (m *migration) run(ctx context.Context, tx *gorm.DB) error {
	_, err := m.change(ctx, tx)
	return err
}

// change moves out of GORM's way what must be, lets it migrate, and then makes keys and policies. The policies come
// last, because they hide the rows that keys are checked against. It returns the statements that changed something.
func (m *migration) change(ctx context.Context, tx *gorm.DB) ([]string, error) {
	sqlTx, ok := tx.Statement.ConnPool.(*sql.Tx)
	if !ok {
		return nil, errors.Join(ErrPool, gorm.ErrInvalidTransaction)
	}
	p := m.plugin
	_, err := sqlTx.ExecContext(ctx, "SELECT pg_catalog.set_config('search_path', $1, true)",
		p.st.SearchPath(access.Token{}))
	if err != nil {
		return nil, fmt.Errorf("gormstratum: setting search_path: %w", err)
	}
	config := p.st.TableConfig(access.Token{})
	config.ExistingRows = m.options.ExistingRows
	t := tables.New(sqlTx, config)
	first, orm := &recorder{Tx: sqlTx, dialector: tx.Dialector}, &recorder{Tx: sqlTx, dialector: tx.Dialector}
	if err := (plainMigration{p.registry, first}).expand(ctx); err != nil {
		return nil, err
	}
	if err := t.Prepare(ctx, m.list); err != nil {
		return nil, err
	}
	before := t.Script()
	if err := m.autoMigrate(ctx, tx, orm); err != nil {
		return nil, err
	}
	if err := t.Finish(ctx, m.list); err != nil {
		return nil, err
	}
	for _, f := range t.Findings() {
		tx.Logger.Warn(ctx, "gormstratum: table %s: %s: %s (%s)", f.Table, f.Object, f.Problem, f.Cure)
	}
	return slices.Concat(first.statements, before, orm.statements, t.Script()[len(before):]), nil
}

// autoMigrate runs GORM's own migration, with what there is to do for columns with values in the clear.
func (m *migration) autoMigrate(ctx context.Context, tx *gorm.DB, recorded *recorder) error {
	plain := plainMigration{m.plugin.registry, recorded}
	if err := plain.contract(ctx); err != nil {
		return err
	}
	tx.Statement.ConnPool = recorded
	defer func() { tx.Statement.ConnPool = recorded.Tx }()
	if err := tx.AutoMigrate(m.plugin.registry.models...); err != nil {
		return fmt.Errorf("gormstratum: AutoMigrate: %w", err)
	}
	return plain.relax(ctx)
}

// recorder is a transaction that notes what GORM executes in it. What GORM only reads it asks for by other methods.
type recorder struct {
	*sql.Tx

	dialector  gorm.Dialector
	statements []string
}

// ExecContext notes the statement, with its values in it.
func (r *recorder) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	statement := query
	if len(args) > 0 {
		statement = r.dialector.Explain(query, args...)
	}
	r.statements = append(r.statements, statement)
	return r.Tx.ExecContext(ctx, query, args...)
}
