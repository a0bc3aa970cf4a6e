package core

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stratum-hq/stratum-go/internal/guard"
	"github.com/stratum-hq/stratum-go/internal/install"
)

// login is what Open finds out about one DSN by connecting once.
type login struct {
	config     *pgxpool.Config
	posture    install.Posture
	searchPath string
}

// probe connects as the DSN's login and refuses one that cannot be made safe.
func (s *Stratum) probe(ctx context.Context, name, dsn string, purpose install.Purpose) (l login, err error) {
	config, err := parseDSN(name, dsn)
	if err != nil {
		return l, err
	}
	if err := guard.CheckMode(config.ConnConfig.DefaultQueryExecMode); err != nil {
		return l, err
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return l, connectError(name, err)
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	if err := guard.CheckStrings(conn.PgConn()); err != nil {
		return l, err
	}
	l.config = config
	if l.posture, err = install.CheckLogin(ctx, conn, s.roles, purpose); err != nil {
		return l, err
	}
	if err := l.chooseMode(ctx, conn); err != nil {
		return l, err
	}
	l.searchPath, err = ownSearchPath(ctx, conn)
	return l, err
}

// connectError says which of the DSNs did not answer. What else the DSN has in it belongs into no error.
func connectError(name string, err error) error {
	return fmt.Errorf("%w: Options.%s (is the server up, and may this login connect?)", guard.RedactConnect(err), name)
}

// chooseMode sends statements unnamed where a pooler stands in between: the server then gives another process id than
// the pooler does. A mode that the DSN names is kept.
func (l *login) chooseMode(ctx context.Context, conn *pgx.Conn) error {
	var pid uint32
	if err := conn.QueryRow(ctx, "SELECT pg_catalog.pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&pid); err != nil {
		return fmt.Errorf("stratum: looking for a pooler: %w", err)
	}
	config := l.config.ConnConfig
	if pid != conn.PgConn().PID() && config.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	return nil
}

// ownSearchPath is the login's search_path with "$user" resolved, because statements run as another role.
func ownSearchPath(ctx context.Context, conn *pgx.Conn) (string, error) {
	var path string
	err := conn.QueryRow(ctx, `SELECT coalesce(string_agg(pg_catalog.quote_ident(s.name), ', ' ORDER BY s.n), '')
		FROM unnest(pg_catalog.current_schemas(false)) WITH ORDINALITY AS s(name, n)`,
		pgx.QueryExecModeSimpleProtocol).Scan(&path)
	if err != nil {
		return "", fmt.Errorf("stratum: reading search_path: %w", err)
	}
	return path, nil
}

// withTempLast puts pg_temp at the end: where it is not named, PostgreSQL searches it first, and a temporary table
// would stand in for a real one.
func withTempLast(path string) string {
	var schemas []string
	for entry := range strings.SplitSeq(path, ",") {
		entry = strings.TrimSpace(entry)
		if entry != "" && !strings.EqualFold(strings.Trim(entry, `"`), "pg_temp") {
			schemas = append(schemas, entry)
		}
	}
	return strings.Join(append(schemas, "pg_temp"), ", ")
}
