package gormstratum

import (
	"errors"
	"fmt"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/schema"

	"github.com/stratum-hq/stratum-go/core"
)

// Dialector is gorm.io/driver/postgres on a guarded pool.
type Dialector struct {
	postgres.Dialector
}

// Open returns a Dialector on the guarded pool of st, for gorm.Open. There is no unguarded connection behind it at any
// time. db.Use(New(st, ...)) is still needed, for the models.
func Open(st *core.Stratum) gorm.Dialector {
	registerSerializer()
	return Dialector{postgres.Dialector{Config: &postgres.Config{Conn: st.DB()}}}
}

// Apply leaves out the ping with which GORM begins. Where it fails GORM closes the pool, which is not its own;
// core.Open has reached the database already, and the schema stratum may be yet to come.
func (d Dialector) Apply(config *gorm.Config) error {
	config.DisableAutomaticPing = true
	return d.Dialector.Apply(config)
}

// wrapDialector returns the dialector of db on the guarded pool of st, with migrations refused.
func wrapDialector(d gorm.Dialector, st *core.Stratum) (gorm.Dialector, error) {
	var config *postgres.Config
	switch d := d.(type) {
	case Dialector:
		config = d.Config
	case *postgres.Dialector:
		config = d.Config
	case postgres.Dialector:
		config = d.Config
	default:
		return nil, ErrDialector
	}
	return Dialector{postgres.Dialector{Config: onPool(config, st.DB())}}, nil
}

// onPool returns a copy of config for another pool.
func onPool(config *postgres.Config, pool gorm.ConnPool) *postgres.Config {
	moved := *config
	moved.Conn, moved.DSN, moved.DriverName = pool, "", ""
	return &moved
}

// ownsPool reports whether the pool of a db with dialector d was opened by GORM, and not by the application.
func ownsPool(d gorm.Dialector) bool {
	switch d := d.(type) {
	case *postgres.Dialector:
		return d.Conn == nil
	case postgres.Dialector:
		return d.Conn == nil
	}
	return false
}

// Translate gives GORM's own errors to those who ask for them with gorm.Config.TranslateError, and keeps Stratum's
// underneath.
func (d Dialector) Translate(err error) error {
	switch {
	case errors.Is(err, gorm.ErrDuplicatedKey), errors.Is(err, gorm.ErrForeignKeyViolated):
		return err // GORM translates an error once more wherever it passes it on
	case errors.Is(err, core.ErrDuplicateKey):
		return fmt.Errorf("%w: %w", gorm.ErrDuplicatedKey, err)
	case errors.Is(err, core.ErrForeignKey):
		return fmt.Errorf("%w: %w", gorm.ErrForeignKeyViolated, err)
	}
	return d.Dialector.Translate(err)
}

// Migrator returns a Migrator that looks at the schema but does not change it; Migrate does. It needs a tenant as any
// statement does: without one ColumnTypes returns ErrNoTenant, while HasTable and its like can only say no.
func (d Dialector) Migrator(db *gorm.DB) gorm.Migrator {
	m, ok := d.Dialector.Migrator(db).(postgres.Migrator)
	if !ok {
		return nil
	}
	// The embedded Migrator asks its Dialector, which must be the plain one, for the types of columns.
	return migrator{m}
}

// migrator refuses what changes the schema.
type migrator struct {
	postgres.Migrator
}

// AutoMigrate refuses; see Migrate.
func (migrator) AutoMigrate(...any) error { return ErrAutoMigrate }

// CreateTable refuses; see Migrate.
func (migrator) CreateTable(...any) error { return ErrAutoMigrate }

// DropTable refuses; see Migrate.
func (migrator) DropTable(...any) error { return ErrAutoMigrate }

// RenameTable refuses; see Migrate.
func (migrator) RenameTable(any, any) error { return ErrAutoMigrate }

// AddColumn refuses; see Migrate.
func (migrator) AddColumn(any, string) error { return ErrAutoMigrate }

// DropColumn refuses; see Migrate.
func (migrator) DropColumn(any, string) error { return ErrAutoMigrate }

// AlterColumn refuses; see Migrate.
func (migrator) AlterColumn(any, string) error { return ErrAutoMigrate }

// MigrateColumn refuses; see Migrate.
func (migrator) MigrateColumn(any, *schema.Field, gorm.ColumnType) error { return ErrAutoMigrate }

// MigrateColumnUnique refuses; see Migrate.
func (migrator) MigrateColumnUnique(any, *schema.Field, gorm.ColumnType) error { return ErrAutoMigrate }

// RenameColumn refuses; see Migrate.
func (migrator) RenameColumn(any, string, string) error { return ErrAutoMigrate }

// CreateView refuses; see Migrate.
func (migrator) CreateView(string, gorm.ViewOption) error { return ErrAutoMigrate }

// DropView refuses; see Migrate.
func (migrator) DropView(string) error { return ErrAutoMigrate }

// CreateConstraint refuses; see Migrate.
func (migrator) CreateConstraint(any, string) error { return ErrAutoMigrate }

// DropConstraint refuses; see Migrate.
func (migrator) DropConstraint(any, string) error { return ErrAutoMigrate }

// CreateIndex refuses; see Migrate.
func (migrator) CreateIndex(any, string) error { return ErrAutoMigrate }

// DropIndex refuses; see Migrate.
func (migrator) DropIndex(any, string) error { return ErrAutoMigrate }

// RenameIndex refuses; see Migrate.
func (migrator) RenameIndex(any, string, string) error { return ErrAutoMigrate }
