package guard

import (
	"context"
	"database/sql/driver"
	"io"
	"reflect"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/stratum-hq/stratum-go/internal/watch"
)

// rows hands out a statement's rows as they arrive. It stays one row behind the server: the last row is handed out only
// when the server has said that the transaction is committed, so that an error of a deferred constraint cannot come
// after the data it concerns.
type rows struct {
	conn    *conn // that counts these rows as open, or nil
	session *session
	train   train
	st      *statement
	results *pgconn.MultiResultReader
	reader  *pgconn.ResultReader

	// Two rows are held at most, the one that database/sql copies and the one behind it, and their buffers take turns.
	columns *columns
	ahead   []driver.Value // the row read ahead; nil where none was read
	spare   []driver.Value // the buffer of the row handed out before
	tag     pgconn.CommandTag
	err     error // why there are no more rows; io.EOF at the end

	look func(row []driver.Value) error // the watcher's, or nil
}

// newRows stands before the first row. The columns of an earlier run are used again if they are the same: between two
// runs a table may have changed.
func newRows(s *session, t train, st *statement, results *pgconn.MultiResultReader) *rows {
	r := &rows{session: s, train: t, st: st, results: results, reader: results.ResultReader()}
	fields := r.reader.FieldDescriptions()
	if st.columns == nil || !st.columns.match(fields) {
		st.columns = newColumns(s.conn.TypeMap(), fields)
	}
	r.columns = st.columns
	return r
}

// advance reads the row after the one at hand, or the end of the statement.
func (r *rows) advance() error {
	if !r.reader.NextRow() {
		r.ahead = nil
		return r.finish()
	}
	if r.spare == nil {
		r.spare = make([]driver.Value, len(r.columns.fields))
	}
	r.ahead, r.spare = r.spare, nil
	if err := r.columns.decode(r.reader.Values(), r.ahead); err != nil {
		r.ahead = nil
		_ = r.finish() // the decoding error tells more
		r.err = err
		return err
	}
	return nil
}

// finish reads up to the server's word that it is ready, and checks that the connection is in the state that it ought
// to be in. A connection of another state is closed.
func (r *rows) finish() error {
	tag, err := r.reader.Close()
	behind, wrote := 0, true
	for r.results.NextResult() {
		reader := r.results.ResultReader()
		if r.train.asks && reader.NextRow() {
			wrote = string(reader.Values()[0]) != "f"
		}
		// An error is kept by results too.
		_, _ = reader.Close()
		behind++
	}
	if closeErr := r.results.Close(); closeErr != nil {
		err = closeErr
	}
	r.tag = tag
	if e := r.train.entry; e != nil && wrote {
		e.wrote(err)
	}
	if err == nil {
		err = r.verify(behind)
	}
	r.err = err
	if err == nil {
		r.err = io.EOF
	}
	// The connection is free as soon as the last row is in memory, and not only when the application closes the rows.
	if c := r.conn; c != nil {
		c.open, r.conn = nil, nil
		c.giveBack(r.session)
	}
	return err
}

// verify compares what the statement left with what it should have left: the results behind its own, the command tag
// and the transaction status.
func (r *rows) verify(behind int) error {
	inTx := r.train.entry == nil
	want := byte('I')
	if inTx {
		want = 'T'
	}
	err := checkTag(r.tag.String(), r.st.command, inTx)
	if err == nil && (r.session.pg.TxStatus() != want || behind != r.train.trailing()) {
		err = ErrProtocol
	}
	if err != nil {
		r.session.abandon()
	}
	return err
}

// Columns returns the names of the columns, in a slice of the caller's own: database/sql hands it on, and GORM's
// MapColumns writes to it, while the names are kept with the statement.
func (r *rows) Columns() []string { return slices.Clone(r.columns.names) }

// Next copies the next row into dest, or returns io.EOF.
func (r *rows) Next(dest []driver.Value) error {
	if r.ahead == nil {
		return translate(r.err)
	}
	row := r.ahead
	// Before the row is handed out: if it is the last one, this waits for the commit.
	if err := r.advance(); err != nil {
		return translate(err)
	}
	copy(dest, row)
	r.spare = row
	if r.look != nil {
		return r.look(dest)
	}
	return nil
}

// watch shows the columns to the watcher of ctx, who may want to see the rows.
func (r *rows) watch(ctx context.Context) (err error) {
	w := watch.From(ctx)
	if w == nil {
		return nil
	}
	types := make([]uint32, len(r.columns.fields))
	for i, f := range r.columns.fields {
		types[i] = f.DataTypeOID
	}
	r.look, err = w.Rows(r.Columns(), types)
	return err
}

// Close reads the rest of the rows away. An error of the statement that comes with them is returned.
func (r *rows) Close() error {
	r.ahead = nil
	if r.err == nil {
		return translate(r.finish())
	}
	if r.err == io.EOF { //nolint:errorlint // set by this type, never wrapped
		return nil
	}
	return translate(r.err)
}

// ColumnTypeDatabaseTypeName returns the type's name in upper case, or its OID where the type is unknown.
func (r *rows) ColumnTypeDatabaseTypeName(i int) string { return r.columns.typeName(i) }

// ColumnTypeLength returns the length limit of a column of variable length.
func (r *rows) ColumnTypeLength(i int) (int64, bool) { return r.columns.length(i) }

// ColumnTypePrecisionScale returns precision and scale of a numeric column.
func (r *rows) ColumnTypePrecisionScale(i int) (precision, scale int64, ok bool) {
	return r.columns.precisionScale(i)
}

// ColumnTypeScanType returns the Go type that fits the column. What a watcher makes of bytes is not known.
func (r *rows) ColumnTypeScanType(i int) reflect.Type {
	if r.look != nil && r.columns.fields[i].DataTypeOID == pgtype.ByteaOID {
		return reflect.TypeFor[any]()
	}
	return r.columns.scanType(i)
}

// drain reads all rows away, for a statement whose rows nobody wants.
func (r *rows) drain() (pgconn.CommandTag, error) {
	if err := r.Close(); err != nil {
		return pgconn.CommandTag{}, err
	}
	return r.tag, nil
}

// match reports whether the columns were made for these fields.
func (c *columns) match(fields []pgconn.FieldDescription) bool {
	return slices.EqualFunc(c.fields, fields, func(a, b pgconn.FieldDescription) bool {
		return a.DataTypeOID == b.DataTypeOID && a.Format == b.Format && a.Name == b.Name
	})
}

var _ interface {
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeLength
	driver.RowsColumnTypePrecisionScale
	driver.RowsColumnTypeScanType
} = (*rows)(nil)
