package stratumtest_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/stratumtest"
)

// execute runs statements and returns their error.
func execute(ctx context.Context, dsn, statements string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, statements)
	return err
}

// ask returns the one value of a query.
func ask(t *testing.T, dsn, query string, args ...any) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	var value string
	require.NoError(t, conn.QueryRow(t.Context(), query, args...).Scan(&value))
	return value
}

const (
	rolesLike     = "SELECT count(*)::text FROM pg_roles WHERE starts_with(rolname, $1)"
	databasesLike = "SELECT count(*)::text FROM pg_database WHERE starts_with(datname, $1)"
)

func TestEmptyDatabaseIsEmpty(t *testing.T) {
	t.Parallel()
	database := stratumtest.EmptyDatabase(t)
	require.Equal(t, "plpgsql", ask(t, database.DSN, "SELECT string_agg(extname, ',') FROM pg_extension"))
	require.Equal(t, "public", ask(t, database.DSN,
		"SELECT string_agg(nspname, ',') FROM pg_namespace WHERE oid >= 16384 OR nspname = 'public'"))
	require.Equal(t, "0", ask(t, database.DSN, "SELECT count(*)::text FROM pg_class WHERE oid >= 16384"))
	require.Equal(t, "C UTF8", ask(t, database.DSN,
		"SELECT datcollate || ' ' || pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"))
}

func TestLogins(t *testing.T) {
	t.Parallel()
	database := stratumtest.EmptyDatabase(t)
	for suffix, login := range map[string]struct{ dsn, attributes string }{
		"_app":    {database.DSN, "inherit=false createrole=false"},
		"_system": {database.SystemDSN, "inherit=false createrole=false"},
		"_owner":  {database.OwnerDSN, "inherit=true createrole=true"},
	} {
		require.Equal(t, database.Name+suffix, ask(t, login.dsn, "SELECT current_user::text"))
		require.Equal(t, login.attributes, ask(t, login.dsn,
			"SELECT format('inherit=%s createrole=%s', rolinherit::text, rolcreaterole::text) FROM pg_roles "+
				"WHERE rolname = current_user AND rolcanlogin AND NOT (rolsuper OR rolcreatedb OR rolbypassrls)"))
		require.Equal(t, "0", ask(t, login.dsn, "SELECT count(*)::text FROM pg_auth_members m "+
			"WHERE m.member = current_user::regrole"), suffix+" is a member of nothing")
	}
}

func TestRightsOfLogins(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	database := stratumtest.EmptyDatabase(t)
	role := pgx.Identifier{database.Name + "_reader"}.Sanitize()
	require.NoError(t, execute(ctx, database.OwnerDSN, "CREATE EXTENSION ltree"))
	require.NoError(t, execute(ctx, database.OwnerDSN, "CREATE TABLE notes (id int); CREATE SCHEMA own"))
	require.NoError(t, execute(ctx, database.OwnerDSN, "CREATE ROLE "+role+" NOLOGIN; GRANT SELECT ON notes TO "+role))
	for _, dsn := range []string{database.DSN, database.SystemDSN} {
		require.ErrorContains(t, execute(ctx, dsn, "CREATE TABLE mine (id int)"), "42501")
		require.ErrorContains(t, execute(ctx, dsn, "SELECT * FROM notes"), "42501")
		require.ErrorContains(t, execute(ctx, dsn, "SET ROLE "+role), "42501")
	}
}

// TestNothingIsLeft drops a database that is in use, its logins, and what a test named after it.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	other := stratumtest.EmptyDatabase(t)
	test := &standIn{ctx: t.Context()}
	database := stratumtest.EmptyDatabase(test)
	conn, err := pgx.Connect(t.Context(), database.OwnerDSN)
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	role := pgx.Identifier{database.Name + "_reader"}.Sanitize()
	_, err = conn.Exec(t.Context(), "CREATE TABLE notes (id int); CREATE ROLE "+role+"; GRANT ALL ON notes TO "+role)
	require.NoError(t, err)
	require.Equal(t, "4", ask(t, other.AdminDSN, rolesLike, database.Name+"_"))

	test.end()
	require.Empty(t, test.failure)
	require.Equal(t, "0", ask(t, other.AdminDSN, rolesLike, database.Name+"_"))
	require.Equal(t, "0", ask(t, other.AdminDSN, databasesLike, database.Name))
	require.Equal(t, "3", ask(t, other.AdminDSN, rolesLike, other.Name+"_"), "those of another test stay")
}
