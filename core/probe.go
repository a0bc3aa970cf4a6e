package core

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stratum-hq/stratum-go/internal/citus"
	"github.com/stratum-hq/stratum-go/internal/guard"
	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// login is what Open finds out about one DSN by connecting once.
type login struct {
	config     *pgxpool.Config
	posture    install.Posture
	searchPath string
	pooled     bool // a pooler stands before the server
	citus      bool // the database has the extension
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
	return s.inspect(ctx, conn, config, purpose)
}

// inspect looks at the login of a fresh connection, which was made with config.
func (s *Stratum) inspect(
	ctx context.Context, conn *pgx.Conn, config *pgxpool.Config, purpose install.Purpose,
) (l login, err error) {
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
	err := conn.QueryRow(ctx, "SELECT pg_catalog.pg_backend_pid(), "+citus.InstalledSQL,
		pgx.QueryExecModeSimpleProtocol).Scan(&pid, &l.citus)
	if err != nil {
		return fmt.Errorf("stratum: looking for a pooler: %w", err)
	}
	config := l.config.ConnConfig
	l.pooled = pid != conn.PgConn().PID()
	if l.pooled && config.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	return nil
}

// ownSearchPath is the login's search_path with "$user" resolved, because statements run as another role. Temporary
// tables are left out before it is resolved: PostgreSQL would want to make some, and the login may not.
func ownSearchPath(ctx context.Context, conn *pgx.Conn) (path string, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		one := func(sql string, args ...any) error {
			return tx.QueryRow(ctx, sql, append([]any{pgx.QueryExecModeSimpleProtocol}, args...)...).Scan(&path)
		}
		if err := one("SELECT pg_catalog.current_setting('search_path')"); err != nil {
			return err
		}
		if err := one("SELECT pg_catalog.set_config('search_path', $1, true)", withoutTemp(path)); err != nil {
			return err
		}
		return one(`SELECT coalesce(pg_catalog.string_agg(pg_catalog.quote_ident(s.name), ', ' ORDER BY s.n), '')
			FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) WITH ORDINALITY AS s(name, n)`)
	})
	if err != nil {
		return "", fmt.Errorf("stratum: reading search_path: %w", err)
	}
	return path, nil
}

// withTempLast puts pg_temp at the end: where it is not named, PostgreSQL searches it first, and a temporary table
// would stand in for a real one.
func withTempLast(path string) string {
	path = withoutTemp(path)
	if path == "" {
		return tempSchema
	}
	return path + ", " + tempSchema
}

const tempSchema = "pg_temp"

// withoutTemp takes pg_temp out of a search_path.
func withoutTemp(path string) string {
	var schemas []string
	for _, entry := range sqltext.SplitPath(path) {
		if entry != "" && entry != `"`+tempSchema+`"` && !strings.EqualFold(entry, tempSchema) {
			schemas = append(schemas, entry)
		}
	}
	return strings.Join(schemas, ", ")
}
