package adopt

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// fill walks along the primary key until no row is without a tenant. Rows that somebody is writing to are left out, so
// that nobody waits for us and we for nobody; the next pass finds them.
func (s *session) fill(ctx context.Context, c tables.Change) error {
	if len(c.Fill.Columns) == 0 {
		return fmt.Errorf("stratum: table %s has no primary key to fill it along (add one)", c.Table)
	}
	for wait := firstBackoff; ; wait = min(2*wait, lastBackoff) {
		first, err := s.first(ctx, c)
		if first == nil || err != nil {
			return err
		}
		stuck, err := s.pass(ctx, c, first)
		if err != nil {
			return err
		}
		if stuck > 0 {
			check := tables.Check{Table: c.Table, List: c.Violation, Cure: "create their tenants, or give them a key"}
			return check.Refused(stuck, fmt.Sprintf("%d rows have no tenant to go to", stuck))
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

// first returns the key of the first row without a tenant, or nil: whatever ended the last run, this one goes on there.
func (s *session) first(ctx context.Context, c tables.Change) (key []string, err error) {
	var text []byte
	query := "SELECT to_json(ARRAY[" + texts(c.Fill) + "]) FROM " + c.Table + " WHERE " + c.Fill.Column +
		" IS NULL ORDER BY " + strings.Join(c.Fill.Columns, ", ") + " LIMIT 1"
	err = s.conn.QueryRowContext(ctx, query).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &key)
	}
	if err != nil {
		return nil, fmt.Errorf("stratum: table %s: looking for rows without a tenant: %w", c.Table, err)
	}
	return key, nil
}

// pass goes over the table once, from a row on, and returns the number of rows for which there is no tenant.
func (s *session) pass(ctx context.Context, c tables.Change, from []string) (stuck int64, err error) {
	event := Event{Step: c.Step, Table: c.Table, Statement: c.Statements[0], Total: c.Fill.Rows}
	size := min(firstBatch, s.config.Batch)
	for behind := ">="; ; behind = ">" {
		began := time.Now()
		b, err := s.batch(ctx, c, batchSQL(c, behind), from, size)
		if err != nil {
			return 0, err
		}
		stuck += b.stuck
		event.Rows += b.rows
		if err := s.config.Progress(event); err != nil {
			return 0, err
		}
		if b.rows < int64(size) {
			return stuck, nil
		}
		from, size = b.last, s.config.nextBatch(size, time.Since(began))
		if err := pause(ctx, s.config.Pause); err != nil {
			return 0, err
		}
	}
}

// firstBatch is where the size of batches begins. It is small: how fast the server is shows only then.
const firstBatch = 50

// nextBatch is the size of the next batch: writers wait for the rows of one until it ends, so it is to take a third of
// the time that they wait for any lock.
func (c Config) nextBatch(size int, took time.Duration) int {
	goal := float64(c.LockTimeout) / 3
	factor := min(max(goal/float64(max(took, 1)), 0.25), 2)
	return min(max(int(float64(size)*factor), 1), c.Batch)
}

// batch is what one transaction has done.
type batch struct {
	rows  int64    // read
	stuck int64    // for which there is no tenant
	last  []string // key of the last row read
}

// batch gives the rows from a key on, or behind it, their tenant, in one statement and a transaction of its own.
func (s *session) batch(
	ctx context.Context, c tables.Change, query string, key []string, size int,
) (b batch, err error) {
	args := make([]any, 0, len(key)+1)
	for _, value := range key {
		args = append(args, value)
	}
	args = append(args, size)
	var last []byte
	err = s.conn.QueryRowContext(ctx, query, args...).Scan(&b.rows, &b.stuck, &last)
	if err == nil && last != nil {
		err = json.Unmarshal(last, &b.last)
	}
	if err != nil {
		return b, fmt.Errorf("stratum: table %s: giving rows their tenant: %w", c.Table, err)
	}
	return b, nil
}

// batchSQL has the trigger find the tenants: what it does for new rows and for old ones is one thing.
func batchSQL(c tables.Change, behind string) string {
	f := c.Fill
	columns, same := strings.Join(f.Columns, ", "), make([]string, len(f.Columns))
	values, falling := make([]string, len(f.Columns)), make([]string, len(f.Columns))
	for i, name := range f.Columns {
		same[i] = "x." + name + " = todo." + name
		values[i] = "$" + strconv.Itoa(i+1) + "::text::" + f.Types[i]
		falling[i] = name + " DESC"
	}
	return "WITH span AS MATERIALIZED (SELECT " + columns + " FROM " + c.Table + " WHERE (" + columns + ") " + behind +
		" (" + strings.Join(values, ", ") + ") ORDER BY " + columns + " LIMIT $" + strconv.Itoa(len(values)+1) +
		"), todo AS MATERIALIZED (SELECT " + columns + " FROM " + c.Table + " x JOIN span USING (" + columns +
		") WHERE x." + f.Column + " IS NULL FOR NO KEY UPDATE OF x SKIP LOCKED), " +
		"done AS (UPDATE " + c.Table + " x SET " + f.Column + " = NULL FROM todo WHERE " + strings.Join(same, " AND ") +
		" AND x." + f.Column + " IS NULL RETURNING x." + f.Column + " AS tenant) " +
		"SELECT (SELECT count(*) FROM span), (SELECT count(*) FROM done WHERE tenant IS NULL), " +
		"(SELECT to_json(ARRAY[" + texts(f) + "]) FROM span ORDER BY " + strings.Join(falling, ", ") + " LIMIT 1)"
}

// texts are the columns of the primary key as texts, which every type has.
func texts(f *tables.Fill) string {
	list := make([]string, len(f.Columns))
	for i, name := range f.Columns {
		list[i] = name + "::text"
	}
	return strings.Join(list, ", ")
}
