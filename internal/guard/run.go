package guard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// maxArguments is what PostgreSQL's protocol has room for where arguments travel beside the statement.
const maxArguments = math.MaxUint16

func inspect(sql string) sqltext.Command { return sqltext.Inspect(sql) }

// run sends a statement in its train and returns the rows, positioned before the first.
func (s *session) run(ctx context.Context, t train, st *statement, args []any) (*rows, error) {
	if err := s.readsAlike(t.entry != nil); err != nil {
		return nil, err
	}
	if s.simpleProtocol() {
		return s.runSimple(ctx, t, st, args)
	}
	if len(args) > maxArguments { // before the statement is described: the server counts beyond that
		return nil, fmt.Errorf("stratum: a statement takes at most %d arguments, %d were given "+
			"(send fewer rows or values at a time)", maxArguments, len(args))
	}
	if st.desc == nil {
		if err := s.describe(ctx, t.entry, st); err != nil {
			return nil, err
		}
		s.remember(st)
	}
	r, err := s.runDescribed(ctx, t, st, args)
	if err != nil && staleDescription(err) {
		s.cache.drop(st)
	}
	return r, err
}

// readsAlike looks whether the server still reads a text as the rules have: a statement before this one may have
// changed the settings. On a connection that was just borrowed somebody else has left them behind, and another one
// will do.
func (s *session) readsAlike(borrowed bool) error {
	err := CheckStrings(s.pg)
	if err != nil && borrowed {
		s.abandon()
		return errStuck
	}
	return err
}

// runDescribed sends a statement whose types are known: one round trip.
func (s *session) runDescribed(ctx context.Context, t train, st *statement, args []any) (*rows, error) {
	plainUUIDs(st.desc.ParamOIDs, args)
	if err := s.builder.Build(s.conn.TypeMap(), st.desc, args); err != nil {
		return nil, s.argumentError(st.desc.ParamOIDs, args, err)
	}
	b := &pgconn.Batch{}
	if t.begin != "" {
		b.ExecParams(t.begin, nil, nil, nil, nil)
	}
	if t.entry != nil {
		s.addEnter(b, t.entry)
	}
	if st.desc.Name == "" {
		b.ExecParams(st.key.sql, s.builder.ParamValues, st.desc.ParamOIDs, s.builder.ParamFormats, st.formats)
	} else {
		b.ExecStatement(st.desc, s.builder.ParamValues, s.builder.ParamFormats, st.formats)
	}
	if behind := t.behind(); behind != "" {
		b.ExecParams(behind, nil, nil, nil, nil)
	}
	return s.receive(ctx, s.pg.ExecBatch(ctx, b), t, st)
}

// plainUUIDs gives pgx the ids of google/uuid in its own type, where the server wants a uuid. It would otherwise find
// out for each one that the type has a driver.Value, which is text, and read that again: half of what a statement
// with an id allocates. Most statements of an application have one.
func plainUUIDs(oids []uint32, args []any) {
	for i, arg := range args {
		if i >= len(oids) || oids[i] != pgtype.UUIDOID {
			continue
		}
		switch id := arg.(type) {
		case uuid.UUID:
			args[i] = pgtype.UUID{Bytes: id, Valid: true}
		case *uuid.UUID:
			if id != nil {
				args[i] = pgtype.UUID{Bytes: *id, Valid: true}
			}
		}
	}
}

// runSimple sends the whole train as one text. PostgreSQL runs the text as one implicit transaction.
func (s *session) runSimple(ctx context.Context, t train, st *statement, args []any) (*rows, error) {
	sql := st.key.sql
	if st.command.Statements == 0 {
		sql = "SELECT WHERE false" // in a text of several, an empty statement has no result
	}
	text, err := s.bindSimple(sql, args)
	if err != nil {
		return nil, err
	}
	if t.entry != nil {
		text = t.entry.literal() + ";\n" + text
	}
	if t.begin != "" {
		text = t.begin + ";\n" + text
	}
	if behind := t.behind(); behind != "" {
		text += "\n;" + behind // the statement may end in a comment
	}
	return s.receive(ctx, s.pg.Exec(ctx, text), t, st)
}

// receive reads past the results of enter and stands before the statement's first row.
func (s *session) receive(
	ctx context.Context, results *pgconn.MultiResultReader, t train, st *statement,
) (*rows, error) {
	for range t.leading() {
		if err := skip(results, t.entry); err != nil {
			return nil, s.notEntered(broken(ctx, err))
		}
	}
	if !results.NextResult() {
		return nil, cmp.Or(broken(ctx, results.Close()), ErrProtocol)
	}
	r := newRows(s, t, st, results)
	if err := r.advance(); err != nil {
		return nil, err
	}
	return r, nil
}

// skip reads past a result in front of the statement's.
func skip(results *pgconn.MultiResultReader, e *entry) error {
	if results.NextResult() {
		if _, err := e.read(results.ResultReader()); err == nil {
			return nil
		}
	}
	return cmp.Or(results.Close(), ErrProtocol)
}

// broken explains the error of a message train. Where a connection breaks while an answer is awaited, pgx forgets why
// and says that the connection is closed: an error that looks as if nothing had been sent, and would have
// database/sql run the statement once more.
func broken(ctx context.Context, err error) error {
	switch {
	case !errors.Is(err, pgconn.ErrConnClosed):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return errLost
}

// errStuck is for database/sql: nothing was done, and another connection can do it.
var errStuck = errors.New("stratum: the connection was left in a role, or with settings, by a statement before")

// notEntered looks at the error of enter. A statement can hide from the rules in a function and change the session's
// role for good, or put another statement in the place of the prepared enter; the server then refuses whoever comes
// next. Such a connection is of no use to anybody.
func (s *session) notEntered(err error) error {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) &&
		(pgErr.Code == codePrivilege && pgErr.Message == messageEntered || pgErr.Code == codeProtocolError) {
		s.abandon()
		return errStuck
	}
	return err
}

// retryable reports whether a statement outside a transaction may be sent once more: the server has refused it before
// it did anything.
func retryable(err error) bool {
	switch sqlState(err) {
	case codePlanChanged, codeNoStatement, codeHasStatement, codeProtocolError:
		return true
	}
	return false
}

// staleDescription reports an error that a new description may cure. Types of parameters are part of a description, so
// a changed column can make an operator undefined; but so can the statement itself, hence it is not sent once more.
func staleDescription(err error) bool {
	switch sqlState(err) {
	case codeUndefinedFunction, codeTypeMismatch:
		return true
	}
	return retryable(err)
}
