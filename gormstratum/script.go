package gormstratum

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/script"
)

// ScriptFormat is the tool that a script of MigrateScript is for.
type ScriptFormat = script.Format

// The formats.
const (
	// Plain is one SQL file for psql, with a transaction of its own.
	Plain = script.Plain
	// Goose is a migration of github.com/pressly/goose. Its Down raises an error.
	Goose = script.Goose
	// Atlas is a migration of atlasgo.io, and the directory's atlas.sum. Atlas runs each file in a transaction, unless
	// it is told --tx-mode none; do not do that.
	Atlas = script.Atlas
	// GolangMigrate is a migration of github.com/golang-migrate/migrate: a file for up, and one for down that raises an
	// error.
	GolangMigrate = script.GolangMigrate
)

// ScriptOptions say what files MigrateScript returns.
type ScriptOptions = script.Options

// ScriptFile is a file to be written.
type ScriptFile = script.File

// MigrateScript returns, as SQL files, what Migrate would run on the database now, GORM's own statements included, and
// changes nothing. The files are for the same database or one in the same state, with the same role prefix and with the
// schema stratum installed, and are run as the login of core.Options.OwnerDSN. After them Migrate has nothing to do. No
// files are returned where there is nothing to do already.
//
// To find out it runs Migrate in a transaction that it rolls back: rows that Migrate would refuse make it fail with the
// same errors, and it holds the same locks for as long. So make scripts on a copy of a busy database; with
// ScriptOptions.LockTimeout it gives up rather than let writers queue behind it. Where there are rows to be given to
// MigrateOptions.ExistingRows, that tenant's id is in the script.
//
// EjectScript prints the way back.
func MigrateScript(
	ctx context.Context, db *gorm.DB, options MigrateOptions, files ScriptOptions,
) ([]ScriptFile, error) {
	files, err := files.WithDefaults()
	if err != nil {
		return nil, err
	}
	m, err := newMigration(ctx, db, options)
	if err != nil {
		return nil, err
	}
	statements, err := m.plan(ctx, files)
	if err != nil || len(statements) == 0 {
		return nil, err
	}
	return files.Files(statements, script.Source{
		Function: "gormstratum.Migrate", WayBack: "gormstratum.EjectScript prints the way back.",
		SearchPath: m.plugin.st.SearchPath(access.Token{}),
	})
}

// errPlanned ends a transaction that must not be committed.
var errPlanned = errors.New("gormstratum: planned")

// plan returns what Migrate would run.
func (m *migration) plan(ctx context.Context, files ScriptOptions) (statements []string, err error) {
	err = m.rehearse(ctx, files.LockTimeoutSetting(), func(_ context.Context, _ *sql.Tx, planned []string) error {
		statements = planned
		return nil
	})
	return statements, err
}

// rehearse does what Migrate does, hands the transaction to look, and rolls it back.
func (m *migration) rehearse(
	ctx context.Context, lockTimeout string, look func(ctx context.Context, tx *sql.Tx, statements []string) error,
) error {
	err := m.transaction(ctx, func(ctx context.Context, tx *gorm.DB) error {
		pool, ok := tx.Statement.ConnPool.(*sql.Tx)
		if !ok {
			return fmt.Errorf("%w: the owner's transaction is a %T", ErrPool, tx.Statement.ConnPool)
		}
		_, err := pool.ExecContext(ctx, "SELECT pg_catalog.set_config('lock_timeout', $1, true)", lockTimeout)
		if err != nil {
			return fmt.Errorf("gormstratum: setting lock_timeout: %w", err)
		}
		statements, err := m.change(ctx, tx)
		if err == nil {
			err = look(ctx, pool, statements)
		}
		return cmp.Or(err, errPlanned)
	})
	if !errors.Is(err, errPlanned) {
		return err
	}
	return nil
}
