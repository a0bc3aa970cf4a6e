package core

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stratum-hq/stratum-go/internal/guard"
)

// BeginFunc runs fn in a transaction of pgx instead of database/sql, pinned to the scope of ctx: for batches, for bulk
// loads and exports, and for code that sqlc generated for pgx. It commits where fn returns nil; where fn returns an
// error it rolls back and returns that error; where fn panics it rolls back and panics on.
//
// A *pgx.Conn itself is not handed out, because nothing could be promised of it: a COMMIT, a SET or a PREPARE on it
// would reach the next tenant on that connection. A Tx has its verbs instead and looks at every text, as DB does.
//
// The transaction counts as one against the tenant's Limit. Begin and end are one round trip each.
func (s *Stratum) BeginFunc(ctx context.Context, fn func(tx *Tx) error) error {
	return s.BeginTxFunc(ctx, nil, fn)
}

// BeginTxFunc is BeginFunc with an isolation level and an access mode. A nil options is the default of both.
func (s *Stratum) BeginTxFunc(ctx context.Context, options *sql.TxOptions, fn func(tx *Tx) error) error {
	var o driver.TxOptions
	if options != nil {
		o = driver.TxOptions{Isolation: driver.IsolationLevel(options.Isolation), ReadOnly: options.ReadOnly}
	}
	return s.guard.BeginFunc(ctx, o, func(tx *guard.Tx) error { return fn(&Tx{tx}) })
}

// Tx is a transaction of one scope, with the methods of a pgx.Tx that leave nothing behind on its connection. Exec,
// Query, QueryRow, SendBatch and CopyFrom are those that sqlc's DBTX asks for.
//
// It is valid until the function returns that it was given to; after that, also in another goroutine, its methods and
// those of rows and batches return ErrTxDone. Each method wants a ctx of the transaction's scope, else it returns
// ErrTenantMismatch or ErrNoTenant. It runs one statement at a time: another one gets ErrRowsOpen while results are not
// read to the end, and ErrTxInUse while another goroutine is at work.
//
// A statement that fails aborts the transaction, as PostgreSQL has it; savepoints (SAVEPOINT, ROLLBACK TO and RELEASE,
// with Exec) contain that. Statements are prepared by themselves and kept for the connection's next use, one round trip
// each from then on, two the first time.
type Tx struct{ tx *guard.Tx }

// Refusals of a Tx, for errors.Is.
var (
	// ErrTxDone is returned by a Tx whose function has returned. It is a pgx.ErrTxClosed, too.
	ErrTxDone = guard.ErrTxDone
	// ErrTxInUse is returned by a Tx while it is at work for another goroutine or for whoever called.
	ErrTxInUse = guard.ErrTxInUse
)

// Exec runs a statement and returns its command tag.
func (t *Tx) Exec(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error) {
	return t.tx.Exec(ctx, query, args...)
}

// Query runs a statement and returns its rows, fit for pgx.CollectRows. They are never nil; where Query returns an
// error, they have it too. Their methods Conn and TypeMap return nil.
func (t *Tx) Query(ctx context.Context, query string, args ...any) (pgx.Rows, error) {
	return t.tx.Query(ctx, query, args...)
}

// QueryRow runs a statement of which one row is wanted. Its Scan returns pgx.ErrNoRows where there is none.
func (t *Tx) QueryRow(ctx context.Context, query string, args ...any) pgx.Row {
	return t.tx.QueryRow(ctx, query, args...)
}

// SendBatch sends the queries of b in one round trip, and in two the first time that the connection sees one of them.
// Where one of the texts is refused with ErrCommand, none is sent. Close must be called before the next statement.
func (t *Tx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	return t.tx.SendBatch(ctx, b)
}

// CopyFrom inserts the rows of source into a table and returns their number. It is called as the method of that name
// of pgx, for PostgreSQL refuses COPY FROM into a table with row-level security, the system's writes included. The rows
// travel in INSERTs of up to 10,000 rows or a megabyte, one round trip each, and the table's policies look at every
// one; tenant_id need not be among the columns.
//
// Unlike COPY, it obeys GENERATED ALWAYS, and statement triggers fire for each INSERT. Where it returns an error, rows
// before may have been inserted: return the error, so that the transaction rolls back.
func (t *Tx) CopyFrom(
	ctx context.Context, table pgx.Identifier, columns []string, source pgx.CopyFromSource,
) (int64, error) {
	return t.tx.CopyFrom(ctx, table, columns, source)
}

// CopyFormat is how CopyTo writes rows.
type CopyFormat = guard.CopyFormat

// The formats of CopyTo.
const (
	// CopyText is PostgreSQL's own text format, with tabs between the columns.
	CopyText = guard.CopyText
	// CopyCSV is RFC 4180 without a line of names.
	CopyCSV = guard.CopyCSV
	// CopyCSVHeader is CopyCSV with the names of the columns in the first line.
	CopyCSVHeader = guard.CopyCSVHeader
	// CopyBinary is PostgreSQL's own binary format.
	CopyBinary = guard.CopyBinary
)

// CopyTo writes the rows of a query to w with COPY (query) TO STDOUT, and returns their number. The query sees what the
// scope sees. Its arguments are written into it as literals, since COPY has no parameters.
//
// w must not use the transaction. Where w returns an error, CopyTo returns it and the transaction is lost.
func (t *Tx) CopyTo(ctx context.Context, w io.Writer, format CopyFormat, query string, args ...any) (int64, error) {
	return t.tx.CopyTo(ctx, w, format, query, args...)
}
