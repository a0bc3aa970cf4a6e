package install_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

const (
	waitFor = 30 * time.Second
	tick    = 10 * time.Millisecond
)

func TestMain(m *testing.M) {
	stratumtest.Main(m)
}

// pool opens a pool as core does, closed when the test ends.
func pool(tb testing.TB, dsn string) *sql.DB {
	tb.Helper()
	return poolOf(tb, as(tb, dsn, ""))
}

func poolOf(tb testing.TB, config *pgx.ConnConfig) *sql.DB {
	tb.Helper()
	db := stdlib.OpenDB(*config)
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	return db
}

// as is how to connect with dsn, as another login if one is given.
func as(tb testing.TB, dsn, login string) *pgx.ConnConfig {
	tb.Helper()
	config, err := pgx.ParseConfig(dsn)
	require.NoError(tb, err)
	if login != "" {
		config.User = login
	}
	return config
}

// connect opens one connection, closed when the test ends.
func connect(tb testing.TB, dsn string) *pgx.Conn {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), dsn)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = conn.Close(context.WithoutCancel(tb.Context())) })
	return conn
}

// exec runs SQL as the login of dsn.
func exec(tb testing.TB, dsn, text string) {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), dsn)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, conn.Close(tb.Context())) }()
	_, err = conn.PgConn().Exec(tb.Context(), text).ReadAll()
	require.NoError(tb, err, text)
}

// value is the first column of the first row.
func value[T any](tb testing.TB, dsn, query string, args ...any) T {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), dsn)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, conn.Close(tb.Context())) }()
	var v T
	require.NoError(tb, conn.QueryRow(tb.Context(), query, args...).Scan(&v), query)
	return v
}

// options install into db with its own logins and with roles that are its own too.
func options(tb testing.TB, db *stratumtest.Database) install.Options {
	tb.Helper()
	return install.Options{
		Owner: pool(tb, db.OwnerDSN), Prefix: prefixOf(db), DataLogin: db.Name + "_app", SystemLogin: db.Name + "_system",
	}
}

// installed is a database with the schema in it.
func installed(tb testing.TB) (*stratumtest.Database, install.Roles) {
	tb.Helper()
	db := stratumtest.EmptyDatabase(tb)
	require.NoError(tb, install.Migrate(tb.Context(), options(tb, db)))
	return db, rolesOf(tb, db)
}

// prefixOf is a prefix by which the roles are dropped together with the database.
func prefixOf(db *stratumtest.Database) string {
	return db.Name + "_r"
}

func rolesOf(tb testing.TB, db *stratumtest.Database) install.Roles {
	tb.Helper()
	roles, err := install.NewRoles(prefixOf(db))
	require.NoError(tb, err)
	return roles
}
