package copies

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// reader reads one stream.
type reader struct {
	*session
	decoder

	conn *pgx.Conn      // for questions
	log  *pgconn.PgConn // for the stream

	received uint64 // everything up to here has been passed on
	told     time.Time
	asked    time.Time
	unsure   bool   // something has changed since the last moment
	next     *entry // the moment that the stream is to reach
	nudged   bool
}

func (r *reader) run(ctx context.Context) error {
	for {
		if err := r.tell(ctx); err != nil {
			return err
		}
		limited, cancel := context.WithTimeout(ctx, tick)
		message, err := r.log.ReceiveMessage(limited)
		cancel()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case pgconn.Timeout(err):
			err = r.ask(ctx)
		case err != nil:
			return fmt.Errorf("stratum: reading the log of the source: %w", err)
		default:
			err = r.take(ctx, message)
			if err == nil && time.Since(r.asked) > syncEvery {
				err = r.ask(ctx)
			}
		}
		if err != nil {
			return err
		}
	}
}

// tell sends a sign of life, and how far all are.
func (r *reader) tell(ctx context.Context) error {
	if time.Since(r.told) < statusEvery {
		return nil
	}
	return r.status(ctx, false)
}

func (r *reader) status(ctx context.Context, reply bool) error {
	r.told = time.Now()
	done := max(pglogrepl.LSN(r.acknowledged.Load()), 1)
	err := pglogrepl.SendStandbyStatusUpdate(ctx, r.log, pglogrepl.StandbyStatusUpdate{
		WALWritePosition: done, WALFlushPosition: done, WALApplyPosition: done, ReplyRequested: reply,
	})
	if err != nil {
		return fmt.Errorf("stratum: acknowledging the log of the source: %w", err)
	}
	return nil
}

// ask takes a snapshot and has the stream reach the place of the log that follows all that the snapshot sees: from then
// on the snapshot says what has been passed on.
func (r *reader) ask(ctx context.Context) error {
	if r.dirty.Swap(false) || time.Since(r.asked) > r.Poll {
		r.unsure = true
	}
	switch {
	case r.next == nil && !r.unsure:
		return nil
	case r.next == nil:
		if err := r.look(ctx); err != nil {
			return err
		}
		if r.received >= r.next.position {
			return r.reached(ctx)
		}
	case time.Since(r.told) < tick:
		// Each question has an answer, and each message may bring a question: never more than the tick.
		return nil
	case time.Since(r.asked) > syncEvery && !r.nudged:
		// The log may end within a page's head, which no record ends at: one more record, which nobody reads.
		r.nudged = true
		if _, err := r.conn.Exec(ctx, "SELECT pg_catalog.pg_logical_emit_message(false, 'stratum', '')",
			pgx.QueryExecModeExec); err != nil {
			return fmt.Errorf("stratum: writing to the log of the source: %w", err)
		}
	}
	return r.status(ctx, true)
}

// look sets the next moment.
func (r *reader) look(ctx context.Context) error {
	if err := r.check(ctx); err != nil {
		return err
	}
	var m moment
	var position uint64
	// The snapshot is taken before the function is called.
	err := r.conn.QueryRow(ctx, "SELECT pg_catalog.pg_current_snapshot()::text, "+
		"(pg_catalog.pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint", pgx.QueryExecModeExec).
		Scan(&m.text, &position)
	if err == nil {
		m.snapshot, err = parseSnapshot(m.text)
	}
	if err != nil {
		return fmt.Errorf("stratum: reading the state of the source: %w", err)
	}
	r.near, r.unsure, r.nudged, r.asked = m.snapshot.xmax, false, false, time.Now()
	r.next = &entry{position: position, sync: &m}
	return nil
}

// check ends a stream whose tables are no longer what they were: new columns, with their defaults, are not in the log.
func (r *reader) check(ctx context.Context) error {
	tx, err := begin(ctx, r.conn, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	defer rollback(ctx, tx)
	var tables []Table
	for name := range r.decoder.streamed {
		tables = append(tables, Table{Schema: name[0], Name: name[1]})
	}
	shapes, err := readShapes(ctx, tx, newPairs(tables, nil), sourceSchema)
	if err != nil {
		return err
	}
	for name, t := range r.decoder.streamed {
		if f := find(shapes, name[0], name[1]); f == nil || f.Digest != t.digest || !f.Watched || len(f.Key) == 0 {
			return errReshaped
		}
	}
	return nil
}

// reached passes the moment on when the stream has come to it.
func (r *reader) reached(ctx context.Context) error {
	if r.next == nil || r.received < r.next.position {
		return nil
	}
	e := r.next
	r.next = nil
	return send(ctx, r.events, event{entry: e})
}

// take reads one message of the server.
func (r *reader) take(ctx context.Context, message pgproto3.BackendMessage) error {
	switch m := message.(type) {
	case *pgproto3.ErrorResponse:
		return fmt.Errorf("stratum: reading the log of the source: %w", pgconn.ErrorResponseToPgError(m))
	case *pgproto3.CopyData:
		return r.takeData(ctx, m.Data)
	}
	return nil
}

func (r *reader) takeData(ctx context.Context, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	switch data[0] {
	case pglogrepl.PrimaryKeepaliveMessageByteID:
		alive, err := pglogrepl.ParsePrimaryKeepaliveMessage(data[1:])
		if err != nil {
			return fmt.Errorf("stratum: reading the log of the source: %w", err)
		}
		r.received = max(r.received, uint64(alive.ServerWALEnd))
		if alive.ReplyRequested {
			if err := r.status(ctx, false); err != nil {
				return err
			}
		}
	case pglogrepl.XLogDataByteID:
		record, err := pglogrepl.ParseXLogData(data[1:])
		if err != nil {
			return fmt.Errorf("stratum: reading the log of the source: %w", err)
		}
		found, err := r.decode(record.WALData)
		if err != nil {
			return err
		}
		if found == nil {
			return nil
		}
		r.received, r.unsure = max(r.received, found.position), true
		if err := send(ctx, r.events, event{entry: found}); err != nil {
			return err
		}
	}
	return r.reached(ctx)
}
