package entstratum

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

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
//	err := migrate.NamedDiff(ctx, url, "add_tickets", schema.WithDir(dir),
//		schema.WithMigrationMode(schema.ModeReplay))
//	files, err := ent.StratumScript(ctx, client, entstratum.ScriptOptions{...})
//
// The database of st is one for this purpose, with the schema stratum and without the application's tables: Script runs
// the directory's files there, in a transaction that it rolls back, and ent's NamedDiff may use the same one. Without a
// directory, or with ScriptOptions.Applied, it is any database, and the files are what Migrate would do in it now. No
// files are returned where nothing is left to do.
//
// For tables of a plain ent application, which have rows where the files will run, set MigrateOptions.ExistingRows: the
// files give the rows to that tenant. It need not be known to the database of st.
//
// Give ent's NamedDiff a URL with search_path in it, such as search_path=public: without, Atlas takes the schema
// stratum for the application's. The directory's tool runs all files as the owner of the tables, on databases that
// have the schema stratum: see core.Stratum.Migrate, or core.Stratum.MigrateScript.
func Script(
	ctx context.Context, st *core.Stratum, r *Registry, files ScriptOptions, options MigrateOptions,
) ([]ScriptFile, error) {
	files, err := files.WithDefaults()
	if err != nil {
		return nil, err
	}
	m, err := newMigration(ctx, st, r)
	if err != nil {
		return nil, err
	}
	m.elsewhere = files.Dir != nil
	statements, err := m.plan(ctx, files, options)
	if err != nil || len(statements) == 0 {
		return nil, err
	}
	return files.Files(statements, script.Source{
		Function: "entstratum.Migrate", SearchPath: st.SearchPath(access.Token{}),
	})
}

// plan returns what Migrate would run behind the directory's files.
func (m *migration) plan(
	ctx context.Context, files ScriptOptions, options MigrateOptions,
) (statements []string, err error) {
	r := rehearsal{lockTimeout: files.LockTimeoutSetting(), options: options}
	if files.Dir != nil && !files.Applied {
		r.before = func(ctx context.Context, tx *sql.Tx) error { return replay(ctx, tx, files) }
	}
	err = m.rehearse(ctx, r, func(_ context.Context, _ *sql.Tx, planned []string) error {
		statements = planned
		return nil
	})
	return statements, err
}

// replay runs the directory's files. What ent has tried out on the database before it has dropped with the tables, but
// for the record of them.
func replay(ctx context.Context, tx *sql.Tx, files ScriptOptions) error {
	up, err := files.Up()
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM stratum.tables"); err != nil {
		return fmt.Errorf("entstratum: forgetting tables: %w", err)
	}
	for _, file := range up {
		if _, err := tx.ExecContext(ctx, string(file.Content)); err != nil {
			return replayRefused(file.Name, err)
		}
	}
	return nil
}

// SQLSTATEs of files that cannot be tried out.
const (
	codeInTransaction  = "25001" // as CREATE INDEX CONCURRENTLY
	codeDuplicateTable = "42P07"
)

func replayRefused(name string, err error) error {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		const cure = "or run the directory's files on a scratch database with their tool, and set ScriptOptions.Applied"
		switch pgErr.Code {
		case codeInTransaction:
			return fmt.Errorf("%w: %q has a statement that cannot be tried out in a transaction: %w (take it out of "+
				"the directory, %s)", ErrScript, name, err, cure)
		case codeDuplicateTable:
			return fmt.Errorf("%w: running %q: %w (Script runs all files of ScriptOptions.Dir: use a scratch database "+
				"without the application's tables, %s)", ErrScript, name, err, cure)
		}
	}
	return fmt.Errorf("entstratum: running %q in a transaction: %w", name, err)
}
