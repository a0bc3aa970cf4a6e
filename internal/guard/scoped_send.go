package guard

import (
	"context"
	"database/sql/driver"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// item is a statement with its arguments.
type item struct {
	st   *statement
	args []any
}

// item looks up a statement, which the rules must let through.
func (c *conn) item(ctx context.Context, where at, s *session, sql string, args []any) (item, error) {
	named := make([]driver.NamedValue, len(args))
	for i, arg := range args {
		named[i].Value = arg
	}
	sql, plain, err := plainArgs(ctx, sql, named)
	if err != nil {
		return item{}, err
	}
	st, err := c.lookup(s, where, sql)
	if err != nil {
		return item{}, err
	}
	if st.command.Statements == 0 {
		return item{}, commandError("an empty statement", "leave it out")
	}
	if err := s.readsAlike(false); err != nil {
		return item{}, err
	}
	return item{st: st, args: plain}, nil
}

// readOnlySQL makes a transaction read-only. It cannot be taken back in that transaction: PostgreSQL refuses once a
// first snapshot was taken, which this statement does.
const readOnlySQL = `SELECT pg_catalog.set_config('transaction_read_only', 'on', true)`

// wholeSQL refuses what has read tables of tenants while some of those have theirs elsewhere. It stands behind the
// statement, whose rows count for nothing then.
const wholeSQL = "SELECT stratum.passed_over_nobody()"

// beginReadOnlySQL begins such a transaction where settings are carried, which needs a block.
const beginReadOnlySQL = "begin read only"

// send describes what is unknown and sends the items in one message train. With an entry it is a transaction of its
// own, which is read-only, and the items are one.
func (s *session) send(ctx context.Context, e *entry, items []item) (*pgconn.MultiResultReader, error) {
	if s.simpleProtocol() {
		return s.sendSimple(ctx, e, items)
	}
	if err := s.ready(ctx, e, items); err != nil {
		return nil, err
	}
	b := &pgconn.Batch{}
	if e != nil {
		b.ExecParams(e.readOnly(), nil, nil, nil, nil)
		s.addEnter(b, e)
	}
	for _, it := range items {
		desc := it.st.desc
		if err := s.builder.Build(s.conn.TypeMap(), desc, it.args); err != nil {
			return nil, s.argumentError(desc.ParamOIDs, it.args, err)
		}
		// The batch keeps the formats until the results are read; the builder writes over them.
		formats := slices.Clone(s.builder.ResultFormats)
		if desc.Name == "" {
			b.ExecParams(desc.SQL, s.builder.ParamValues, desc.ParamOIDs, s.builder.ParamFormats, formats)
		} else {
			b.ExecStatement(desc, s.builder.ParamValues, s.builder.ParamFormats, formats)
		}
	}
	if e != nil {
		b.ExecParams(wholeSQL, nil, nil, nil, nil)
		if e.hasBlock() {
			b.ExecParams("commit", nil, nil, nil, nil)
		}
	}
	return s.pg.ExecBatch(ctx, b), nil
}

// sendSimple sends the items as one text.
func (s *session) sendSimple(ctx context.Context, e *entry, items []item) (*pgconn.MultiResultReader, error) {
	var texts []string
	if e != nil {
		texts = append(texts, e.readOnly(), e.literal())
	}
	for _, it := range items {
		text, err := s.bindSimple(it.st.key.sql, it.args)
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	if e != nil {
		texts = append(texts, wholeSQL)
		if e.replica != nil {
			texts = append(texts, "commit")
		}
	}
	return s.pg.Exec(ctx, strings.Join(texts, "\n;\n")), nil // a text may end in a comment
}

// ready describes the statements that have no description, in one round trip.
func (s *session) ready(ctx context.Context, e *entry, items []item) error {
	var unknown []*statement
	found := make(map[cacheKey]*statement)
	for i, it := range items {
		switch same := found[it.st.key]; {
		case it.st.desc != nil:
		case same != nil:
			items[i].st = same
		default:
			found[it.st.key] = it.st
			unknown = append(unknown, it.st)
		}
	}
	switch {
	case len(unknown) == 0:
		return nil
	case e != nil:
		if err := s.describe(ctx, e, unknown[0]); err != nil {
			return err
		}
		s.remember(unknown[0])
		return nil
	}
	return s.describeAll(ctx, unknown)
}

// describeAll asks the server for the types of statements in a transaction that has entered its scope.
func (s *session) describeAll(ctx context.Context, statements []*statement) error {
	p := s.pg.StartPipeline(ctx)
	dropped := s.cache.takeDropped()
	for _, old := range dropped {
		p.SendDeallocate(old)
	}
	s.askPath(p)
	names := make([]string, len(statements))
	for i, st := range statements {
		if !st.volatile() {
			names[i] = s.nextName()
		}
		p.SendPrepare(names[i], st.key.sql, nil)
	}
	if err := p.Sync(); err != nil {
		s.cache.dropped = append(s.cache.dropped, dropped...) // nothing was sent
		return errors.Join(err, p.Close())
	}
	for i, st := range statements {
		desc, path, err := lastDescription(p, nil)
		if err != nil {
			_ = p.Close() // it repeats the error
			return broken(ctx, err)
		}
		if i == 0 {
			s.strayed = path != st.key.path
		}
		desc.Name, desc.SQL = names[i], st.key.sql
		st.desc, st.formats = desc, resultFormats(desc.Fields)
		// At once: where a later one fails this one stays prepared, and must not be forgotten.
		s.remember(st)
	}
	return p.Close()
}

// remember keeps a description for the next use of its statement, unless it was made under another search_path than the
// scope's.
func (s *session) remember(st *statement) {
	switch {
	case s.strayed && st.desc.Name != "":
		s.cache.dropped = append(s.cache.dropped, st.desc.Name)
	case !s.strayed && s.mode != pgx.QueryExecModeDescribeExec && !st.volatile():
		s.cache.put(st)
	}
}

// failed forgets the description of a statement whose error may come from it.
func (s *session) failed(err error, st *statement) error {
	if st.desc != nil && staleDescription(err) {
		s.cache.drop(st)
	}
	return err
}
