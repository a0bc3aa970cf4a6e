package guard

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stratum-hq/stratum-go/internal/scope"
)

// replicaBegin begins what runs on a replica: read-only also where the server is no replica any more, and with one
// snapshot for the admission and what follows. On the primary it is the tenant's lock that keeps its data in place
// between the two; a replica goes on replaying.
const replicaBegin = "begin isolation level repeatable read read only"

// readOnly is what stands in front of enter where the database is to refuse writes.
func (e *entry) readOnly() string {
	switch {
	case e.replica != nil:
		return replicaBegin
	case e.carried != nil:
		return beginReadOnlySQL
	}
	return readOnlySQL
}

// hasBlock reports whether the read-only train is in a block of its own, which a commit ends.
func (e *entry) hasBlock() bool { return e.replica != nil || e.carried != nil }

// queryReplica runs a query on a replica. It is not served where the text is no plain query, where no replica is up and
// has what it must see, and where the replica has refused it: the primary is then asked, whose word counts. Nothing can
// have been written on the replica, and nothing was handed out.
func (c *conn) queryReplica(ctx context.Context, sc scope.Scope, sql string, args []any) (*rows, bool, error) {
	if !inspect(sql).Reads() {
		return nil, false, nil
	}
	where, s, err := c.borrowReplica(ctx, sc)
	if s == nil {
		return nil, err != nil, err
	}
	r, err := c.queryAt(ctx, where, s, sql, args)
	if err != nil && !settled(ctx, err) {
		return nil, false, nil
	}
	return r, true, c.replicaOutcome(where, err)
}

// beginReplica begins a read-only transaction on a replica, as queryReplica runs a query.
func (c *conn) beginReplica(ctx context.Context, sc scope.Scope) (served bool, err error) {
	where, s, err := c.borrowReplica(ctx, sc)
	if s == nil {
		return err != nil, err
	}
	err = c.beginAt(ctx, where, s, replicaBegin)
	if err != nil && !settled(ctx, err) {
		return false, nil
	}
	if err == nil {
		c.tx.reads = true
	}
	return true, c.replicaOutcome(where, err)
}

// runReplica runs a Read on a replica, as queryReplica runs a query.
func (r *reading) runReplica(ctx context.Context) (served bool, err error) {
	where, s, err := r.conn.borrowReplica(ctx, r.scope)
	if s == nil {
		return err != nil, err
	}
	defer r.conn.release(s)
	if err = r.runAt(ctx, where, s); err != nil {
		where.blame(ctx, err, s)
		if !settled(ctx, err) {
			return false, nil
		}
	}
	return true, r.conn.replicaOutcome(where, err)
}

// borrowReplica returns a replica of where statements of the scope run, and a session on it; without an error there may
// be none.
func (c *conn) borrowReplica(ctx context.Context, sc scope.Scope) (at, *session, error) {
	p, err := c.connector.place(ctx, sc)
	if err != nil {
		return at{}, nil, err
	}
	found := p.Database.Replicas.get(ctx)
	if found == nil || len(found.Replicas) == 0 {
		return at{}, nil, nil
	}
	t, err := c.connector.takeTurn(ctx, sc)
	if err != nil {
		return at{}, nil, err
	}
	replica, s := p.Database.Replicas.borrow(ctx, found, p, sc)
	if s == nil {
		t.end()
		return at{}, nil, nil
	}
	c.turn = t
	return at{place: p, scope: sc, replica: replica}, s, nil
}

// codeCanceled is that of a statement whose time is up.
const codeCanceled = "57014"

// settled reports whether the error of a replica is what the primary would say, too, or a second try is not wanted.
func settled(ctx context.Context, err error) bool {
	code := sqlState(err)
	return ctx.Err() != nil || code == codeCanceled || strings.HasPrefix(code, classData)
}

// blame leaves a replica alone for a while whose connection broke, or that is none any more. The session is still the
// caller's.
func (w at) blame(ctx context.Context, err error, s *session) {
	if w.replica == nil || ctx.Err() != nil {
		return
	}
	switch {
	case sqlState(err) == codeEpoch:
		err = ErrNoReplica
	case !s.pg.IsClosed() || errors.Is(err, errStuck):
		return
	}
	w.replica.Standby.fail(time.Now())
	w.place.Database.Replicas.config.Report(ctx, RedactConnect(err))
}

// replicaOutcome is the error for database/sql.
func (c *conn) replicaOutcome(where at, err error) error {
	if err == nil {
		where.replica.Standby.succeed()
		return nil
	}
	return translate(err)
}

// commit ends the transaction with commit. Where a replica may be read from next, the train also brings whether it has
// written, and how far the primary has come with that.
func (t *tx) commit() (tag string, err error) {
	replicas := t.place.Database.Replicas
	if t.reads {
		return t.session.exchange(t.ctx, "commit", nil)
	}
	end := ending{wrote: true}
	if replicas.on() && t.session.pg.TxStatus() == 'T' {
		end, err = t.session.commit(t.ctx)
	} else {
		end.tag, err = t.session.exchange(t.ctx, "commit", nil)
	}
	if replicas.on() && end.wrote && !rolledBack(err) && end.tag != "ROLLBACK" {
		replicas.ledger.note(writer(t.scope), end.lsn)
	}
	return end.tag, err
}

// ending is what is known of a transaction at its end.
type ending struct {
	tag   string
	wrote bool
	lsn   uint64 // 0 where it is not known
}

// reachedSQL asks the primary how far it has written.
const reachedSQL = `SELECT pg_catalog.pg_current_wal_insert_lsn()::pg_catalog.text`

// commit sends commit between two questions, one round trip.
func (s *session) commit(ctx context.Context) (ending, error) {
	var results *pgconn.MultiResultReader
	commands := []string{wroteSQL, "commit", reachedSQL}
	if s.simpleProtocol() {
		results = s.pg.Exec(ctx, strings.Join(commands, ";\n"))
	} else {
		b := &pgconn.Batch{}
		for _, command := range commands {
			b.ExecParams(command, nil, nil, nil, nil)
		}
		results = s.pg.ExecBatch(ctx, b)
	}
	end := ending{wrote: true}
	for i := 0; results.NextResult(); i++ {
		reader := results.ResultReader()
		var value []byte
		if reader.NextRow() {
			value = reader.Values()[0]
		}
		switch {
		case i == 0:
			end.wrote = string(value) != "f"
		case i > 1:
			end.lsn, _ = parseLSN(value) // 0 is asked for later
		}
		if tag, err := reader.Close(); err == nil && i == 1 {
			end.tag = tag.String()
		}
	}
	err := broken(ctx, results.Close())
	if end.tag == "COMMIT" {
		err = nil // it was the question behind it that failed
	}
	return end, err
}
