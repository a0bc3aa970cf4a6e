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
	"golang.org/x/sync/errgroup"
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
	log, err := openLog(ctx, conn.Config())
	if err != nil {
		return err
	}
	defer func() { _ = log.Close(context.WithoutCancel(ctx)) }()
	if err := send(ctx, s.events, event{begins: streamed}); err != nil {
		return err
	}
	r := reader{
		session: s, conn: conn, log: log, unsure: true,
		decoder: decoder{streamed: maps.Clone(streamed), near: near},
	}
	return r.run(ctx)
}

// openLog opens a connection that the log is streamed on, with values in the text form that Refresh uses.
func openLog(ctx context.Context, source *pgx.ConnConfig) (*pgconn.PgConn, error) {
	config := source.Config.Copy()
	config.RuntimeParams["replication"] = "database"
	for name, value := range map[string]string{
		"datestyle": "ISO, YMD", "intervalstyle": "postgres", "bytea_output": "hex", "extra_float_digits": "3",
		"lc_monetary": "C",
	} {
		config.RuntimeParams[name] = value
	}
	log, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("stratum: connecting to the log of the source: %w", err)
	}
	slot := fmt.Sprintf("stratum_copies_%d", log.PID())
	// It waits for transactions that are running. Until then tables are compared.
	_, err = pglogrepl.CreateReplicationSlot(ctx, log, slot, "pgoutput", pglogrepl.CreateReplicationSlotOptions{
		Temporary: true, SnapshotAction: "NOEXPORT_SNAPSHOT", Mode: pglogrepl.LogicalReplication,
	})
	if err == nil {
		err = pglogrepl.StartReplication(ctx, log, slot, 0, pglogrepl.StartReplicationOptions{
			PluginArgs: []string{"proto_version '1'", "publication_names '" + publication + "'"},
		})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("stratum: making a replication slot: %w", err),
			log.Close(context.WithoutCancel(ctx)))
	}
	return log, nil
}
