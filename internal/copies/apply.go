package copies

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// errUnseen says that changes cannot be applied to what the target holds: it is to be refreshed.
var errUnseen = errors.New("stratum: a copy is not what changes from the log are meant for")

// batchSize is how many changes are sent to a target at once.
const batchSize = 500

// applier writes what the stream brought to one target, in one transaction.
type applier struct {
	tx      pgx.Tx
	pairs   map[[2]string]*pair
	touched map[*pair]bool
	batch   *pgconn.Batch
	queued  int
	applied int
}

// apply writes entries in their order. A change that the target holds already, since it was refreshed meanwhile, maybe
// by somebody else, is left out: what a copy holds is read under the lock that every writer of copies takes.
func apply(ctx context.Context, conn *pgx.Conn, j job) (int, error) {
	var tables []Table
	for _, t := range j.Tables {
		if _, ok := j.streamed[[2]string{t.Schema, t.Name}]; ok {
			tables = append(tables, t)
		}
	}
	pairs := newPairs(tables, j.Schemas)
	if len(pairs) == 0 {
		return 0, nil
	}
	tx, err := begin(ctx, conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return 0, err
	}
	defer rollback(ctx, tx)
	a := applier{tx: tx, pairs: map[[2]string]*pair{}, touched: map[*pair]bool{}, batch: &pgconn.Batch{}}
	if err := a.look(ctx, pairs, j.streamed); err != nil {
		return 0, err
	}
	for _, e := range j.entries {
		if err := a.take(ctx, e); err != nil {
			return 0, err
		}
	}
	if err := a.finish(ctx); err != nil {
		return 0, err
	}
	return a.applied, nil
}

// look makes sure that the copies are of the source that is streamed, with the columns that are.
func (a *applier) look(ctx context.Context, pairs []*pair, streamed map[[2]string]streamedTable) error {
	if err := lock(ctx, a.tx, pairs); err != nil {
		return err
	}
	if err := readMarkers(ctx, a.tx, pairs); err != nil {
		return err
	}
	shapes, err := readShapes(ctx, a.tx, pairs, copySchema)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		name := [2]string{p.Schema, p.Name}
		from := streamed[name]
		p.to = find(shapes, p.copySchema, p.Name)
		if p.to == nil || p.marker == nil || p.marker.source != from.source || p.marker.shape != from.digest {
			return errUnseen
		}
		a.pairs[name] = p
	}
	if _, err := a.tx.Exec(ctx, "SET LOCAL search_path TO DEFAULT"); err != nil {
		return fmt.Errorf("stratum: applying changes: %w", err)
	}
	return nil
}

func (a *applier) take(ctx context.Context, e entry) error {
	if e.sync != nil {
		return a.advance(*e.sync)
	}
	if e.stripped {
		for _, p := range a.pairs {
			if !p.marker.holds(e.xid, e.position) {
				return errUnseen
			}
		}
		return nil
	}
	written := map[*pair]bool{}
	for _, c := range e.changes {
		p := a.pairs[c.table]
		if p == nil || p.marker.holds(e.xid, e.position) {
			continue
		}
		if err := a.queue(ctx, p, c); err != nil {
			return err
		}
		written[p] = true
	}
	for p := range written {
		p.marker.position, a.touched[p] = e.position, true
	}
	return nil
}

// advance notes that the copies hold what a snapshot sees, unless they hold more.
func (a *applier) advance(now moment) error {
	for _, p := range a.pairs {
		if now.text != p.marker.text && now.snapshot.covers(p.marker.snapshot) {
			p.marker.snapshot, p.marker.text, a.touched[p] = now.snapshot, now.text, true
		}
	}
	return nil
}

// queue adds a change to the next batch.
func (a *applier) queue(ctx context.Context, p *pair, c change) error {
	s := statement{pair: p, change: c}
	text, err := s.sql()
	if err != nil {
		return err
	}
	a.batch.ExecParams(text, s.args, nil, nil, nil)
	a.queued++
	a.applied++
	switch c.kind {
	case 'I':
		p.marker.rows++
	case 'D':
		p.marker.rows--
	}
	if a.queued < batchSize {
		return nil
	}
	return a.flush(ctx)
}

// flush sends the batch. Each change must meet exactly one row.
func (a *applier) flush(ctx context.Context) error {
	if a.queued == 0 {
		return nil
	}
	results, err := a.tx.Conn().PgConn().ExecBatch(ctx, a.batch).ReadAll()
	a.batch, a.queued = &pgconn.Batch{}, 0
	if err != nil {
		return mergeError(err)
	}
	for _, r := range results {
		if r.Err != nil {
			return mergeError(r.Err)
		}
		if r.CommandTag.RowsAffected() != 1 {
			return errUnseen
		}
	}
	return nil
}

const advanceSQL = `
UPDATE stratum.copies c SET snapshot = w.snapshot, position = '0/0'::pg_lsn + w.position, rows = w.rows,
	refreshed_at = now()
FROM unnest($1::text[], $2::text[], $3::pg_snapshot[], $4::bigint[], $5::bigint[])
	AS w (schema, name, snapshot, position, rows)
WHERE c.table_schema = w.schema AND c.table_name = w.name`

func (a *applier) finish(ctx context.Context) error {
	if err := a.flush(ctx); err != nil {
		return err
	}
	if len(a.touched) == 0 {
		return nil
	}
	var touched []*pair
	var snapshots []string
	var positions, rows []int64
	for p := range a.touched {
		touched, snapshots = append(touched, p), append(snapshots, p.marker.text)
		positions = append(positions, int64(p.marker.position)) //nolint:gosec // A server's log is never that long.
		rows = append(rows, p.marker.rows)
	}
	wanted := columns(touched, copySchema)
	_, err := a.tx.Exec(ctx, advanceSQL, pgx.QueryExecModeExec, wanted.schemas, wanted.tables, snapshots,
		positions, rows)
	if err == nil {
		_, err = a.tx.Exec(ctx, "SET CONSTRAINTS ALL IMMEDIATE")
	}
	if err == nil {
		err = a.tx.Commit(ctx)
	}
	return mergeError(err)
}

// statement makes SQL of a change.
type statement struct {
	*pair
	change

	args [][]byte
}

func (s *statement) sql() (string, error) {
	switch s.kind {
	case 'I':
		return s.insert()
	case 'U':
		return s.update()
	default:
		where, err := s.where(s.key)
		return "DELETE FROM " + s.copy() + " t WHERE " + where, err
	}
}

// argument adds a value in its text form, and returns what stands for it.
func (s *statement) argument(v value, c *column) string {
	if v.kind == 'n' {
		s.args = append(s.args, nil)
	} else {
		if v.text == nil {
			v.text = []byte{}
		}
		s.args = append(s.args, v.text)
	}
	return "$" + strconv.Itoa(len(s.args)) + "::" + c.Type
}

// find returns a column's value. What the stream does not bring, such as a generated column, has to be compared.
func (s *statement) find(row []value, name string) (value, error) {
	i := slices.Index(s.columns, name)
	if i < 0 || i >= len(row) {
		return value{}, errUnseen
	}
	return row[i], nil
}

func (s *statement) insert() (string, error) {
	var list, values []string
	for _, c := range s.written() {
		v, err := s.find(s.row, c.Name)
		if err != nil {
			return "", err
		}
		list, values = append(list, c.Name), append(values, s.argument(v, &c))
	}
	return "INSERT INTO " + s.copy() + " (" + sqltext.QuoteEach(list) + ") OVERRIDING SYSTEM VALUE VALUES (" +
		joined(values) + ")", nil
}

func (s *statement) update() (string, error) {
	var set []string
	for _, c := range s.written() {
		v, err := s.find(s.row, c.Name)
		if err != nil {
			return "", err
		}
		if v.kind != 'u' && !c.Always {
			set = append(set, sqltext.Quote(c.Name)+" = "+s.argument(v, &c))
		}
	}
	if len(set) == 0 {
		return "", errUnseen
	}
	key := s.key
	if key == nil {
		key = s.row
	}
	where, err := s.where(key)
	return "UPDATE " + s.copy() + " t SET " + joined(set) + " WHERE " + where, err
}

// where finds the row by the copy's key.
func (s *statement) where(row []value) (string, error) {
	parts := make([]string, 0, len(s.to.Key))
	for _, k := range s.to.Key {
		v, err := s.find(row, k.Name)
		if err != nil || v.kind == 'u' {
			return "", errUnseen
		}
		parts = append(parts, "t."+sqltext.Quote(k.Name)+" "+k.Operator+" "+s.argument(v, s.to.column(k.Name)))
	}
	return strings.Join(parts, " AND "), nil
}

func joined(list []string) string { return strings.Join(list, ", ") }
