package guard

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stratum-hq/stratum-go/internal/scope"
)

// CheckText returns why a statement would be refused outside a transaction, or nil.
func CheckText(sql string) error { return check(inspect(sql), false) }

// Read runs one statement in the scope of ctx and hands its rows to collect. The database refuses any write in it:
// [read only, enter, statement] travel in one round trip. collect may be called a second time, with the rows of a
// second attempt.
func (c *Connector) Read(ctx context.Context, collect func(rows pgx.Rows) error, sql string, args ...any) error {
	sc, err := scope.Check(ctx)
	if err != nil {
		return err
	}
	r := reading{conn: &conn{connector: c}, scope: sc, collect: collect, sql: sql, args: args}
	err = r.run(ctx)
	for i := 1; i < attempts && errors.Is(err, driver.ErrBadConn); i++ {
		err = r.run(ctx)
	}
	return err
}

// reading is a Read under way.
type reading struct {
	conn    *conn
	scope   scope.Scope
	collect func(rows pgx.Rows) error
	sql     string
	args    []any
}

func (r *reading) run(ctx context.Context) error {
	if scope.WantsReplica(ctx) {
		if served, err := r.runReplica(ctx); served {
			return err
		}
	}
	p, s, err := r.conn.borrow(ctx, r.scope)
	if err != nil {
		return err
	}
	defer r.conn.release(s)
	if err := r.runAt(ctx, at{place: p, scope: r.scope}, s); err != nil {
		return r.conn.outcome(err, s)
	}
	return nil
}

func (r *reading) runAt(ctx context.Context, where at, s *session) error {
	err := r.attempt(ctx, where, s)
	if err != nil && (where.outdated(err) || retryable(err)) {
		s.forgetNames(err)
		if s.usable() {
			err = r.attempt(ctx, where, s)
		}
	}
	return err
}

func (r *reading) attempt(ctx context.Context, where at, s *session) error {
	it, err := r.conn.item(ctx, where, s, r.sql, r.args)
	if err != nil {
		return err
	}
	e, err := r.conn.connector.entry(ctx, where)
	if err != nil {
		return err
	}
	items := []item{it}
	results, err := s.send(ctx, e, items)
	if err != nil {
		return err
	}
	err = s.failed(r.receive(ctx, s, e, items[0].st, results), items[0].st)
	if err != nil && e.hasBlock() {
		s.rollback(ctx) // the server has passed over the commit
	}
	return err
}

// receive hands the rows to collect. What the server says counts more than what collect makes of the rows.
func (r *reading) receive(
	ctx context.Context, s *session, e *entry, st *statement, results *pgconn.MultiResultReader,
) error {
	if err := skip(results, nil); err != nil { // of readOnlySQL, or of the block's begin
		return broken(ctx, err)
	}
	for range (train{entry: e}).leading() {
		if err := skip(results, e); err != nil {
			return s.notEntered(broken(ctx, err))
		}
	}
	if !results.NextResult() {
		return cmp.Or(broken(ctx, results.Close()), ErrProtocol)
	}
	rows := pgx.RowsFromResultReader(s.conn.TypeMap(), results.ResultReader())
	collectErr := r.collect(rows)
	rows.Close()
	if err := broken(ctx, results.Close()); err != nil {
		return err
	}
	if err := checkTag(rows.CommandTag().String(), st.command, false); err != nil || s.pg.TxStatus() != 'I' {
		s.abandon()
		return cmp.Or(err, ErrProtocol)
	}
	return collectErr
}
