package install

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"

	"github.com/pressly/goose/v3"
)

// versionTable is where goose remembers which migrations have run.
const versionTable = "stratum.schema_migrations"

// apply runs the pending migrations of r, each in a transaction of its own together with its row in versionTable, so
// that after a crash the next run goes on where this one stopped.
func (r release) apply(ctx context.Context, db *sql.DB, n names, log *slog.Logger) error {
	steps := make([]*goose.Migration, len(r))
	for i, m := range r {
		text, err := m.render(n)
		if err != nil {
			return err
		}
		// The whole text is one message: without arguments, pgx speaks the simple protocol.
		run := func(ctx context.Context, tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, text); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			return nil
		}
		steps[i] = goose.NewGoMigration(int64(m.version), &goose.GoFunc{RunTx: run}, nil)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, nil, goose.WithTableName(versionTable),
		goose.WithGoMigrations(steps...), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("stratum: preparing migrations: %w", err)
	}
	results, err := provider.Up(ctx)
	for _, done := range results {
		log.InfoContext(ctx, "stratum: migration applied", "version", done.Source.Version, "took", done.Duration)
	}
	if err != nil {
		return fmt.Errorf("stratum: migrating the schema: %w", err)
	}
	return nil
}
