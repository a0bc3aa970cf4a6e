package entstratum_test

import (
	"context"
	"database/sql"
	"regexp"
	"strings"
	"testing"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/internal/pgproxy"
)

// changes finds statements that change something.
var changes = regexp.MustCompile(`(?i)^\s*(CREATE|ALTER|DROP|COMMENT|GRANT|REVOKE|INSERT|UPDATE|DELETE|TRUNCATE|DO)\b`)

// settled holds that work changes nothing: by the log of the statements that its owner sends, and by the server's own
// record of changes of its catalog. Work is given the owner's DSN, and opens connections of its own: one that has
// prepared a statement would not send its text again.
func (d desk) settled(t *testing.T, work func(owner string) error) {
	t.Helper()
	d.exec(t, d.AdminDSN, `CREATE SCHEMA IF NOT EXISTS log; GRANT USAGE ON SCHEMA log TO PUBLIC;
		CREATE TABLE IF NOT EXISTS log.ddl (tag text NOT NULL, query text NOT NULL); TRUNCATE log.ddl;
		CREATE OR REPLACE FUNCTION log.ddl() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
			BEGIN INSERT INTO log.ddl VALUES (tg_tag, current_query()); END $$;
		DROP EVENT TRIGGER IF EXISTS log_ddl; DROP EVENT TRIGGER IF EXISTS log_drop;
		CREATE EVENT TRIGGER log_ddl ON ddl_command_end EXECUTE FUNCTION log.ddl();
		CREATE EVENT TRIGGER log_drop ON sql_drop EXECUTE FUNCTION log.ddl(); TRUNCATE log.ddl`)
	before := d.catalog(t)
	sent := statements(t, d.OwnerDSN, work)
	require.NotEmpty(t, sent)
	for _, statement := range sent {
		require.NotRegexp(t, changes, statement)
	}
	require.Empty(t, d.texts(t, "SELECT tag || ': ' || query FROM log.ddl"))
	require.Equal(t, before, d.catalog(t))
}

// statements are those that work sends to the DSN it is given.
func statements(t *testing.T, dsn string, work func(dsn string) error) []string {
	t.Helper()
	proxy, err := pgproxy.Start(t.Context(), dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, proxy.Close()) }()
	proxy.Record()
	require.NoError(t, work(proxy.DSN()))
	return proxy.Statements()
}

// migrateAgain migrates by a handle of its own.
func (d desk) migrateAgain(t *testing.T) func(owner string) error {
	t.Helper()
	return func(owner string) error {
		options := d.Options()
		options.OwnerDSN = owner
		return ent.StratumMigrate(t.Context(), d.openStratum(t, options).client)
	}
}

// openPool opens a pool of connections past Stratum.
func openPool(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	require.NoError(t, err)
	pool := stdlib.OpenDB(*config)
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	return pool
}

// plainDriver is ent's own driver, without Stratum.
func plainDriver(t *testing.T, dsn string) *entsql.Driver {
	t.Helper()
	return entsql.OpenDB(dialect.Postgres, openPool(t, dsn))
}

// texts is a column of texts as the administrator reads it.
func (d desk) texts(t *testing.T, query string, args ...any) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.AdminDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	rows, err := conn.Query(t.Context(), query, args...)
	require.NoError(t, err)
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return texts
}

// catalog is all that Migrate may change. Names that a test's database and roles have are left out.
func (d desk) catalog(t *testing.T) []string {
	t.Helper()
	found := d.texts(t, `
		SELECT format('column %s.%s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
			pg_get_expr(f.adbin, f.adrelid)) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
			LEFT JOIN pg_attrdef f ON f.adrelid = c.oid AND f.adnum = a.attnum
			WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
		UNION ALL SELECT format('constraint %s %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated)
			FROM pg_constraint WHERE connamespace = 'public'::regnamespace
		UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public'
		UNION ALL SELECT format('class %s %s %s %s %s', relname, relkind, relrowsecurity, relforcerowsecurity,
			(SELECT string_agg(item::text, ' ' ORDER BY item::text) FROM unnest(relacl) item))
			FROM pg_class WHERE relnamespace = 'public'::regnamespace
		UNION ALL SELECT 'policy ' || p::text FROM pg_policies p WHERE schemaname = 'public'
		UNION ALL SELECT format('comment %s %s %s', objoid::regclass, objsubid, description) FROM pg_description
			JOIN pg_class c ON c.oid = objoid AND classoid = 'pg_class'::regclass AND relnamespace = 'public'::regnamespace
		UNION ALL SELECT format('record %s.%s %s %s', table_schema, table_name, class, tenant_column) FROM stratum.tables
		ORDER BY 1`)
	for i, line := range found {
		found[i] = strings.ReplaceAll(line, d.Name, "NAME")
	}
	return found
}

// definitions are those of a table's constraints and indexes by their names.
func (d desk) definitions(t *testing.T, table string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, text := range d.texts(t, `
		SELECT conname || '=' || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = $1::text::regclass
		UNION ALL SELECT c.relname || '=' || pg_get_indexdef(i.indexrelid) FROM pg_index i
		JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = $1::text::regclass AND NOT i.indisprimary`, table) {
		name, definition, _ := strings.Cut(text, "=")
		found[name] = strings.ReplaceAll(definition, "public.", "")
	}
	return found
}
