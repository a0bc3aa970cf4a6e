package fleet

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// GoMigration is goose's Migration.
type GoMigration = goose.Migration

// GooseOptions say how migrations are read and recorded.
type GooseOptions struct {
	// Name is the source's. Defaults to "goose".
	Name string
	// Table is the table in each target's schema that says which migrations have run, in goose's format.
	// Defaults to "goose_db_version".
	Table string
	// Migrations are those in Go, made by goose.NewGoMigration. What is registered with goose as a global is not run.
	Migrations []*goose.Migration
	// OutOfOrder also runs migrations older than a target's newest. Defaults to false: such a target fails.
	OutOfOrder bool
	// Outside lets migrations of a schema change tables outside of it. Defaults to false: a target whose migration
	// does, because it names a table that the schema lacks and its search_path has, fails with ErrOutside.
	Outside bool
	// To is the newest version to run. Defaults to all.
	To int64
}

// Goose is a source of migrations that goose understands: files *.sql in a folder, and functions. They are read once,
// here, and parsed by goose itself; variables that ENVSUB names are those of this moment. Each runs in a transaction
// together with its row in the target's table, or outside of one where the file says NO TRANSACTION. Only Up is ever
// run. Errors are goose's, and ErrTransaction.
func Goose(ctx context.Context, fsys fs.FS, dir string, opts GooseOptions) (Source, error) {
	if opts.Name == "" {
		opts.Name = "goose"
	}
	if opts.Table == "" {
		opts.Table = goose.DefaultTablename
	}
	if fsys != nil && dir != "" {
		sub, err := fs.Sub(fsys, dir)
		if err != nil {
			return nil, fmt.Errorf("stratum: reading migrations: %w", err)
		}
		fsys = sub
	}
	versions, err := record(ctx, fsys, opts.Migrations)
	if err != nil {
		return nil, err
	}
	for _, v := range versions {
		if err := v.check(); err != nil {
			return nil, err
		}
	}
	return &gooseSource{opts: opts, versions: versions}, nil
}

// version is one migration.
type version struct {
	number     int64
	name       string
	statements []string
	inTx       bool
	runTx      func(ctx context.Context, tx *sql.Tx) error
	runDB      func(ctx context.Context, db *sql.DB) error

	// whole is all statements as one text, "" where one of them has no end.
	whole string
	// joins is set where it may share its message with those of other targets.
	joins bool
	// words has the names in the statements.
	words []string
}

func (v *version) function() bool { return v.runTx != nil || v.runDB != nil }

// check refuses what would break the tie between a migration and its row, and lays out the statements.
func (v *version) check() error {
	whole := true
	v.words = wordsOf(v.statements)
	v.joins = v.inTx && !v.function() && allJoin(v.statements)
	for _, s := range v.statements {
		command := sqltext.Inspect(s)
		whole = whole && !command.Broken
		if v.inTx && endsTransaction(command) {
			return fmt.Errorf("stratum: migration %q: %w", v.name, ErrTransaction)
		}
	}
	if whole {
		v.whole = join(v.statements)
	}
	return nil
}

func endsTransaction(c sqltext.Command) bool {
	switch c.Word {
	case "BEGIN", "START", "COMMIT", "END", "ABORT":
		return true
	case "ROLLBACK":
		return !slices.Contains(c.Next, "TO")
	case "PREPARE":
		return len(c.Next) > 0 && c.Next[0] == "TRANSACTION"
	}
	return false
}

// join makes one text of statements. One may end in a comment, and one may lack its semicolon.
func join(statements []string) string {
	var b strings.Builder
	for _, s := range statements {
		b.WriteString(s + "\n;\n")
	}
	return b.String()
}

func (v *version) step() Step {
	return Step{
		Version: v.name, Statements: v.statements, Go: v.function(), NoTransaction: !v.inTx,
	}
}

// gooseSource is a Source.
type gooseSource struct {
	opts     GooseOptions
	versions []*version // oldest first
}

func (g *gooseSource) Name() string { return g.opts.Name }

func (g *gooseSource) failed(context.Context, *visit, error) {}

// pending are the versions that a target lacks, oldest first. What goose has rows for has been applied.
func (g *gooseSource) pending(applied []int64) ([]*version, error) {
	newest := int64(0)
	if len(applied) > 0 {
		newest = slices.Max(applied)
	}
	if g.opts.To > 0 && newest > g.opts.To {
		return nil, ErrDown
	}
	var pending []*version
	for _, v := range g.versions {
		switch {
		case slices.Contains(applied, v.number), g.opts.To > 0 && v.number > g.opts.To:
		case v.number < newest && !g.opts.OutOfOrder:
			return nil, fmt.Errorf("%q: %w", v.name, ErrOutOfOrder)
		default:
			pending = append(pending, v)
		}
	}
	return pending, nil
}

func (g *gooseSource) visit(ctx context.Context, v *visit) error {
	for {
		pending, err := g.enter(ctx, v)
		if err != nil {
			return err
		}
		if v.opts.DryRun {
			for _, p := range pending {
				v.describe(p.step())
			}
			pending = nil
		}
		if len(pending) == 0 {
			return v.session.rollback(ctx)
		}
		// Before it is certain: what a lost connection has committed counts as work.
		v.step, v.worked = pending[0].name, true
		if err := g.apply(ctx, v, pending[0]); err != nil {
			return err
		}
		if len(pending) == 1 {
			return nil
		}
	}
}
