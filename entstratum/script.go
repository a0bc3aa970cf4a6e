package entstratum

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/script"
)

// ScriptFormat is the tool that a script is for.
type ScriptFormat = script.Format

// The formats.
const (
	// Plain is one SQL file for psql, with a transaction of its own.
	Plain = script.Plain
	// Goose is a migration of github.com/pressly/goose. Its Down raises an error.
	Goose = script.Goose
	// Atlas is a migration of atlasgo.io, and the directory's atlas.sum.
	Atlas = script.Atlas
	// GolangMigrate is a migration of github.com/golang-migrate/migrate: a file for up, and one for down that raises an
	// error.
	GolangMigrate = script.GolangMigrate
)

// ScriptOptions say what files Script returns.
type ScriptOptions = script.Options

// ScriptFile is a file to be written.
type ScriptFile = script.File

// Script returns, as files of versioned migrations, what is left for Migrate to do once those in ScriptOptions.Dir have
// run: policies, FORCE, grants, and whatever ent's own files do not have yet. The generated ent.StratumScript calls it.
// So a directory that ent's NamedDiff writes to is followed up by a file with Stratum's SQL, for Atlas, goose or
// golang-migrate, and none of them needs to know of row-level security:
//
//	err := migrate.NamedDiff(ctx, devURL, "add_tickets", schema.WithDir(dir), ...)
//	files, err := ent.StratumScript(ctx, client, entstratum.ScriptOptions{...})
//
// The database of st is one for this purpose, with the schema stratum and without the application's tables: Script runs
// the directory's files there, in a transaction that it rolls back. Without a directory it is any database, and the
// files are what Migrate would do in it now. No files are returned where nothing is left to do.
func Script(
	ctx context.Context, st *core.Stratum, r *Registry, files ScriptOptions, options MigrateOptions,
) ([]ScriptFile, error) {
	files, err := files.WithDefaults()
	if err != nil {
		return nil, err
	}
	if err := files.CheckLast(); err != nil {
		return nil, err
	}
	m, err := newMigration(ctx, st, r)
	if err != nil {
		return nil, err
	}
	statements, err := m.plan(ctx, files, options)
	if err != nil || len(statements) == 0 {
		return nil, err
	}
	framed := script.Framed(statements, st.SearchPath(access.Token{}))
	return files.Files(framed, script.Source{Function: "entstratum.Migrate"})
}

// errPlanned ends a transaction that must not be committed.
var errPlanned = errors.New("entstratum: planned")

// plan returns what Migrate would run behind the directory's files.
func (m *migration) plan(
	ctx context.Context, files ScriptOptions, options MigrateOptions,
) (statements []string, err error) {
	owner, err := m.st.OwnerDB(access.Token{})
	if err != nil {
		return nil, err
	}
	err = inTransaction(ctx, owner, func(tx *sql.Tx) error {
		timeout := strconv.FormatInt(max(files.LockTimeout.Milliseconds(), 1), 10) + "ms"
		_, err := tx.ExecContext(ctx, "SELECT pg_catalog.set_config('lock_timeout', $1, true), "+
			"pg_catalog.set_config('search_path', $2, true)", timeout, m.st.SearchPath(access.Token{}))
		if err != nil {
			return fmt.Errorf("entstratum: preparing the transaction: %w", err)
		}
		if err := replay(ctx, tx, files); err != nil {
			return err
		}
		if statements, err = m.change(ctx, tx, options); err != nil {
			return err
		}
		return errPlanned
	})
	if !errors.Is(err, errPlanned) {
		return nil, err
	}
	return statements, nil
}

// replay runs the directory's files.
func replay(ctx context.Context, tx *sql.Tx, files ScriptOptions) error {
	up, err := files.Up()
	if err != nil {
		return err
	}
	for _, file := range up {
		if _, err := tx.ExecContext(ctx, string(file.Content)); err != nil {
			return fmt.Errorf("entstratum: running %q in a transaction: %w", file.Name, err)
		}
	}
	return nil
}
