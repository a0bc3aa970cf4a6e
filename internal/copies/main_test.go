package copies_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/copies"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

func TestMain(m *testing.M) {
	stratumtest.Main(m)
}

// shopDDL has what makes copying hard: kinds of columns, tables that refer to each other, a circle, unique keys.
const shopDDL = `
	CREATE TYPE mood AS ENUM ('sad', 'glad');
	CREATE TABLE regions (id int PRIMARY KEY, name text NOT NULL UNIQUE, parent int REFERENCES regions);
	CREATE TABLE countries (
		code   varchar(2) PRIMARY KEY,
		name   text NOT NULL,
		rank   int UNIQUE,
		region int NOT NULL REFERENCES regions,
		feel   mood, feels mood[], tags text[], doc jsonb, raw json, bytes bytea,
		price  numeric, ratio float8, born timestamptz, span interval, spot point,
		upper_name text GENERATED ALWAYS AS (upper(name)) STORED
	);
	CREATE TABLE units (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, label text);
	CREATE TABLE loose (word text, n int);
	CREATE TABLE templates (id int PRIMARY KEY, tenant_id uuid, body text NOT NULL);`

// shop are the tables of shopDDL.
func shop() []copies.Table {
	return []copies.Table{
		{Schema: "public", Name: "countries"},
		{Schema: "public", Name: "regions"},
		{Schema: "public", Name: "units"},
		{Schema: "public", Name: "loose"},
		{Schema: "public", Name: "templates", TenantColumn: "tenant_id"},
	}
}

// place is a database with its owner's pool.
type place struct {
	*stratumtest.Database
}

func newPlace(tb testing.TB, ddl string) place {
	tb.Helper()
	p := place{Database: stratumtest.NewDatabase(tb)}
	p.exec(tb, ddl)
	return p
}

// newShop is a source and a target with the same tables. The source is watched.
func newShop(tb testing.TB) (source, target place) {
	tb.Helper()
	source, target = newPlace(tb, shopDDL), newPlace(tb, shopDDL)
	source.install(tb, shop())
	return source, target
}

func (p place) connect(tb testing.TB) *pgx.Conn {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	conn, err := pgx.Connect(ctx, p.OwnerDSN)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = conn.Close(ctx) })
	return conn
}

// exec runs SQL as the owner.
func (p place) exec(tb testing.TB, statements string) {
	tb.Helper()
	run(tb, p.OwnerDSN, statements)
}

func run(tb testing.TB, dsn, statements string) {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), dsn)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, conn.Close(tb.Context())) }()
	_, err = conn.PgConn().Exec(tb.Context(), statements).ReadAll()
	require.NoError(tb, err, statements)
}

// value is the first column of the first row as the owner sees it.
func value[T any](tb testing.TB, p place, query string, args ...any) T {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), p.OwnerDSN)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, conn.Close(tb.Context())) }()
	var v T
	require.NoError(tb, conn.QueryRow(tb.Context(), query, args...).Scan(&v), query)
	return v
}

// settle runs Install or Remove and commits it.
func (p place) settle(
	tb testing.TB, do func(context.Context, *sql.Tx, []copies.Table) error, tables []copies.Table,
) error {
	tb.Helper()
	config, err := pgx.ParseConfig(p.OwnerDSN)
	require.NoError(tb, err)
	owner := stdlib.OpenDB(*config)
	defer func() { require.NoError(tb, owner.Close()) }()
	tx, err := owner.BeginTx(tb.Context(), nil)
	require.NoError(tb, err)
	defer func() { _ = tx.Rollback() }()
	if err := do(tb.Context(), tx, tables); err != nil {
		return err
	}
	return tx.Commit()
}

func (p place) install(tb testing.TB, tables []copies.Table) {
	tb.Helper()
	require.NoError(tb, p.settle(tb, copies.Install, tables))
}

// refresh runs Refresh over connections of its own.
func refresh(tb testing.TB, source, target place, tables []copies.Table) (copies.Report, error) {
	tb.Helper()
	return copies.Refresh(tb.Context(), source.connect(tb), copies.Target{Conn: target.connect(tb)}, tables)
}

func refreshed(tb testing.TB, source, target place, tables []copies.Table) copies.Report {
	tb.Helper()
	report, err := refresh(tb, source, target, tables)
	require.NoError(tb, err)
	return report
}

// done finds a table in a report.
func done(tb testing.TB, report copies.Report, name string) copies.TableReport {
	tb.Helper()
	for _, t := range report.Tables {
		if t.Name == name {
			return t
		}
	}
	require.Fail(tb, "not in the report", name)
	return copies.TableReport{}
}

// contentSQL is the content of the shop's tables, everyone's rows of the mixed one, as text.
const contentSQL = `SELECT coalesce(string_agg(line, E'\n' ORDER BY line COLLATE "C"), '') FROM (
	SELECT 'country ' || c::text AS line FROM countries c UNION ALL SELECT 'region ' || r::text FROM regions r
	UNION ALL SELECT 'unit ' || u::text FROM units u UNION ALL SELECT 'loose ' || l::text FROM loose l
	UNION ALL SELECT 'template ' || t::text FROM templates t WHERE tenant_id IS NULL) all_of`

func (p place) content(tb testing.TB) string {
	tb.Helper()
	return value[string](tb, p, contentSQL)
}
