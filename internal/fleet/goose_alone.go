package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// alone runs a migration that wants no transaction, on a session that has the target's lock and settings. That it has
// begun is written down before, and taken back together with its row at the end: what is found of it later was
// interrupted.
func (g *gooseSource) alone(ctx context.Context, v *visit, m *version) (err error) {
	if err := v.session.rollback(ctx); err != nil {
		return err
	}
	if err := lockSession(ctx, v); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			v.session.close(ctx) // takes lock and settings with it
		}
	}()
	found, err := v.session.send(ctx, g.lookSQL(v.target))
	if err != nil {
		return err
	}
	b, err := readBook(found[0])
	if err != nil {
		return err
	}
	if !slices.Contains(b.applied, m.number) {
		if err := g.marked(ctx, v, m); err != nil {
			return err
		}
	}
	_, err = v.session.send(ctx, "RESET ALL; SELECT "+v.lock("pg_advisory_unlock"))
	return err
}

// lockSession gives the session the target's lock and settings until it gives them back.
func lockSession(ctx context.Context, v *visit) error {
	for pause := firstWait; ; pause = min(2*pause, maxWait) {
		results, err := v.session.send(ctx, clearSQL+"SELECT "+v.settings(false)+v.lock("pg_try_advisory_lock"))
		if err != nil {
			return err
		}
		row := results[len(results)-1].Rows[0]
		if string(row[len(row)-1]) == "t" {
			return nil
		}
		if err := v.opts.Clock.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// marked runs a migration between the mark that it has begun and its row.
func (g *gooseSource) marked(ctx context.Context, v *visit, m *version) error {
	mark := ledger{schema: v.target.Schema, source: g.opts.Name + "/" + m.name}
	found, err := v.session.send(ctx, mark.selectSQL())
	if err != nil {
		return noLedger(err)
	}
	if len(found[0].Rows) > 0 && !v.opts.Rerun {
		return interrupted(ctx, v, nil)
	}
	if err := g.inward(ctx, v, m); err != nil {
		return err
	}
	if _, err := v.session.send(ctx, mark.failedSQL("begun and not ended")); err != nil {
		return err
	}
	if err := g.loose(ctx, v, m); err != nil {
		if nothingLeft(err) {
			_, unmarked := v.session.send(ctx, mark.deleteSQL())
			return errors.Join(err, unmarked)
		}
		// Where this fails too, the mark says that it has begun.
		_, _ = v.session.send(ctx, mark.failedSQL(message(err)))
		return interrupted(ctx, v, err)
	}
	_, err = v.session.send(ctx, "BEGIN; "+g.insert(v.target, m)+mark.deleteSQL()+"; COMMIT")
	return err
}

// inward refuses a migration that would change tables outside of the target, which could not be undone.
func (g *gooseSource) inward(ctx context.Context, v *visit, m *version) error {
	if m.function() {
		return nil
	}
	outside, err := g.namesakes(ctx, v.session, v.target, m)
	if err != nil {
		return err
	}
	lack, err := lacking(ctx, v.session, []string{sqltext.Literal(v.target.Schema)}, outside)
	if err == nil && len(lack) > 0 {
		err = ErrOutside
	}
	return err
}

// intactError is of a migration's first statement, which PostgreSQL has undone as a whole.
type intactError struct{ error }

func (e intactError) Unwrap() error { return e.error }

func nothingLeft(err error) bool {
	var intact intactError
	return errors.As(err, &intact)
}

// loose runs the statements or the function.
func (g *gooseSource) loose(ctx context.Context, v *visit, m *version) error {
	if m.runDB != nil {
		return v.runDB(ctx, m)
	}
	for i, s := range m.statements {
		whole := undoneWhole(s)
		if err := v.statement(ctx, s, whole); err != nil {
			if i == 0 && whole && sqlState(err) != "" && !v.session.pg.IsClosed() {
				return intactError{err}
			}
			return err
		}
	}
	return nil
}

// undoneWhole reports whether a statement that fails leaves nothing.
func undoneWhole(statement string) bool {
	c := sqltext.Inspect(statement)
	return c.Statements == 1 && !strings.Contains(strings.ToUpper(statement), "CONCURRENTLY") &&
		!slices.Contains([]string{"", "CALL", "DO", "VACUUM", "REINDEX", "CLUSTER"}, c.Word)
}

// statement runs one statement by itself. One that would leave something gets all the time that it needs for its locks,
// which hold nobody up; any other steps back like a transaction does.
func (v *visit) statement(ctx context.Context, statement string, whole bool) error {
	timeout := "0"
	if whole {
		timeout = v.lockTimeout()
	}
	set := "SELECT pg_catalog.set_config('lock_timeout', " + sqltext.Literal(timeout) + ", false)"
	if _, err := v.session.send(ctx, set); err != nil {
		return err
	}
	pause := firstPause
	for try := 0; ; try++ {
		_, err := v.session.send(ctx, statement)
		if err == nil || !whole || sqlState(err) != codeLockTimeout || try == v.opts.Retries {
			return err
		}
		if err := v.opts.Clock.Sleep(ctx, jitter(pause)); err != nil {
			return err
		}
		pause = min(2*pause, maxPause)
	}
}

// runDB calls a function that wants a pool: one of its own, since there is but one connection for statements. All its
// connections have the target's settings.
func (v *visit) runDB(ctx context.Context, m *version) (err error) {
	settings := "SELECT " + v.settings(false) + "true"
	db := stdlib.OpenDB(*v.session.config, stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.PgConn().Exec(ctx, settings).ReadAll()
		return err
	}))
	defer func() { err = errors.Join(err, db.Close()) }()
	return recovered(func() error { return m.runDB(ctx, db) })
}

const invalidSQL = `SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_index i
	JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE NOT i.indisvalid AND n.nspname = `

// interrupted says what may be in the way, as far as it shows in the catalog.
func interrupted(ctx context.Context, v *visit, cause error) error {
	err := ErrInterrupted
	if !v.session.pg.IsClosed() {
		found, looked := v.session.send(ctx, invalidSQL+sqltext.Literal(v.target.Schema))
		if looked == nil && len(found[0].Rows) > 0 {
			err = &leftError{indexes: names(found[0])}
		}
	}
	if cause == nil {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}

func names(r *pgconn.Result) []string {
	names := make([]string, len(r.Rows))
	for i, row := range r.Rows {
		names[i] = string(row[0])
	}
	return names
}

// leftError is ErrInterrupted with what was found.
type leftError struct{ indexes []string }

func (e *leftError) Error() string {
	return ErrInterrupted.Error() + "; invalid indexes: " + strings.Join(e.indexes, ", ")
}

func (e *leftError) Unwrap() error { return ErrInterrupted }
