package copies

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Report says what a Refresh has done.
type Report struct {
	// Snapshot is the state of the source that the target now holds, as PostgreSQL's pg_snapshot.
	Snapshot string
	// Tables are in the order in which they were asked for.
	Tables []TableReport
	// Took is the time it took.
	Took time.Duration
}

// TableReport is what a Refresh has done to a table.
type TableReport struct {
	Table
	// Skipped says that the copy held all changes already.
	Skipped bool
	// Rows is how many the copy has.
	Rows int64
	// Inserted, Updated and Deleted are how many were written.
	Inserted, Updated, Deleted int64
}

// Changed tells whether anything was compared, hence whether the target had been behind.
func (r Report) Changed() bool {
	return slices.ContainsFunc(r.Tables, func(t TableReport) bool { return !t.Skipped })
}

// Refresh makes the target's copies what the source's tables are, in one transaction on the target and of one snapshot
// of the source. Tables without a change since they were last copied are not read, and only rows that differ are
// written. Whatever the tables' size, it holds a few hundred kilobytes. Refreshes of one target wait for each other.
//
// source is a connection of the tables' owner, for this call alone; after an error it may be closed. Errors are
// *TableError, ErrNotInstalled, and those of PostgreSQL; after each the target is as it was.
func Refresh(ctx context.Context, source *pgx.Conn, target Target, tables []Table) (Report, error) {
	begun := time.Now()
	r := refresh{pairs: newPairs(tables, target.Schemas)}
	if len(r.pairs) == 0 {
		return Report{}, nil
	}
	err := r.run(ctx, source, target.Conn)
	return Report{Snapshot: r.now.text, Tables: r.done, Took: time.Since(begun)}, err
}

// refresh is one run of Refresh.
type refresh struct {
	pairs    []*pair
	from, to pgx.Tx
	now      moment
	lacking  map[*pair]pending
	done     []TableReport
}

func (r *refresh) run(ctx context.Context, source, target *pgx.Conn) (err error) {
	r.to, err = begin(ctx, target, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return err
	}
	defer rollback(ctx, r.to)
	if err := lock(ctx, r.to, r.pairs); err != nil {
		return err
	}
	// Only now: whoever had the lock may have copied everything, and a snapshot from before would undo it.
	r.from, err = begin(ctx, source, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	defer rollback(ctx, r.from)
	if err := readMarkers(ctx, r.to, r.pairs); err != nil {
		return err
	}
	if err := r.compare(ctx); err != nil {
		return err
	}
	changed := slices.DeleteFunc(slices.Clone(r.pairs), func(p *pair) bool { return !p.changed })
	r.report()
	if len(changed) == 0 {
		return nil
	}
	return r.copy(ctx, changed)
}

// rollback ends a transaction that may be over, or whose ctx may be.
func rollback(ctx context.Context, tx pgx.Tx) {
	_ = tx.Rollback(context.WithoutCancel(ctx))
}

// textSettings make the text form of values mean the same on both sides, and the rows of everyone visible to the owner.
const textSettings = `SELECT pg_catalog.set_config(name, value, true) FROM (VALUES
	('search_path', 'pg_catalog'), ('datestyle', 'ISO, YMD'), ('intervalstyle', 'postgres'), ('bytea_output', 'hex'),
	('extra_float_digits', '3'), ('lc_monetary', 'C'), ('xmloption', 'content'), ('stratum.owner', 'migrate'))
	AS s (name, value)`

func begin(ctx context.Context, conn *pgx.Conn, options pgx.TxOptions) (pgx.Tx, error) {
	tx, err := conn.BeginTx(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("stratum: beginning to copy: %w", err)
	}
	if _, err := tx.Exec(ctx, textSettings, pgx.QueryExecModeExec); err != nil {
		return nil, errors.Join(fmt.Errorf("stratum: beginning to copy: %w", err), tx.Rollback(ctx))
	}
	return tx, nil
}

// lock waits for other writers of the same copies. The schemas are locked in order, so that nobody waits in a circle.
func lock(ctx context.Context, tx pgx.Tx, pairs []*pair) error {
	schemas := map[string]bool{}
	for _, p := range pairs {
		schemas[p.copySchema] = true
	}
	_, err := tx.Exec(ctx, `SELECT pg_catalog.pg_advisory_xact_lock(
		pg_catalog.hashtextextended('stratum.copies ' || s.name, 0)) FROM unnest($1::text[]) AS s (name)`,
		pgx.QueryExecModeExec, slices.Sorted(maps.Keys(schemas)))
	if err != nil {
		return fmt.Errorf("stratum: waiting for another refresh: %w", err)
	}
	return nil
}

// compare finds out which tables have changed.
func (r *refresh) compare(ctx context.Context) (err error) {
	if r.now, err = readMoment(ctx, r.from); err != nil {
		return err
	}
	shapes, err := readShapes(ctx, r.from, r.pairs, sourceSchema)
	if err != nil {
		return err
	}
	if r.lacking, err = readPending(ctx, r.from, r.pairs, r.now); err != nil {
		return err
	}
	for _, p := range r.pairs {
		if p.from = find(shapes, p.Schema, p.Name); p.from == nil {
			return p.check()
		}
		p.changed = p.isBehind(r.now) || r.lacking[p].changes > 0
	}
	return nil
}

// isBehind tells whether the copy is to be compared whatever changes have been written down.
func (p *pair) isBehind(now moment) bool {
	return p.marker == nil || p.marker.source != now.source || p.marker.shape != p.from.Digest || !p.from.Watched
}

// report begins the report with what was there.
func (r *refresh) report() {
	for _, p := range r.pairs {
		done := TableReport{Table: p.Table, Skipped: !p.changed}
		if p.marker != nil {
			done.Rows = p.marker.rows
		}
		r.done = append(r.done, done)
	}
}

// copy brings the rows over. Temporary tables hold them until all are there.
func (r *refresh) copy(ctx context.Context, changed []*pair) error {
	shapes, err := readShapes(ctx, r.to, changed, copySchema)
	if err != nil {
		return err
	}
	for _, p := range changed {
		p.to = find(shapes, p.copySchema, p.Name)
		if err := p.check(); err != nil {
			return err
		}
	}
	// The owner's own functions, in checks and generated columns, may need their schema in the search_path.
	if _, err := r.to.Exec(ctx, "SET LOCAL search_path TO DEFAULT"); err != nil {
		return fmt.Errorf("stratum: beginning to copy: %w", err)
	}
	for i, p := range changed {
		p.stage = fmt.Sprintf("pg_temp.stratum_copy_%d", i+1)
		if err := r.fill(ctx, p); err != nil {
			return fmt.Errorf("stratum: copying table %s: %w", p.Table, err)
		}
	}
	if err := r.merge(ctx, changed); err != nil {
		return err
	}
	if err := r.record(ctx); err != nil {
		return err
	}
	// Deferred constraints are checked here, so that their refusals are told from those of a commit.
	if _, err := r.to.Exec(ctx, "SET CONSTRAINTS ALL IMMEDIATE"); err != nil {
		return mergeError(err)
	}
	if err := r.to.Commit(ctx); err != nil {
		return fmt.Errorf("stratum: committing copies: %w", err)
	}
	return nil
}

const recordSQL = `
INSERT INTO stratum.copies (table_schema, table_name, source, snapshot, shape, rows)
SELECT w.schema, w.name, $3, $4::pg_snapshot, w.shape, w.rows
FROM unnest($1::text[], $2::text[], $5::text[], $6::bigint[]) AS w (schema, name, shape, rows)
ON CONFLICT (table_schema, table_name) DO UPDATE SET source = excluded.source, snapshot = excluded.snapshot,
	position = excluded.position, shape = excluded.shape, rows = excluded.rows, refreshed_at = excluded.refreshed_at`

// record notes the snapshot for all tables, for those that had not changed are as it sees them too.
func (r *refresh) record(ctx context.Context) error {
	wanted := columns(r.pairs, copySchema)
	shapes, rows := make([]string, 0, len(r.pairs)), make([]int64, 0, len(r.pairs))
	for i, p := range r.pairs {
		shapes, rows = append(shapes, p.from.Digest), append(rows, r.done[i].Rows)
	}
	_, err := r.to.Exec(ctx, recordSQL, pgx.QueryExecModeExec, wanted.schemas, wanted.tables, r.now.source, r.now.text,
		shapes, rows)
	if err != nil {
		return fmt.Errorf("stratum: recording copies: %w", err)
	}
	return nil
}
