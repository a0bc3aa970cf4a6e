package pgserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// environmentTimeout bounds how long a server named by the environment may take to answer.
const environmentTimeout = 15 * time.Second

// useEnvironment checks that the server can do what the tests ask of it, so that a wrong one is told of once and with
// a cure, not by each test with an SQL error.
func useEnvironment(ctx context.Context, dsn string) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, environmentTimeout)
	defer cancel()
	config, err := pgx.ParseConfig(dsn)
	if err != nil || !endpoint(dsn).replaceable() {
		// The parser's error quotes the DSN.
		return nil, errors.New("is no connection string (write postgres://user:password@host:5432/postgres)")
	}
	facts, err := probe(ctx, config)
	if err != nil {
		return nil, err
	}
	if err := facts.check(); err != nil {
		return nil, err
	}
	return &Server{
		source:    Source{Kind: KindEnvironment, Version: facts.version},
		endpoint:  endpoint(dsn),
		superuser: facts.superuser,
	}, nil
}

// facts is what a server says of itself and of the login.
type facts struct {
	version     string
	number      int
	ltree       bool
	login       string
	createsDBs  bool
	createsRole bool
	superuser   bool
}

// probeSQL asks the catalog for extensions and not the disk: only the server knows where it would look for them.
const probeSQL = `
SELECT current_setting('server_version'), current_setting('server_version_num')::int,
       EXISTS (SELECT FROM pg_available_extensions WHERE name = 'ltree'),
       rolname, rolsuper OR rolcreatedb, rolsuper OR rolcreaterole, rolsuper
FROM pg_roles WHERE rolname = current_user`

// probe connects and asks. Its errors carry nothing of the DSN but the host's address.
func probe(ctx context.Context, config *pgx.ConnConfig) (facts, error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return facts{}, fmt.Errorf("connect: %w", withoutDSN(err))
	}
	defer func() { _ = conn.Close(ctx) }()
	var found facts
	err = conn.QueryRow(ctx, probeSQL).Scan(&found.version, &found.number, &found.ltree,
		&found.login, &found.createsDBs, &found.createsRole, &found.superuser)
	if err != nil {
		return facts{}, fmt.Errorf("ask for the version: %w", withoutDSN(err))
	}
	return found, nil
}

// check names the first thing that is missing, and its cure.
func (f facts) check() error {
	switch {
	case f.number/10000 < minMajor:
		return fmt.Errorf("is PostgreSQL %s (Stratum needs %d or newer)", f.version, minMajor)
	case !f.ltree:
		return errors.New("has no ltree extension (" + contribCure + ")")
	case !f.createsDBs || !f.createsRole:
		return fmt.Errorf("login %q may not create databases and roles (run: ALTER ROLE %s CREATEDB CREATEROLE)",
			f.login, pgx.Identifier{f.login}.Sanitize())
	default:
		return nil
	}
}

// withoutDSN keeps of a connection error only what the server or the network said: the driver's own text, and the
// configuration that its error carries along, repeat the DSN.
func withoutDSN(err error) error {
	var refused *pgconn.PgError
	var unreachable *net.OpError
	var unresolved *net.DNSError
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.As(err, &unreachable):
		return unreachable
	case errors.As(err, &unresolved):
		return unresolved
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded
	default:
		return errors.New("no answer that PostgreSQL would give (check host, port and sslmode)")
	}
}
