package guard

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// session is one connection to the server and what the guard has prepared on it. Who has borrowed it from its pool has
// it alone, so nothing in it needs a lock. It outlives its borrowers, and remembers of them only what is the same for
// every tenant: the descriptions of statements.
type session struct {
	conn    *pgx.Conn
	pg      *pgconn.PgConn
	pool    *Pool
	socket  *socket       // nil where connections do not count
	held    *pgxpool.Conn // the pool's side of it while it is lent
	probe   *probe
	mode    pgx.QueryExecMode
	cache   *cache
	enters  map[*form]*pgconn.StatementDescription // enter, prepared; nil where statements are unnamed
	builder pgx.ExtendedQueryBuilder
	prefix  string // of the names of prepared statements
	names   int
	dead    bool // abandoned, see abandon
	strayed bool // what was described last, was so under another search_path than the scope's
}

// newSession readies conn. In cache_statement mode it prepares the forms of enter, so that later statements need one
// round trip.
func newSession(ctx context.Context, conn *pgx.Conn, forms []*form) (*session, error) {
	if err := CheckStrings(conn.PgConn()); err != nil {
		return nil, err
	}
	config := conn.Config()
	s := &session{
		conn:  conn,
		pg:    conn.PgConn(),
		probe: newProbe(conn.PgConn().Conn()),
		mode:  config.DefaultQueryExecMode,
		cache: newCache(cacheCapacity(config)),
		// Behind a pooler clients meet each other's statements. A name that is never used twice makes that an error,
		// where a plain number would run somebody else's statement.
		prefix: "stratum_" + strings.ToLower(rand.Text()[:nameLength]) + "_",
	}
	switch s.mode {
	case pgx.QueryExecModeCacheStatement:
		err := s.prepareEnter(ctx, forms)
		if err != nil && retryable(err) && s.usable() {
			s.forgetNames(err)
			err = nil
		}
		return s, err
	case pgx.QueryExecModeSimpleProtocol:
		// Without the server's word on its type, a slice is encoded by what is known of its Go type.
		conn.TypeMap().RegisterDefaultPgType([]uuid.UUID(nil), "_uuid")
		return s, nil
	case pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec:
		return s, nil
	case pgx.QueryExecModeExec:
	}
	return nil, CheckMode(s.mode)
}

// nameLength makes names of 60 random bits.
const nameLength = 12

// CheckMode refuses the way of sending statements that guesses the types of parameters instead of asking for them.
func CheckMode(mode pgx.QueryExecMode) error {
	if mode != pgx.QueryExecModeExec {
		return nil
	}
	return fmt.Errorf("%w: default_query_exec_mode=%s (use cache_statement, cache_describe, describe_exec or "+
		"simple_protocol)", ErrConfig, mode)
}

// cacheCapacity is pgx's setting for the mode in use, and never zero: a description is needed to send a statement.
func cacheCapacity(config *pgx.ConnConfig) int {
	n := config.StatementCacheCapacity
	if config.DefaultQueryExecMode != pgx.QueryExecModeCacheStatement {
		n = config.DescriptionCacheCapacity
	}
	return max(n, 1)
}

// prepareEnter prepares enter in one round trip. It cannot be left to the cache: a description is made inside a scope,
// and this is what makes the scope.
func (s *session) prepareEnter(ctx context.Context, forms []*form) error {
	p := s.pg.StartPipeline(ctx)
	names := make([]string, len(forms))
	for i, f := range forms {
		names[i] = s.nextName()
		p.SendPrepare(names[i], f.sql, f.oids)
	}
	if err := p.Sync(); err != nil {
		return errors.Join(err, p.Close())
	}
	enters := make(map[*form]*pgconn.StatementDescription, len(forms))
	for i, f := range forms {
		result, err := p.GetResults()
		if err != nil {
			_ = p.Close() // it repeats the error
			return err
		}
		desc, ok := result.(*pgconn.StatementDescription)
		if !ok {
			return errors.Join(ErrProtocol, p.Close())
		}
		desc.Name = names[i]
		enters[f] = desc
	}
	s.enters = enters
	return p.Close()
}

// CheckStrings refuses the settings under which a text means something else to the server than to this package: a
// doubled quote must be all that a literal needs.
func CheckStrings(pg *pgconn.PgConn) error {
	for _, setting := range [...]struct{ name, want string }{
		{"standard_conforming_strings", "on"}, {"client_encoding", "UTF8"},
	} {
		if v := pg.ParameterStatus(setting.name); v != setting.want {
			return fmt.Errorf("%w: %s=%q (it must be %s for this login: look into the DSN, ALTER ROLE ... SET and "+
				"postgresql.conf)", ErrConfig, setting.name, v, setting.want)
		}
	}
	return nil
}

// usable reports whether the session can serve another caller: open, in a known state, not inside a transaction.
//
// The server's word on the transaction is what counts: a train that went wrong in a way nobody foresaw shows there.
func (s *session) usable() bool {
	return !s.dead && !s.pg.IsClosed() && !s.pg.IsBusy() && s.pg.TxStatus() == 'I'
}

// abandon cuts the session's connection: its state is not what it ought to be, and nothing more may be sent on it. The
// socket goes first, so that the goodbye cannot block.
//
//nolint:contextcheck,nolintlint // read at its callers: a connection is given up whatever became of their ctx
func (s *session) abandon() {
	s.dead = true
	_ = s.pg.Conn().Close() // nothing can be done about an error, and nothing needs to
	ctx, cancel := closing()
	defer cancel()
	_ = s.conn.Close(ctx)
}

// train is one trip to the server: enter where it is needed, the statement, and commit where the statement needs a
// transaction block of its own.
type train struct {
	entry *entry // nil inside a transaction, which has entered already
	begin string // begins a block that a commit ends, or is empty
	asks  bool   // wroteSQL stands behind the statement
}

// newTrain returns the train of a statement outside a transaction.
func newTrain(e *entry, c sqltext.Command, block bool) train {
	t := train{entry: e}
	switch {
	case e.replica != nil:
		t.begin = replicaBegin
	case block:
		t.begin = "begin"
	default:
		t.asks = e.replicas.on() && c.Reads()
	}
	return t
}

// leading is how many results come before the statement's own, trailing how many behind it.
func (t train) leading() int {
	n := 0
	if t.begin != "" {
		n++
	}
	if t.entry != nil {
		n += len(t.entry.commands()) + 1
	}
	return n
}

func (t train) trailing() int {
	if t.begin != "" || t.asks {
		return 1
	}
	return 0
}

// behind is the command behind the statement, or empty.
func (t train) behind() string {
	switch {
	case t.begin != "":
		return "commit"
	case t.asks:
		return wroteSQL
	}
	return ""
}

// addEnter puts enter on the batch: by name, which saves the server from reading it each time, or as text where names
// do not last.
func (s *session) addEnter(b *pgconn.Batch, e *entry) {
	for _, command := range e.commands() {
		b.ExecParams(command, nil, nil, nil, nil)
	}
	if desc := s.enters[e.form]; desc != nil {
		b.ExecStatement(desc, e.values(), e.formats, nil)
		return
	}
	b.ExecParams(e.unnamed, e.values(), e.oids, e.formats, nil)
}

// nextName is a name for a prepared statement, or "" where statements are sent unnamed.
func (s *session) nextName() string {
	if s.mode != pgx.QueryExecModeCacheStatement {
		return ""
	}
	s.names++
	return s.prefix + strconv.Itoa(s.names)
}

// describe asks the server for the types of a statement, inside its scope: one round trip, in which statements that
// fell out of the cache are forgotten too.
func (s *session) describe(ctx context.Context, e *entry, st *statement) error {
	name := ""
	if !st.volatile() {
		name = s.nextName()
	}
	p := s.pg.StartPipeline(ctx)
	// Close messages are not part of a transaction: they hold even where the rest of this message train is refused.
	dropped := s.cache.takeDropped()
	for _, old := range dropped {
		p.SendDeallocate(old)
	}
	if e != nil {
		s.pipeEnter(p, e)
	} else {
		s.askPath(p)
	}
	p.SendPrepare(name, st.key.sql, nil)
	// Enter stands before Parse: names in the statement are looked up on the scope's search_path, and a tenant that may
	// not run it may not learn its types either.
	if err := p.Sync(); err != nil {
		s.cache.dropped = append(s.cache.dropped, dropped...) // nothing was sent
		return errors.Join(err, p.Close())
	}
	desc, path, err := lastDescription(p, e)
	if closeErr := p.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return s.notEntered(err)
	}
	s.strayed = e == nil && path != st.key.path
	desc.Name, desc.SQL = name, st.key.sql
	st.desc, st.formats = desc, resultFormats(desc.Fields)
	return nil
}

// pipeEnter puts enter in front of what is described. Nothing need be carried: that is done here, without the workers.
func (s *session) pipeEnter(p *pgconn.Pipeline, e *entry) {
	for _, command := range e.before {
		p.SendQueryParams(command, nil, nil, nil, nil)
	}
	if desc := s.enters[e.form]; desc != nil {
		p.SendQueryStatement(desc, e.values(), e.formats, nil)
		return
	}
	p.SendQueryParams(e.unnamed, e.values(), e.oids, e.formats, nil)
}

// wherePathSQL asks for the search_path inside a transaction, in which a statement may have set another one: what is
// described under that holds for this transaction, and must not be kept for the scope's own.
const wherePathSQL = "SELECT pg_catalog.current_setting('search_path')"

// askPath sends wherePathSQL, unless the transaction has failed: it would be refused then, as most statements are, and
// what is described is not kept.
func (s *session) askPath(p *pgconn.Pipeline) {
	if s.pg.TxStatus() == 'T' {
		p.SendQueryParams(wherePathSQL, nil, nil, nil, nil)
	}
}

// lastDescription reads the results of a describe up to the description, and the search_path where it was asked for.
func lastDescription(p *pgconn.Pipeline, e *entry) (desc *pgconn.StatementDescription, path string, err error) {
	for {
		result, err := p.GetResults()
		if err != nil {
			return nil, "", err
		}
		switch r := result.(type) {
		case *pgconn.StatementDescription:
			return r, path, nil
		case *pgconn.ResultReader:
			if e == nil && r.NextRow() {
				path = string(r.Values()[0])
			}
			if _, err := e.read(r); err != nil {
				return nil, "", err
			}
		case *pgconn.CloseComplete:
		default:
			return nil, "", ErrProtocol
		}
	}
}
