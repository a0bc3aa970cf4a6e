package copies

import (
	"bufio"
	"context"
	"errors"
	"io"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// streamBuffer is how much is on its way between the servers: with less, each row is a handover between goroutines.
const streamBuffer = 256 << 10

// fill streams the source's rows into a temporary table of the target.
func (r *refresh) fill(ctx context.Context, p *pair) error {
	list := sqltext.QuoteEach(names(p.written()))
	// pg_temp is said by TEMPORARY here, and the statistics make the comparison's plan.
	create := "CREATE TEMPORARY TABLE " + p.stage[len("pg_temp."):] + " ON COMMIT DROP AS SELECT " + list +
		" FROM " + p.copy() + " WITH NO DATA"
	if _, err := r.to.Exec(ctx, create); err != nil {
		return err
	}
	query := "SELECT " + list + " FROM " + p.String()
	if p.TenantColumn != "" {
		query += " WHERE " + sqltext.Quote(p.TenantColumn) + " IS NULL"
	}
	tag, err := pipe(ctx, r.from.Conn().PgConn(), "COPY ("+query+") TO STDOUT",
		r.to.Conn().PgConn(), "COPY "+p.stage+" ("+list+") FROM STDIN")
	if err != nil {
		return err
	}
	p.staged = tag.RowsAffected()
	_, err = r.to.Exec(ctx, "ANALYZE "+p.stage)
	return err
}

// pipe runs a COPY on each side, the one's rows into the other. The text form is what both understand: in the binary
// one arrays of enums carry numbers of types, which differ between databases.
func pipe(
	ctx context.Context, from *pgconn.PgConn, copyOut string, to *pgconn.PgConn, copyIn string,
) (pgconn.CommandTag, error) {
	reader, writer := io.Pipe()
	sent := make(chan error, 1)
	go func() {
		buffered := bufio.NewWriterSize(writer, streamBuffer)
		_, err := from.CopyTo(ctx, buffered, copyOut)
		if err == nil {
			err = buffered.Flush()
		}
		// Without an error the reader sees the end, and the other COPY ends well; with one it fails.
		_ = writer.CloseWithError(err)
		sent <- err
	}()
	tag, err := to.CopyFrom(ctx, bufio.NewReaderSize(reader, streamBuffer), copyIn)
	_ = reader.CloseWithError(errReceiver)
	if sendErr := <-sent; sendErr != nil && !errors.Is(sendErr, errReceiver) {
		return tag, sendErr
	}
	return tag, err
}

// errReceiver ends a COPY whose receiver has failed.
var errReceiver = errors.New("stratum: the receiver of a copy has failed")
