package guard

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/stratum-hq/stratum-go/internal/scope"
)

// Roles are the roles that a statement runs as, one for each kind of scope.
type Roles struct {
	Tenant  string
	Subtree string
	System  string
	// Schema is the role of tenants and subtrees in a schema of a tenant's own.
	Schema string
}

func (r Roles) of(k scope.Kind) string {
	switch k {
	case scope.Tenant:
		return r.Tenant
	case scope.Subtree:
		return r.Subtree
	case scope.System:
		return r.System
	case scope.None:
	}
	return ""
}

// The parts of enter, evaluated from left to right: search_path first, so that it holds while the rest is looked up;
// the role last, because only the login may be admitted and set the others. A failing enter aborts the transaction,
// and the server skips the statement behind it. A setting that is as it should be already is not set once more, which
// costs more than to look. Names are qualified throughout: a statement before this one may have left another
// search_path.
//
// Parameters: $1 search_path, $2 tenant, $3 context, $4 role, $5 epoch or proof, $6 statement_timeout, $7 the schema
// that the tenant has of its own.
const (
	pathSQL = `SELECT CASE WHEN pg_catalog.current_setting('search_path') OPERATOR(pg_catalog.<>) $1 ` +
		`THEN pg_catalog.set_config('search_path', $1, true) END, `
	contextSQL = `, CASE WHEN pg_catalog.current_setting('stratum.context', true) OPERATOR(pg_catalog.=) $3 ` +
		`THEN NULL ELSE pg_catalog.set_config('stratum.context', $3, true) END`
	roleSQL    = `, pg_catalog.set_config('role', $4, true)`
	timeoutSQL = `, pg_catalog.set_config('statement_timeout', $6, true)`

	// admitSQL is the long way: the server looks at the tenant's row and returns the epoch.
	admitSQL = `stratum.admit($2, '')`
	// signedSQL is the long way where the admission is proven and signed. Session-level locks go first.
	signedSQL = `stratum.admit($2, $4, $5, '')`
	// epochSQL is the short way, for a tenant that was found active in the epoch before. The lock is taken before the
	// epoch is read.
	epochSQL = `pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.uuid_hash_extended($2, 0)), ` +
		`CASE WHEN pg_catalog.pg_sequence_last_value('stratum.epoch') OPERATOR(pg_catalog.=) $5 ` +
		`THEN pg_catalog.set_config('stratum.tenant', $2::pg_catalog.text, true) ELSE stratum.stale_epoch() END`
	// readmitSQL is the short way for connections on which nothing is prepared.
	readmitSQL = `SELECT stratum.readmit($2, $5, $1, $3)`
	// schemaSQL says in which schema the statement is about to work, and refuses one that is not there. It stands
	// behind the admission, and before the role is switched.
	schemaSQL = `, CASE WHEN pg_catalog.to_regnamespace($7) IS NULL THEN stratum.no_schema() ` +
		`ELSE pg_catalog.set_config('stratum.schema', $7, true) END`
	// placeSQL does so for the system at the place of a tenant. It has rights on the shared tables too: in a schema
	// that lacks a table, its statement would reach the shared one, and where the tenant has moved, what was left
	// behind.
	placeSQL = `, stratum.enter_place($2, $7)`

	// replayedSQL says how far a replica has come, and before which transaction all are over. A server that is a
	// replica no more, or never was one, refuses.
	replayedSQL = `, CASE WHEN pg_catalog.pg_is_in_recovery() ` +
		`THEN pg_catalog.pg_last_wal_replay_lsn()::pg_catalog.text ELSE stratum.stale_epoch() END` +
		`, pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())`

	systemSQL = `pg_catalog.set_config('stratum.tenant', '', true)`
	unlockSQL = `, pg_catalog.pg_advisory_unlock_all()`
)

// form is the text of one way to enter: what is the same for every statement.
type form struct {
	sql     string
	unnamed string   // the same where it is not prepared
	before  []string // commands in front of it
	oids    []uint32 // of its parameters
	formats []int16
}

// Forms are the ways to enter that a pool's connections know.
type Forms struct {
	ways

	replica                ways
	signed, timed, carries bool
}

// ways are the forms for a server.
type ways struct {
	long, short, system       form
	longSchema, shortSchema   form // where a tenant has a schema of its own
	longSubtree, shortSubtree form // where the settings of a subtree are carried
	systemAt                  form // the system at the place of a tenant
}

// FormOptions say what is special about the ways to enter.
type FormOptions struct {
	// Signed ones prove that the application admits the tenant, for a server that takes no others.
	Signed bool
	// Timed ones limit how long the server works on a statement.
	Timed bool
	// Carried ones have Citus make the settings where the rows are. They need a transaction block, and the extended
	// protocol.
	Carried bool
}

// NewForms returns the ways to enter.
func NewForms(o FormOptions) *Forms {
	return &Forms{
		ways: newWays(o, ""), replica: newWays(o, replayedSQL), signed: o.Signed, timed: o.Timed, carries: o.Carried,
	}
}

// newWays returns the ways to enter, with something to ask at the end of each.
func newWays(o FormOptions, question string) (f ways) {
	proofOID, admit, tail := uint32(pgtype.Int8OID), admitSQL, contextSQL+roleSQL
	if o.Signed {
		proofOID, admit, tail = pgtype.ByteaOID, signedSQL, unlockSQL+contextSQL+roleSQL
	}
	if o.Timed {
		tail += timeoutSQL
	}
	subtreeTail := tail + carrySubtreeSQL + question
	tail += question
	f.long = newForm(pathSQL+admit+tail, proofOID)
	f.short = newForm(pathSQL+epochSQL+tail, proofOID)
	f.short.unnamed = readmitSQL + strings.TrimPrefix(tail, contextSQL)
	f.longSubtree = newForm(pathSQL+admit+subtreeTail, proofOID)
	f.shortSubtree = newForm(pathSQL+epochSQL+subtreeTail, proofOID)
	f.longSchema = newForm(pathSQL+strings.ReplaceAll(admit, `''`, "$7")+schemaSQL+tail, proofOID)
	f.shortSchema = newForm(pathSQL+epochSQL+schemaSQL+tail, proofOID)
	f.shortSchema.unnamed = readmitSQL + schemaSQL + strings.TrimPrefix(tail, contextSQL)
	f.system = newForm(pathSQL+systemSQL+contextSQL+roleSQL+question, proofOID)
	f.systemAt = newForm(pathSQL+systemSQL+placeSQL+contextSQL+roleSQL+question, proofOID)
	if o.Signed {
		// What a statement before may have left behind for this one to find, hidden from the rules in a block of code.
		f.long.before = []string{
			"SET ROLE NONE", "RESET ALL", "CLOSE ALL", "DISCARD SEQUENCES", "DEALLOCATE ALL", "UNLISTEN *",
		}
		f.longSchema.before = f.long.before
	}
	return f
}

// newForm declares the types of all parameters up to the last that the text has.
func newForm(sql string, proofOID uint32) form {
	n := maxParameters
	for n > minParameters && !strings.Contains(sql, "$"+strconv.Itoa(n)) {
		n--
	}
	oids := []uint32{
		pgtype.TextOID, pgtype.UUIDOID, pgtype.TextOID, pgtype.TextOID, proofOID, pgtype.TextOID, pgtype.TextOID,
	}
	formats := []int16{
		pgtype.TextFormatCode, pgtype.BinaryFormatCode, pgtype.TextFormatCode, pgtype.TextFormatCode,
		pgtype.BinaryFormatCode, pgtype.TextFormatCode, pgtype.TextFormatCode,
	}
	return form{sql: sql, unnamed: sql, oids: oids[:n], formats: formats[:n]}
}

// How many parameters a form has.
const minParameters, maxParameters = 4, 7

// of returns the forms that connections for scopes of a tenant, or of the system, use.
func (f *Forms) of(system, replica bool) []*form {
	known := &f.ways
	if replica {
		known = &f.replica
	}
	switch {
	case system:
		return []*form{&known.system, &known.systemAt}
	case f.signed:
		return []*form{&known.long, &known.longSchema}
	}
	all := []*form{&known.long, &known.short, &known.longSchema, &known.shortSchema}
	if f.carries {
		all = append(all, &known.longSubtree, &known.shortSubtree)
	}
	return all
}

// entry is enter with its arguments: for one scope and one actor.
type entry struct {
	*form

	tenant  uuid.UUID
	args    [maxParameters][]byte
	number  [8]byte   // where the epoch is written
	learn   *standing // told what the server says of the tenant; nil where it says nothing
	carried []string  // commands in front of it, see carried; none where nothing is carried

	replica  *Replica  // that it is for, or nil
	replicas *Replicas // of the place's database
	writer   uuid.UUID // whose write it is, to them
}

// values are the arguments that the form has parameters for.
func (e *entry) values() [][]byte { return e.args[:len(e.oids)] }

// entry says how a statement or transaction enters its scope where it runs.
func (c *Connector) entry(ctx context.Context, where at) (*entry, error) {
	p, s := where.place, where.scope
	note, err := describeContext(s, scope.ActorFrom(ctx))
	if err != nil {
		return nil, err
	}
	e := &entry{
		tenant: s.Tenant, replica: where.replica, replicas: p.Database.Replicas, writer: writer(s),
	}
	e.args = [maxParameters][]byte{p.path, e.tenant[:], note, []byte(c.role(p, s))}
	e.args[6] = p.schema
	if c.forms.carries {
		e.carried = c.carried(p, e)
	}
	known := &c.forms.ways
	if e.replica != nil {
		known = &c.forms.replica
	}
	if s.Kind == scope.System {
		e.form = &known.system
		if s.At != uuid.Nil {
			e.form, e.tenant, e.args[6] = &known.systemAt, s.At, []byte(p.Schema) // which is never null
		}
		return e, nil
	}
	if c.forms.timed {
		e.args[5] = timeoutText(c.config.StatementTimeout(s.Tenant))
	}
	return e, c.admission(ctx, where, e, known)
}

// admission chooses the way in.
func (c *Connector) admission(ctx context.Context, where at, e *entry, forms *ways) (err error) {
	p, long, short := where.place, &forms.long, &forms.short
	switch {
	case p.schema != nil:
		long, short = &forms.longSchema, &forms.shortSchema
	case c.forms.carries && where.scope.Kind == scope.Subtree:
		long, short = &forms.longSubtree, &forms.shortSubtree
	}
	e.form = long
	if c.forms.signed {
		e.args[4], err = p.Database.prover.prove(ctx, e.tenant, e.args[3])
		return err
	}
	known := where.standing()
	if epoch, ok := known.in(e.tenant, p.schema != nil); ok {
		e.form = short
		binary.BigEndian.PutUint64(e.number[:], uint64(epoch)) //nolint:gosec // the bits as they are
		e.args[4] = e.number[:]
		return nil
	}
	e.learn = known
	return nil
}

// standing is what is known of tenants where a statement runs. Each replica has its own: one may have seen the epoch
// of a change, and not yet the change.
func (w at) standing() *standing {
	if w.replica != nil {
		return &w.replica.standing
	}
	return &w.place.Database.standing
}

// timeoutText is a setting in milliseconds. Without a limit it is null, which stands for what the login has; 0 would
// stand for no limit at all.
func timeoutText(d time.Duration) []byte {
	if d == 0 {
		return nil
	}
	return strconv.AppendInt(nil, d.Milliseconds(), 10)
}

// read reads past a result that nobody asked for: of a command around the statement, which has no rows, or of enter.
// What the server says there of the tenant, or a replica of itself, is kept.
func (e *entry) read(r *pgconn.ResultReader) (pgconn.CommandTag, error) {
	for e != nil && (e.learn != nil || e.replica != nil) && r.NextRow() {
		e.hear(r.Values())
	}
	return r.Close()
}

// hear keeps what enter has returned. On a replica an epoch may be seen before the change that it stands for, and it
// does not say of a transaction that it is under way: the epoch counts only when all are over that are as old.
func (e *entry) hear(values [][]byte) {
	oldest := int64(math.MaxInt64)
	if e.replica != nil {
		n := len(values)
		e.replica.Standby.tell(values[n-2])
		oldest, _ = strconv.ParseInt(string(values[n-1]), 10, 64)
	}
	if e.learn == nil {
		return
	}
	if epoch, err := strconv.ParseInt(string(values[1]), 10, 64); err == nil && epoch>>epochBits < oldest {
		e.learn.put(e.tenant, len(e.args[6]) > 0, epoch)
	}
}

// epochBits are those of an epoch behind the id of the transaction that made it.
const epochBits = 20

// describeContext is what the database is told of who acts and why, for its triggers: JSON, or nothing at all.
func describeContext(s scope.Scope, a scope.Actor) ([]byte, error) {
	if a == (scope.Actor{}) && s.Reason == "" {
		return []byte{}, nil
	}
	note := struct {
		Actor  *scope.Actor `json:"actor,omitempty"`
		Reason string       `json:"reason,omitempty"`
	}{Reason: withoutNul(s.Reason)}
	if a != (scope.Actor{}) {
		note.Actor = &scope.Actor{ID: withoutNul(a.ID), Kind: withoutNul(a.Kind)}
	}
	return json.Marshal(note)
}

// withoutNul replaces what JSON can write and PostgreSQL's jsonb cannot hold: a trigger that reads the note would
// fail.
func withoutNul(s string) string { return strings.ReplaceAll(s, "\x00", "\ufffd") }

// literal writes enter with its arguments in place, for the simple protocol. The session has made sure that strings
// are standard-conforming, so doubling the quote is enough. One pass, so that an argument's own "$4" stays as it is.
// A proof is never written: no text may hold one.
func (e *entry) literal() string {
	epoch := "0"
	if len(e.args[4]) == len(e.number) {
		epoch = strconv.FormatInt(int64(binary.BigEndian.Uint64(e.args[4])), 10) //nolint:gosec // the bits as they are
	}
	timeout := "null"
	if e.args[5] != nil {
		timeout = quoteLiteral(string(e.args[5]))
	}
	return strings.NewReplacer(
		"$1", quoteLiteral(string(e.args[0])),
		"$2", quoteLiteral(e.tenant.String())+"::pg_catalog.uuid",
		"$3", quoteLiteral(string(e.args[2])),
		"$4", quoteLiteral(string(e.args[3])),
		"$5", quoteLiteral(epoch)+"::pg_catalog.int8",
		"$6", timeout,
		"$7", quoteLiteral(string(e.args[6])),
	).Replace(e.unnamed)
}

func quoteLiteral(s string) string {
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
