package copies

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"golang.org/x/sync/errgroup"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

const (
	// publication is named in the source's database, of which it is a part.
	publication = "stratum_copies"
	// tick is how long the stream is silent before it is asked how far it is.
	tick = 100 * time.Millisecond
	// syncEvery is how often a busy stream is asked.
	syncEvery = time.Second
	// statusEvery is how often the server is told that somebody is there.
	statusEvery = 5 * time.Second
)

// event is what the stream reports: that it begins with these tables, a transaction or a moment, or its end.
type event struct {
	begins map[[2]string]streamedTable
	entry  *entry
	end    error
}

// streamedTable is a table as the stream brings it.
type streamedTable struct {
	source string // as in stratum.copies
	digest string
	names  []string // of the columns, where the stream has described them
}

var (
	// errNoStream says that changes cannot be had from the log here.
	errNoStream = errors.New("stratum: changes cannot be taken from the log " +
		"(set wal_level = logical, and let the owner's login have REPLICATION)")
	// errReshaped ends a stream whose tables have changed their columns.
	errReshaped = errors.New("stratum: a table has changed while it was streamed")
)

// startStream begins the stream when it is wanted and due.
func (s *session) startStream(ctx context.Context, group *errgroup.Group) {
	if s.noStream || s.stopStream != nil || len(s.wanted) == 0 || time.Now().Before(s.restart) {
		return
	}
	s.restart = time.Time{}
	tables := slices.Clone(s.wanted)
	streaming, stop := context.WithCancel(ctx)
	s.stopStream = stop
	group.Go(func() error {
		defer stop()
		err := s.stream(streaming, tables)
		return send(ctx, s.events, event{end: err})
	})
}

// onEvent takes what the stream reports.
func (s *session) onEvent(ctx context.Context, e event) {
	switch {
	case e.begins != nil:
		// Snapshots from now on lack nothing that the stream does not bring.
		s.reset(e.begins)
		s.Logger.InfoContext(ctx, "stratum: copies follow the log of the source", "tables", len(e.begins))
	case e.entry != nil:
		s.onEntry(*e.entry)
	default:
		s.onEnd(ctx, e.end)
	}
	s.acknowledge()
}

// reset begins anew with what is streamed, or with nothing.
func (s *session) reset(streamed map[[2]string]streamedTable) {
	s.streamed, s.recent, s.position = streamed, nil, 0
	for _, t := range s.targets {
		t.queue, t.size, t.taken, t.acknowledged, t.stale = nil, 0, 0, 0, wholly
		t.epoch++
	}
	s.report(Status{})
}

func (s *session) onEntry(e entry) {
	s.position = e.position
	if e.sync == nil {
		s.recent = append(s.recent, entry{xid: e.xid, position: e.position})
	} else {
		s.recent = slices.DeleteFunc(s.recent, func(r entry) bool { return e.sync.snapshot.sees(r.xid) })
	}
	for _, t := range s.targets {
		if e.sync != nil {
			t.forget(*e.sync)
		}
		t.push(e)
	}
}

func (s *session) onEnd(ctx context.Context, err error) {
	s.stopStream = nil
	if s.streamed != nil {
		s.reset(nil)
	}
	switch {
	case ctx.Err() != nil || errors.Is(err, context.Canceled) || errors.Is(err, errReshaped):
	case errors.Is(err, errNoStream):
		s.noStream = true
		s.Logger.InfoContext(ctx, "stratum: copies are compared when the source changes", "reason", err)
	default:
		s.restart = time.Now().Add(s.Backoff)
		s.Logger.WarnContext(ctx, "stratum: taking changes to copy from the log", "error", err)
		s.report(Status{Err: err})
	}
}

// stream takes changes from the log until ctx or the connection ends. The slot is a temporary one: it goes with the
// connection, so that no process that has ended keeps the server from removing its log. What was missed is compared.
func (s *session) stream(ctx context.Context, tables []Table) error {
	conn, err := s.Connect(ctx)
	if err != nil {
		return fmt.Errorf("stratum: connecting to the source of copies: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	streamed, near, err := publish(ctx, conn, tables)
	if err != nil {
		return err
	}
	config := conn.Config().Config.Copy()
	config.RuntimeParams["replication"] = "database"
	for name, value := range map[string]string{
		"datestyle": "ISO, YMD", "intervalstyle": "postgres", "bytea_output": "hex", "extra_float_digits": "3",
		"lc_monetary": "C",
	} {
		config.RuntimeParams[name] = value
	}
	log, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("stratum: connecting to the log of the source: %w", err)
	}
	defer func() { _ = log.Close(context.WithoutCancel(ctx)) }()
	slot := fmt.Sprintf("stratum_copies_%d", log.PID())
	// It waits for transactions that are running. Until then tables are compared.
	_, err = pglogrepl.CreateReplicationSlot(ctx, log, slot, "pgoutput", pglogrepl.CreateReplicationSlotOptions{
		Temporary: true, SnapshotAction: "NOEXPORT_SNAPSHOT", Mode: pglogrepl.LogicalReplication,
	})
	if err != nil {
		return fmt.Errorf("stratum: making a replication slot: %w", err)
	}
	err = pglogrepl.StartReplication(ctx, log, slot, 0, pglogrepl.StartReplicationOptions{
		PluginArgs: []string{"proto_version '1'", "publication_names '" + publication + "'"},
	})
	if err != nil {
		return fmt.Errorf("stratum: starting replication: %w", err)
	}
	if err := send(ctx, s.events, event{begins: streamed}); err != nil {
		return err
	}
	r := reader{session: s, conn: conn, log: log, decoder: decoder{streamed: maps.Clone(streamed), near: near}, unsure: true}
	return r.run(ctx)
}

// publish makes the publication those of the tables that can be streamed, and returns them. A table without an identity
// must not be published: its rows could not be updated any more.
func publish(
	ctx context.Context, conn *pgx.Conn, tables []Table,
) (streamed map[[2]string]streamedTable, near uint64, err error) {
	var able bool
	err = conn.QueryRow(ctx, `SELECT current_setting('wal_level') = 'logical' AND (r.rolsuper OR r.rolreplication)
		FROM pg_catalog.pg_roles r WHERE r.rolname = session_user`, pgx.QueryExecModeExec).Scan(&able)
	if err != nil {
		return nil, 0, fmt.Errorf("stratum: looking at the log of the source: %w", err)
	}
	if !able {
		return nil, 0, errNoStream
	}
	tx, err := begin(ctx, conn, pgx.TxOptions{})
	if err != nil {
		return nil, 0, err
	}
	defer rollback(ctx, tx)
	now, err := readMoment(ctx, tx)
	if err != nil {
		return nil, 0, err
	}
	shapes, err := readShapes(ctx, tx, newPairs(tables, nil), sourceSchema)
	if err != nil {
		return nil, 0, err
	}
	streamed = map[[2]string]streamedTable{}
	var list []string
	for _, f := range shapes {
		if len(f.Key) > 0 && f.Watched && (f.Identity == "d" || f.Identity == "f") {
			streamed[[2]string{f.Schema, f.Name}] = streamedTable{source: now.source, digest: f.Digest}
			list = append(list, sqltext.Quote(f.Schema, f.Name))
		}
	}
	if len(list) == 0 {
		return nil, 0, errNoStream
	}
	slices.Sort(list)
	if err := setPublication(ctx, tx, list); err != nil {
		return nil, 0, err
	}
	if err := tx.Commit(ctx); err != nil {
		return nil, 0, fmt.Errorf("stratum: publishing tables to copy: %w", err)
	}
	return streamed, now.snapshot.xmax, nil
}

// setPublication issues nothing where the publication is as it should be.
func setPublication(ctx context.Context, tx pgx.Tx, list []string) error {
	var exists bool
	var published []string
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname = $1), ARRAY(
		SELECT '"' || replace(schemaname, '"', '""') || '"."' || replace(tablename, '"', '""') || '"'
		FROM pg_catalog.pg_publication_tables WHERE pubname = $1)`, pgx.QueryExecModeExec, publication).
		Scan(&exists, &published)
	if err != nil {
		return fmt.Errorf("stratum: looking for the publication of copies: %w", err)
	}
	if slices.Sort(published); slices.Equal(published, list) {
		return nil
	}
	statement := "CREATE PUBLICATION " + publication + " FOR TABLE " + joined(list) +
		" WITH (publish_via_partition_root = true)"
	if exists {
		statement = "ALTER PUBLICATION " + publication + " SET TABLE " + joined(list)
	}
	if _, err := tx.Exec(ctx, statement); err != nil {
		return fmt.Errorf("stratum: publishing tables to copy: %w", err)
	}
	return nil
}

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
	done := pglogrepl.LSN(r.acknowledged.Load())
	err := pglogrepl.SendStandbyStatusUpdate(ctx, r.log, pglogrepl.StandbyStatusUpdate{
		WALWritePosition: max(done, 1), WALFlushPosition: max(done, 1), WALApplyPosition: max(done, 1), ReplyRequested: reply,
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
