package gormstratum

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// ScriptFormat is the tool that a script of MigrateScript is for.
type ScriptFormat uint8

// The formats.
const (
	// Plain is one SQL file for psql, with a transaction of its own.
	Plain ScriptFormat = iota
	// Goose is a migration of github.com/pressly/goose. Its Down raises an error.
	Goose
	// Atlas is a migration of atlasgo.io, and the directory's atlas.sum. Atlas runs each file in a transaction, unless
	// it is told --tx-mode none; do not do that.
	Atlas
)

// ScriptOptions say what files MigrateScript returns.
type ScriptOptions struct {
	// Format is the tool that the files are for. Defaults to Plain.
	Format ScriptFormat
	// Version begins the file's name. It consists of digits. Defaults to the time in UTC, as 20060102150405.
	Version string
	// Name follows the version in the file's name. It consists of letters, digits, _ and -. Defaults to "stratum".
	Name string
	// Dir is the directory of migrations that the files will be written to, such as os.DirFS("migrations"). The new
	// file must come last in it. Defaults to none, which for Atlas is an empty directory: its atlas.sum covers all
	// files.
	Dir fs.FS
	// LockTimeout bounds how long MigrateScript waits for a lock on a table. Defaults to 5 seconds.
	LockTimeout time.Duration
}

// ScriptFile is a file to be written.
type ScriptFile struct {
	// Name is the file's name, without a directory.
	Name string
	// Content is what is in it.
	Content []byte
}

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
	ctx context.Context, db *gorm.DB, options MigrateOptions, script ScriptOptions,
) ([]ScriptFile, error) {
	script, err := script.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := script.checkLast(); err != nil {
		return nil, err
	}
	m, err := newMigration(ctx, db, options)
	if err != nil {
		return nil, err
	}
	statements, err := m.plan(ctx, script.LockTimeout)
	if err != nil || len(statements) == 0 {
		return nil, err
	}
	return script.files(m.framed(statements))
}

// errPlanned ends a transaction that must not be committed.
var errPlanned = errors.New("gormstratum: planned")

// plan returns what Migrate would run.
func (m *migration) plan(ctx context.Context, lockTimeout time.Duration) (statements []string, err error) {
	err = m.transaction(ctx, func(ctx context.Context, tx *gorm.DB) error {
		timeout := strconv.FormatInt(max(lockTimeout.Milliseconds(), 1), 10) + "ms"
		_, err := tx.Statement.ConnPool.ExecContext(ctx, "SELECT pg_catalog.set_config('lock_timeout', $1, true)",
			timeout)
		if err != nil {
			return fmt.Errorf("gormstratum: setting lock_timeout: %w", err)
		}
		if statements, err = m.change(ctx, tx); err != nil {
			return err
		}
		return errPlanned
	})
	if !errors.Is(err, errPlanned) {
		return nil, err
	}
	return statements, nil
}

// framed puts around the statements what Migrate's transaction is like: the owner sees rows, and names are looked up
// where the application's tables are. A tool may use the transaction after them, so the settings are put back.
func (m *migration) framed(statements []string) []string {
	path := tables.Literal(m.plugin.st.SearchPath(access.Token{}))
	framed := make([]string, 0, len(statements)+2)
	framed = append(framed, "SELECT pg_catalog.set_config('stratum.path', pg_catalog.current_setting('search_path'), "+
		"true), pg_catalog.set_config('search_path', "+path+", true), "+
		"pg_catalog.set_config('stratum.owner', 'migrate', true)")
	framed = append(framed, statements...)
	return append(framed, "SELECT pg_catalog.set_config('search_path', pg_catalog.current_setting('stratum.path'), "+
		"true), pg_catalog.set_config('stratum.owner', '', true)")
}

// What names of files are made of.
var (
	scriptVersion = regexp.MustCompile(`^[0-9]*[1-9][0-9]*$`)
	scriptName    = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
)

// withDefaults fills in what is empty and checks the rest.
func (o ScriptOptions) withDefaults() (ScriptOptions, error) {
	if o.Version == "" {
		o.Version = time.Now().UTC().Format("20060102150405")
	}
	if o.Name == "" {
		o.Name = "stratum"
	}
	if o.LockTimeout == 0 {
		o.LockTimeout = 5 * time.Second
	}
	switch {
	case o.Format > Atlas:
		return o, fmt.Errorf("%w: format %d does not exist (use Plain, Goose or Atlas)", ErrScript, o.Format)
	case !scriptVersion.MatchString(o.Version):
		return o, fmt.Errorf("%w: version %q is not a number (use digits, or leave it out)", ErrScript, o.Version)
	case !scriptName.MatchString(o.Name):
		return o, fmt.Errorf("%w: name %q cannot be part of a file's name (use letters, digits, _ and -)",
			ErrScript, o.Name)
	case o.LockTimeout < 0:
		return o, fmt.Errorf("%w: the lock timeout is negative", ErrScript)
	}
	return o, nil
}

func (o ScriptOptions) fileName() string { return o.Version + "_" + o.Name + ".sql" }

// checkLast refuses a file that the directory's tool would run before others: those have been run already.
func (o ScriptOptions) checkLast() error {
	names, err := o.existing()
	if err != nil {
		return err
	}
	for _, name := range names {
		if name >= o.fileName() {
			return fmt.Errorf("%w: %q would not come last in the directory, where there is %q (give it a later "+
				"version)", ErrScript, o.fileName(), name)
		}
	}
	return nil
}

// existing are the names of the migrations in the directory, in order.
func (o ScriptOptions) existing() ([]string, error) {
	if o.Dir == nil {
		return nil, nil
	}
	names, err := fs.Glob(o.Dir, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("gormstratum: reading the directory of migrations: %w", err)
	}
	return names, nil
}

// files lays the statements out for the tool.
func (o ScriptOptions) files(statements []string) ([]ScriptFile, error) {
	var b strings.Builder
	switch o.Format {
	case Plain:
		b.WriteString(scriptHead + "BEGIN;\n\n" + terminated(statements) + "\nCOMMIT;\n")
	case Goose:
		b.WriteString("-- +goose Up\n" + scriptHead)
		for _, statement := range statements {
			b.WriteString(gooseStatement(statement))
		}
		b.WriteString("\n-- +goose Down\n" + gooseStatement(gooseDown))
	case Atlas:
		b.WriteString(scriptHead + terminated(statements))
		file := ScriptFile{o.fileName(), []byte(b.String())}
		sum, err := o.atlasSum(file)
		return []ScriptFile{file, sum}, err
	}
	return []ScriptFile{{o.fileName(), []byte(b.String())}}, nil
}

// scriptHead says what the file is.
const scriptHead = `-- What gormstratum.Migrate does, as SQL.
-- Run it once, as the owner of the tables, in one transaction.

`

// gooseDown is the way back that is none: a Down without an error would count as one.
const gooseDown = `DO $$ BEGIN RAISE EXCEPTION 'this migration has no way back' ` +
	`USING HINT = 'gormstratum.EjectScript prints the way back.'; END $$`

func terminated(statements []string) string {
	var b strings.Builder
	for _, statement := range statements {
		b.WriteString(statement + ";\n")
	}
	return b.String()
}

// gooseStatement marks where a statement ends that goose would end elsewhere: it looks for a semicolon at the end of a
// line and for two dashes at the start of a word.
func gooseStatement(statement string) string {
	if !strings.ContainsAny(statement, ";\n") && !strings.Contains(statement, "--") {
		return statement + ";\n"
	}
	return "-- +goose StatementBegin\n" + statement + ";\n-- +goose StatementEnd\n"
}
