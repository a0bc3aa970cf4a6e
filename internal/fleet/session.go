package fleet

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

const (
	firstWait = 10 * time.Millisecond
	maxWait   = time.Second
	// maxUses is after how many targets a worker connects anew: a backend keeps what it has read of every table.
	maxUses      = 250
	closeTimeout = 5 * time.Second
)

// session is a worker's connection. Migrations in Go want it as one of database/sql; everything else goes past that.
type session struct {
	database string
	config   *pgx.ConnConfig
	db       *sql.DB
	conn     *sql.Conn
	pg       *pgx.Conn // of conn, which database/sql leaves alone while it is lent out
	uses     int
	// namesakes are what migrations would find outside of their schemas.
	namesakes map[*version][]namesake
}

func openSession(ctx context.Context, d Database) (*session, error) {
	config, err := d.Config(ctx)
	if err != nil {
		return nil, fmt.Errorf("stratum: connecting as the owner: %w", err)
	}
	s := &session{database: d.Name, config: config, db: stdlib.OpenDB(*config), namesakes: map[*version][]namesake{}}
	s.db.SetMaxOpenConns(1)
	if s.conn, err = s.db.Conn(ctx); err == nil {
		err = s.conn.Raw(func(raw any) error {
			conn, ok := raw.(*stdlib.Conn)
			if !ok {
				return errNotPgx
			}
			s.pg = conn.Conn()
			return nil
		})
	}
	if err != nil {
		return nil, errors.Join(notReached(ctx, err), s.db.Close())
	}
	return s, nil
}

// notReached keeps of a connection's error what says nothing of who connects where: pgx's own has the configuration in
// it, and that with its password.
func notReached(ctx context.Context, err error) error {
	var (
		pgErr *pgconn.PgError
		errno syscall.Errno
	)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &pgErr):
		return fmt.Errorf("%w: %w", errNotReached, pgErr)
	case errors.As(err, &errno):
		return fmt.Errorf("%w: %w", errNotReached, errno)
	case errors.Is(err, errNotPgx):
		return err
	}
	return errNotReached
}

// close ends the connection, and with it all that a migration has left there.
func (s *session) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	// The connection is gone whatever these say.
	_ = s.pg.Close(ctx)
	_ = s.conn.Close()
	_ = s.db.Close()
}

// send sends statements as one message and returns their results, those before an error too.
func (s *session) send(ctx context.Context, statements string) ([]*pgconn.Result, error) {
	return s.pg.PgConn().Exec(ctx, statements).ReadAll()
}

// idle is the transaction status of a connection outside of a transaction.
const idle = 'I'

// rollback ends a transaction if there is one.
func (s *session) rollback(ctx context.Context) error {
	if s.pg.IsClosed() || s.pg.PgConn().TxStatus() == idle {
		return nil
	}
	_, err := s.send(ctx, "ROLLBACK")
	return err
}

// usable reports whether the connection can go on. A transaction that is still open is rolled back.
func (s *session) usable(ctx context.Context) bool {
	return s.rollback(ctx) == nil && !s.pg.IsClosed()
}

// clearSQL takes back what migrations before may have left on the connection: dumps begin with such settings.
const clearSQL = "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; DISCARD TEMP; "

// cleared is how many results clearSQL and BEGIN have.
const cleared = 5

// enter sends what begins a transaction and looks at something in it, as one message. Without the lock, or with an
// error, the transaction is over.
func (s *session) enter(ctx context.Context, enter, look string) (found *pgconn.Result, locked bool, err error) {
	results, err := s.send(ctx, enter+look)
	if err == nil {
		row := results[cleared].Rows[0]
		if locked = string(row[len(row)-1]) == "t"; locked {
			return results[len(results)-1], true, nil
		}
	}
	return nil, false, errors.Join(err, s.rollback(ctx))
}

// settings are the arguments that a target's statements need, for a SELECT.
func (v *visit) settings(local bool) string {
	var b strings.Builder
	for _, s := range [][2]string{
		{"search_path", v.target.searchPath()},
		{"lock_timeout", v.lockTimeout()},
		{"idle_in_transaction_session_timeout", "0"},
		{"stratum.owner", "migrate"},
	} {
		fmt.Fprintf(&b, "pg_catalog.set_config(%s, %s, %t), ", sqltext.Literal(s[0]), sqltext.Literal(s[1]), local)
	}
	return b.String()
}

func (v *visit) lockTimeout() string {
	return strconv.FormatInt(max(1, (v.opts.LockTimeout+time.Millisecond-1).Milliseconds()), 10) + "ms"
}

// enterSQL begins a transaction of the target. Its SELECT ends with whether the transaction has the target's lock; a
// dry run needs none. Each statement sees what others have committed, so that what is looked at is newer than the lock.
func (v *visit) enterSQL() string {
	mode, lock := "READ WRITE", v.lock("pg_try_advisory_xact_lock")
	if v.opts.DryRun {
		mode, lock = "READ ONLY", "true"
	}
	return clearSQL + "BEGIN ISOLATION LEVEL READ COMMITTED " + mode + "; SELECT " + v.settings(true) + lock + "; "
}

// lock calls one of the server's functions with the target's lock.
func (v *visit) lock(function string) string {
	return fmt.Sprintf("pg_catalog.%s(%d, %d)", function, lockSpace, v.target.lockKey())
}
