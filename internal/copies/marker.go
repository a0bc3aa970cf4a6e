package copies

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// marker is what a target knows of one of its copies.
type marker struct {
	source   string
	snapshot snapshot
	text     string // the snapshot
	position uint64 // of the log
	shape    string
	rows     int64
	at       time.Time
}

// holds tells whether the copy has what a transaction did. position is where the log says that it committed.
func (m *marker) holds(xid, position uint64) bool {
	return position <= m.position || m.snapshot.sees(xid)
}

const markersSQL = `
SELECT c.table_schema, c.table_name, c.source, c.snapshot::text, (c.position - '0/0'::pg_lsn)::bigint, c.shape, c.rows,
	c.refreshed_at
FROM unnest($1::text[], $2::text[]) AS w (schema, name)
JOIN stratum.copies c ON c.table_schema = w.schema AND c.table_name = w.name`

// readMarkers sets the pairs' markers.
func readMarkers(ctx context.Context, tx pgx.Tx, pairs []*pair) error {
	byName := make(map[[2]string]*pair, len(pairs))
	for _, p := range pairs {
		byName[[2]string{p.copySchema, p.Name}], p.marker = p, nil
	}
	wanted := columns(pairs, copySchema)
	rows, err := tx.Query(ctx, markersSQL, pgx.QueryExecModeExec, wanted.schemas, wanted.tables)
	if err != nil {
		return fmt.Errorf("stratum: reading what copies hold: %w", notInstalled(err))
	}
	var name [2]string
	var m marker
	into := []any{&name[0], &name[1], &m.source, &m.text, &m.position, &m.shape, &m.rows, &m.at}
	_, err = pgx.ForEachRow(rows, into, func() error {
		found := m
		var err error
		if found.snapshot, err = parseSnapshot(found.text); err == nil {
			byName[name].marker = &found
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("stratum: reading what copies hold: %w", notInstalled(err))
	}
	return nil
}

// moment is a state of the source: what its snapshot sees.
type moment struct {
	source   string
	text     string
	snapshot snapshot
}

// sourceSQL names the line of history that transaction ids belong to: a server restored to an earlier time gives them
// out anew, on another timeline, and a dump restored elsewhere brings the rows without the ids.
const sourceSQL = `(SELECT s.system_identifier FROM pg_catalog.pg_control_system() s)::text || '/' ||
	left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8) || '/' ||
	(SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())::text`

func readMoment(ctx context.Context, tx pgx.Tx) (moment, error) {
	var m moment
	err := tx.QueryRow(ctx, "SELECT "+sourceSQL+", pg_catalog.pg_current_snapshot()::text", pgx.QueryExecModeExec).
		Scan(&m.source, &m.text)
	if err == nil {
		m.snapshot, err = parseSnapshot(m.text)
	}
	if err != nil {
		return m, fmt.Errorf("stratum: reading the state of the source: %w", err)
	}
	return m, nil
}

// changesSQL counts changes that are visible now and were not in the snapshot of a copy. A change of an id that is not
// visible came with a dump from another server. Where changes have been removed that the copy may lack, one is counted.
const changesSQL = `
SELECT w.i - 1, count(c.xid) + count(h.xid),
	coalesce(extract(epoch FROM clock_timestamp() - min(coalesce(c.changed_at, w.refreshed))), 0)::float8
FROM unnest($1::text[], $2::text[], $3::pg_snapshot[], $4::timestamptz[])
	WITH ORDINALITY AS w (schema, name, snapshot, refreshed, i)
LEFT JOIN stratum.copy_changes c ON c.table_schema = w.schema AND c.table_name = w.name
	AND pg_visible_in_snapshot(c.xid, pg_current_snapshot())
	AND (w.snapshot IS NULL OR NOT pg_visible_in_snapshot(c.xid, w.snapshot))
LEFT JOIN stratum.copy_horizon h ON c.xid IS NULL AND h.source = $5 AND h.xid > pg_snapshot_xmin(w.snapshot)
GROUP BY w.i HAVING count(c.xid) + count(h.xid) > 0`

// pending is what a copy lacks.
type pending struct {
	changes int64
	age     time.Duration // of the oldest of them
}

// readPending returns what each of the pairs lacks that something was copied of.
func readPending(ctx context.Context, tx pgx.Tx, pairs []*pair, now moment) (map[*pair]pending, error) {
	wanted := columns(pairs, sourceSchema)
	snapshots, times := make([]*string, len(pairs)), make([]*time.Time, len(pairs))
	for i, p := range pairs {
		if p.marker != nil {
			snapshots[i], times[i] = &p.marker.text, &p.marker.at
		}
	}
	rows, err := tx.Query(ctx, changesSQL, pgx.QueryExecModeExec, wanted.schemas, wanted.tables, snapshots, times,
		now.source)
	if err != nil {
		return nil, fmt.Errorf("stratum: reading changes to copy: %w", notInstalled(err))
	}
	found := make(map[*pair]pending, len(pairs))
	var i int
	var changes int64
	var seconds float64
	_, err = pgx.ForEachRow(rows, []any{&i, &changes, &seconds}, func() error {
		found[pairs[i]] = pending{changes, max(0, time.Duration(seconds*float64(time.Second)))}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("stratum: reading changes to copy: %w", notInstalled(err))
	}
	return found, nil
}
