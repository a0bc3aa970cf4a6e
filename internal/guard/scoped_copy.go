package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// CopyFormat is how CopyTo writes rows.
type CopyFormat string

// PostgreSQL refuses COPY FROM into a table with policies. What follows does the same with INSERT: the rows travel as
// one array for each column, in binary where COPY would send binary, and the policies look at them. Few statements with
// many rows each are what makes it fast.
const (
	chunkRows  = 10_000
	chunkBytes = 1 << 20
)

// columnsSQL returns the types of columns, which anybody may look up.
const columnsSQL = `SELECT n.name, coalesce(a.atttypid, 0), coalesce(pg_catalog.format_type(a.atttypid, NULL), '')
	FROM pg_catalog.unnest($2::pg_catalog.text[]) WITH ORDINALITY AS n (name, place)
	LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = $1::pg_catalog.text::pg_catalog.regclass
		AND a.attname OPERATOR(pg_catalog.=) n.name AND a.attnum > 0 AND NOT a.attisdropped
	ORDER BY n.place`

// CopyFrom inserts the rows of source and returns how many there were.
func (t *Tx) CopyFrom(
	ctx context.Context, table pgx.Identifier, columns []string, source pgx.CopyFromSource,
) (int64, error) {
	if len(columns) == 0 {
		return 0, errors.New("stratum: CopyFrom without columns (name those that the source has values for)")
	}
	c, err := t.newCopyIn(ctx, table, columns)
	if err != nil {
		return 0, err
	}
	if err := t.hold(ctx); err != nil {
		return 0, err
	}
	defer t.use.Unlock()
	err = c.run(ctx, source)
	return c.copied, translate(err)
}

// copyIn is a CopyFrom under way.
type copyIn struct {
	session *session
	table   string
	columns []*copyColumn
	insert  string
	rows    int // in the chunk at hand
	copied  int64
}

// newCopyIn asks for the columns' types: one round trip.
func (t *Tx) newCopyIn(ctx context.Context, table pgx.Identifier, names []string) (*copyIn, error) {
	rows, _ := t.Query(ctx, columnsSQL, table.Sanitize(), names) // CollectRows returns this error too
	c := &copyIn{session: t.tx.session, table: table.Sanitize()}
	var err error
	c.columns, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (*copyColumn, error) {
		column := new(copyColumn)
		return column, row.Scan(&column.name, &column.oid, &column.typeName)
	})
	if err != nil {
		return nil, err
	}
	for _, column := range c.columns {
		if column.oid == 0 {
			return nil, fmt.Errorf("stratum: table %s has no column %q", c.table, column.name)
		}
		column.choose(c.session)
	}
	c.insert = c.statement()
	return c, nil
}

// statement is the INSERT of a chunk.
func (c *copyIn) statement() string {
	n := len(c.columns)
	into, values, arrays, names := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, column := range c.columns {
		names[i] = fmt.Sprintf("c%d", i)
		into[i] = pgx.Identifier{column.name}.Sanitize()
		values[i] = names[i] + column.cast
		arrays[i] = fmt.Sprintf("pg_catalog.unnest($%d)", i+1)
	}
	return "INSERT INTO " + c.table + " (" + strings.Join(into, ", ") + ") SELECT " + strings.Join(values, ", ") +
		" FROM ROWS FROM (" + strings.Join(arrays, ", ") + ") AS r (" + strings.Join(names, ", ") + ")"
}

func (c *copyIn) run(ctx context.Context, source pgx.CopyFromSource) error {
	for source.Next() {
		values, err := source.Values()
		if err != nil {
			return err
		}
		if err := c.add(values); err != nil {
			return err
		}
		if c.full() {
			if err := c.flush(ctx); err != nil {
				return err
			}
		}
	}
	if err := source.Err(); err != nil {
		return err
	}
	return c.flush(ctx)
}

// add puts a row at the end of the columns.
func (c *copyIn) add(values []any) error {
	row := c.copied + int64(c.rows) + 1
	if len(values) != len(c.columns) {
		return fmt.Errorf("stratum: row %d has %d values for %d columns", row, len(values), len(c.columns))
	}
	for i, column := range c.columns {
		if err := column.add(c.session.conn.TypeMap(), values[i]); err != nil {
			return &quietError{cause: err, text: fmt.Sprintf("stratum: row %d, column %q: a value of type %T cannot "+
				"be sent as %s", row, column.name, values[i], column.typeName)}
		}
	}
	c.rows++
	return nil
}

func (c *copyIn) full() bool {
	size := 0
	for _, column := range c.columns {
		size += len(column.buf)
	}
	return c.rows >= chunkRows || size >= chunkBytes
}

// flush sends the chunk at hand: one round trip.
func (c *copyIn) flush(ctx context.Context) error {
	if c.rows == 0 {
		return nil
	}
	tag, err := c.send(ctx)
	if err = broken(ctx, err); err == nil && !tag.Insert() {
		c.session.abandon()
		return ErrProtocol
	}
	if err = c.session.stillIn(err); err != nil {
		return err
	}
	c.copied += tag.RowsAffected()
	c.rows = 0
	for _, column := range c.columns {
		column.reset()
	}
	return nil
}

func (c *copyIn) send(ctx context.Context) (pgconn.CommandTag, error) {
	n := len(c.columns)
	if c.session.simpleProtocol() {
		if err := CheckStrings(c.session.pg); err != nil {
			return pgconn.CommandTag{}, err
		}
		replace := make([]string, 0, 2*n)
		for i := range c.columns {
			literal := quoteLiteral(c.columns[i].literal()) + "::pg_catalog.text[]"
			replace = append(replace, fmt.Sprintf("unnest($%d)", i+1), "unnest("+literal+")")
		}
		results, err := c.session.pg.Exec(ctx, strings.NewReplacer(replace...).Replace(c.insert)).ReadAll()
		if err != nil {
			return pgconn.CommandTag{}, err
		}
		return results[0].CommandTag, nil
	}
	values, oids, formats := make([][]byte, n), make([]uint32, n), make([]int16, n)
	for i, column := range c.columns {
		values[i], oids[i], formats[i] = column.binary(c.rows), column.arrayOID, pgx.BinaryFormatCode
	}
	result := c.session.pg.ExecParams(ctx, c.insert, values, oids, formats, nil).Read()
	return result.CommandTag, result.Err
}

// The formats of CopyTo.
const (
	CopyText      CopyFormat = "text"       // PostgreSQL's own, tab-separated
	CopyCSV       CopyFormat = "csv"        // without names
	CopyCSVHeader CopyFormat = "csv header" // the first line has the names of the columns
	CopyBinary    CopyFormat = "binary"     // PostgreSQL's own
)

func (f CopyFormat) option() (string, error) {
	switch f {
	case CopyText, CopyCSV, CopyBinary:
		return "FORMAT " + string(f), nil
	case CopyCSVHeader:
		return "FORMAT csv, HEADER true", nil
	}
	return "", fmt.Errorf("stratum: CopyTo knows no format %q (use one of the constants)", string(f))
}

// CopyTo writes the rows of a query to w, as COPY does. Arguments become literals, for COPY has no parameters.
func (t *Tx) CopyTo(ctx context.Context, w io.Writer, format CopyFormat, sql string, args ...any) (int64, error) {
	option, err := format.option()
	if err != nil {
		return 0, err
	}
	if err := t.hold(ctx); err != nil {
		return 0, err
	}
	defer t.use.Unlock()
	s := t.tx.session
	it, err := t.conn.item(ctx, t.tx.at(), s, sql, args)
	if err != nil {
		return 0, err
	}
	text, err := s.bindSimple(it.st.key.sql, it.args)
	if err != nil {
		return 0, err
	}
	return s.copyTo(ctx, w, "COPY ("+text+"\n) TO STDOUT WITH ("+option+")")
}

func (s *session) copyTo(ctx context.Context, w io.Writer, text string) (int64, error) {
	out := &copyWriter{w: w}
	tag, err := s.pg.CopyTo(ctx, out, text)
	switch {
	case out.err != nil:
		s.abandon() // the rest of the rows is on its way
		return 0, out.err
	case err == nil && !strings.HasPrefix(tag.String(), "COPY "):
		s.abandon()
		return 0, ErrProtocol
	}
	return tag.RowsAffected(), translate(s.stillIn(broken(ctx, err)))
}

// copyWriter keeps the writer's own error apart from those of the connection.
type copyWriter struct {
	w   io.Writer
	err error
}

// Write passes data on.
func (c *copyWriter) Write(data []byte) (n int, err error) {
	n, err = c.w.Write(data)
	c.err = err
	return n, err
}
