package shape_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/shape"
)

// value is the first column of the first row of the last statement with one.
func value(tb testing.TB, dsn, statements string) string {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), dsn)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, conn.Close(tb.Context())) }()
	results, err := conn.PgConn().Exec(tb.Context(), statements).ReadAll()
	require.NoError(tb, err, statements)
	last := results[len(results)-1]
	require.NotEmpty(tb, last.Rows, statements)
	return string(last.Rows[0][0])
}

func TestConvergeKeepsRowsAndGoesOnWithKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, `CREATE TABLE a (tenant_id uuid NOT NULL, id serial PRIMARY KEY, code varchar(10),
		double text GENERATED ALWAYS AS (code || code) STORED);
		CREATE TABLE b (id serial PRIMARY KEY, tenant_id uuid NOT NULL, a_id int REFERENCES a)`)
	w.created(t, w.model(t, ownedSpecs("a", "b")), "t_1a")
	admin := func(statement string) string { return value(t, w.AdminDSN, statement) }
	admin(`INSERT INTO t_1a.a (tenant_id, code) SELECT '` + uuid.NewString() + `', 'x' FROM generate_series(1, 3) RETURNING 1`)
	admin(`INSERT INTO t_1a.b (tenant_id, a_id) SELECT tenant_id, id FROM t_1a.a RETURNING 1`)

	w.exec(t, `ALTER TABLE a ALTER id TYPE bigint; ALTER SEQUENCE a_id_seq AS bigint; ALTER TABLE b ALTER a_id TYPE bigint;
		ALTER TABLE a DROP COLUMN double, ALTER code TYPE text,
			ADD double text GENERATED ALWAYS AS (code || code) STORED, ADD more int NOT NULL DEFAULT 7;
		ALTER TABLE b ALTER id DROP DEFAULT; DROP SEQUENCE b_id_seq; ALTER TABLE b ALTER id ADD GENERATED ALWAYS AS IDENTITY`)
	want := w.inSchema(t, w.model(t, ownedSpecs("a", "b")), "t_1a")
	changes := shape.Diff(w.read(t, "t_1a"), want)
	for _, c := range changes {
		require.False(t, c.Destructive, c.String())
	}
	w.execute(t, w.OwnerDSN, shape.Statements(changes))
	equal(t, w.read(t, "t_1a"), want)
	require.Equal(t, "3 xx 7 1000002", admin(`SELECT concat_ws(' ', count(*), max(double), max(more), max(id)) FROM t_1a.a`))
	require.Equal(t, "1099511627776", admin(`SELECT nextval('t_1a.a_id_seq')`), "the range of bigint keys has not begun")
	require.Equal(t, "1000003", admin(`SELECT nextval('t_1a.b_id_seq')`), "an identity goes on behind the rows")
}

func TestConvergeRefusesANewColumnThatRowsCannotHave(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, `CREATE TABLE a (tenant_id uuid)`)
	w.created(t, w.model(t, ownedSpecs("a")), "t_1a")
	run(t, w.AdminDSN, `INSERT INTO t_1a.a DEFAULT VALUES`)
	w.exec(t, `ALTER TABLE a ADD must int NOT NULL`)
	changes := shape.Diff(w.read(t, "t_1a"), w.inSchema(t, w.model(t, ownedSpecs("a")), "t_1a"))
	require.Equal(t, []string{`column "a.must" is missing`}, texts(changes))
	_, err := w.owner.ExecContext(t.Context(), shape.Statements(changes)[0])
	require.ErrorContains(t, err, "23502")
}

// TestSchemaShowsItsTenantOnly holds that the policies that are made do what they are for.
func TestSchemaShowsItsTenantOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, `CREATE OR REPLACE FUNCTION stratum.tenant_in(own_schema text) RETURNS uuid LANGUAGE sql STABLE
		RETURN CASE own_schema WHEN 't_1a' THEN '00000000-0000-0000-0000-00000000000a'::uuid
			ELSE '00000000-0000-0000-0000-00000000000b' END;
		CREATE TABLE a (tenant_id uuid NOT NULL, id bigserial PRIMARY KEY);
		CREATE TABLE mixed (tenant_id uuid, id bigserial PRIMARY KEY)`)
	specs := ownedSpecs("a", "mixed")
	specs[1].Class = shape.Mixed
	w.created(t, w.model(t, specs), "t_1a")
	w.exec(t, "GRANT USAGE ON SCHEMA t_1a TO "+w.roles.Schema+", "+w.roles.System)
	run(t, w.AdminDSN, `INSERT INTO t_1a.a (tenant_id) VALUES ('00000000-0000-0000-0000-00000000000a'),
		('00000000-0000-0000-0000-00000000000b');
		INSERT INTO t_1a.mixed (tenant_id) VALUES ('00000000-0000-0000-0000-00000000000a'),
		('00000000-0000-0000-0000-00000000000b'), (NULL)`)
	as := func(role, statement string) string {
		return value(t, w.AdminDSN, "SET LOCAL ROLE "+role+"; "+statement)
	}
	require.Equal(t, "1", as(w.roles.Schema, "SELECT count(*) FROM t_1a.a"))
	require.Equal(t, "2", as(w.roles.Schema, "SELECT count(*) FROM t_1a.mixed"))
	require.Equal(t, "2", as(w.roles.System, "SELECT count(*) FROM t_1a.a"))
	require.Equal(t, "1099511627778", as(w.roles.Schema,
		"INSERT INTO t_1a.a (tenant_id) VALUES ('00000000-0000-0000-0000-00000000000a') RETURNING id"))
	for _, row := range []string{"a (tenant_id) VALUES ('00000000-0000-0000-0000-00000000000b')", "mixed (tenant_id) VALUES (NULL)"} {
		conn, err := pgx.Connect(t.Context(), w.AdminDSN)
		require.NoError(t, err)
		_, err = conn.PgConn().Exec(t.Context(), "SET LOCAL ROLE "+w.roles.Schema+"; INSERT INTO t_1a."+row).ReadAll()
		require.ErrorContains(t, err, "42501")
		require.NoError(t, conn.Close(t.Context()))
	}
	_, err := w.owner.ExecContext(t.Context(), "SELECT FROM t_1a.a")
	require.ErrorContains(t, err, "ST004", "the owner is told, and sees nothing")
}
