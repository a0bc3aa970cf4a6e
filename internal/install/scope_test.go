package install_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/stratumtest"
)

// tenant is a row to create. Left out, parent is none, and status is active.
type tenant struct {
	slug   string
	parent *created
	status string
}

type created struct {
	id   uuid.UUID
	path string
}

const insertTenant = `WITH l AS (SELECT stratum.base36(nextval('stratum.tenant_number')) AS label)
	INSERT INTO stratum.tenants (id, label, path, parent_id, slug, name, status)
	SELECT $1::uuid, l.label, (CASE WHEN $2 = '' THEN '' ELSE $2 || '.' END || l.label)::%s.ltree, $3::uuid, $4, 'a name', $5
	FROM l RETURNING path::text`

// asSystem connects as the system login and switches to the system role.
func asSystem(tb testing.TB, db *stratumtest.Database) *pgx.Conn {
	tb.Helper()
	conn := connect(tb, db.SystemDSN)
	_, err := conn.Exec(tb.Context(), "SET ROLE "+rolesOf(tb, db).System)
	require.NoError(tb, err)
	return conn
}

func insert(ctx context.Context, conn *pgx.Conn, ltreeSchema string, row tenant) (created, error) {
	c := created{id: uuid.Must(uuid.NewV7())}
	var parent *uuid.UUID
	path := ""
	if row.parent != nil {
		parent, path = &row.parent.id, row.parent.path
	}
	if row.status == "" {
		row.status = "active"
	}
	query := fmt.Sprintf(insertTenant, pgx.Identifier{ltreeSchema}.Sanitize())
	err := conn.QueryRow(ctx, query, c.id, path, parent, row.slug, row.status).Scan(&c.path)
	return c, err
}

// createTenant inserts a tenant as the system role, which is how core does it.
func createTenant(tb testing.TB, db *stratumtest.Database, row tenant) created {
	tb.Helper()
	schema := value[string](tb, db.AdminDSN, "SELECT n.nspname FROM pg_extension e "+
		"JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'ltree'")
	conn := asSystem(tb, db)
	c, err := insert(tb.Context(), conn, schema, row)
	require.NoError(tb, err)
	require.NoError(tb, conn.Close(tb.Context()))
	return c
}

// code is the SQLSTATE of an error, or nothing.
func code(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}

// enter makes the transaction the tenant's, under a role if one is given.
func enter(ctx context.Context, tx pgx.Tx, id uuid.UUID, role string) error {
	if _, err := tx.Exec(ctx, "SELECT stratum.admit($1)", id); err != nil {
		return err
	}
	if role == "" {
		return nil
	}
	_, err := tx.Exec(ctx, "SET LOCAL ROLE "+role)
	return err
}

func begin(tb testing.TB, conn *pgx.Conn, options pgx.TxOptions) pgx.Tx {
	tb.Helper()
	tx, err := conn.BeginTx(tb.Context(), options)
	require.NoError(tb, err)
	return tx
}

func TestTenantIDRaisesWithoutATenant(t *testing.T) {
	t.Parallel()
	db, roles := installed(t)
	acme := createTenant(t, db, tenant{slug: "acme"})
	conn := connect(t, db.DSN)
	_, err := conn.Exec(t.Context(), "SELECT stratum.tenant_id()")
	require.Equal(t, "ST001", code(err))

	tx := begin(t, conn, pgx.TxOptions{})
	require.NoError(t, enter(t.Context(), tx, acme.id, roles.Tenant))
	var id uuid.UUID
	require.NoError(t, tx.QueryRow(t.Context(), "SELECT stratum.tenant_id()").Scan(&id))
	require.Equal(t, acme.id, id)
	require.NoError(t, tx.Commit(t.Context()))

	var left string
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT current_setting('stratum.tenant')").Scan(&left))
	require.Empty(t, left, "the setting has reverted to an empty string, not to NULL")
	_, err = conn.Exec(t.Context(), "SELECT stratum.tenant_id()")
	require.Equal(t, "ST001", code(err))
}

// A policy that is no more than a comparison can use an index.
func TestTenantIDIsInlined(t *testing.T) {
	t.Parallel()
	db, roles := installed(t)
	exec(t, db.OwnerDSN, fmt.Sprintf(`CREATE TABLE public.item (tenant_id uuid, id bigint, PRIMARY KEY (tenant_id, id));
		ALTER TABLE public.item ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
		CREATE POLICY tenant ON public.item TO %[1]s USING (tenant_id = stratum.tenant_id());
		GRANT ALL ON public.item TO %[1]s`, roles.Tenant))
	acme := createTenant(t, db, tenant{slug: "acme"})
	tx := begin(t, connect(t, db.DSN), pgx.TxOptions{})
	require.NoError(t, enter(t.Context(), tx, acme.id, roles.Tenant))
	rows, _ := tx.Query(t.Context(), "EXPLAIN (COSTS off) SELECT FROM public.item WHERE tenant_id = $1",
		pgx.QueryExecModeSimpleProtocol, acme.id)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	plan := strings.Join(lines, "\n")
	require.Contains(t, plan, "One-Time Filter")
	require.Contains(t, plan, "COALESCE")
	require.NotContains(t, plan, "stratum.tenant_id")
}

// Of a forced table without a policy the owner would see nothing, and not learn why.
func TestAdmitOwner(t *testing.T) {
	t.Parallel()
	db, _ := installed(t)
	exec(t, db.OwnerDSN, fmt.Sprintf(`CREATE TABLE public.item (id bigint);
		ALTER TABLE public.item ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
		CREATE POLICY owner ON public.item TO %s_owner USING (stratum.admit_owner())`, db.Name))
	conn := connect(t, db.OwnerDSN)
	_, err := conn.Exec(t.Context(), "INSERT INTO public.item VALUES (1)")
	require.Equal(t, "ST004", code(err))
	tx := begin(t, conn, pgx.TxOptions{})
	_, err = tx.Exec(t.Context(), "SET LOCAL stratum.owner = 'migrate'; INSERT INTO public.item VALUES (1)")
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))
	for _, query := range []string{"SELECT FROM public.item", "UPDATE public.item SET id = 2", "COPY public.item TO STDOUT"} {
		_, err = conn.Exec(t.Context(), query)
		require.Equal(t, "ST004", code(err), "only while that transaction lasts: %s", query)
	}
}

func TestEnterRefuses(t *testing.T) {
	t.Parallel()
	db, _ := installed(t)
	conn := connect(t, db.DSN)
	for _, status := range []string{"suspended", "archived", "provisioning", "moving"} {
		row := createTenant(t, db, tenant{slug: status, status: status})
		_, err := conn.Exec(t.Context(), "SELECT stratum.admit($1)", row.id)
		require.Equal(t, "ST003", code(err), status)
		var pgErr *pgconn.PgError
		require.ErrorAs(t, err, &pgErr)
		require.Equal(t, status, pgErr.Detail)
	}
	_, err := conn.Exec(t.Context(), "SELECT stratum.admit($1)", uuid.New())
	require.Equal(t, "ST002", code(err))
	_, err = conn.Exec(t.Context(), "SELECT stratum.admit(NULL)")
	require.Equal(t, "ST002", code(err))
}

// Who holds the tenant's lock alone has changed its status by the time enter gets it.
// A tenant's own SQL may call the function too, for it is open to all logins. It must not lead to another tenant.
func TestEnterOnceInATransaction(t *testing.T) {
	t.Parallel()
	db, roles := installed(t)
	a, b := createTenant(t, db, tenant{slug: "a"}), createTenant(t, db, tenant{slug: "b"})
	conn := connect(t, db.DSN)
	for _, role := range []string{roles.Tenant, roles.Subtree} {
		tx := begin(t, conn, pgx.TxOptions{})
		_, err := tx.Exec(t.Context(), "SELECT stratum.admit($1), set_config('role', $2, true)", a.id, role)
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), "SELECT stratum.admit($1)", b.id)
		require.Equal(t, "42501", code(err), role)
		require.NoError(t, tx.Rollback(t.Context()))
	}
}

func TestEnterReadsTheStatusUnderTheLock(t *testing.T) {
	t.Parallel()
	db, _ := installed(t)
	acme := createTenant(t, db, tenant{slug: "acme"})
	system := begin(t, asSystem(t, db), pgx.TxOptions{})
	_, err := system.Exec(t.Context(), "SELECT pg_advisory_xact_lock(uuid_hash_extended($1, 0))", acme.id)
	require.NoError(t, err)
	entered := make(chan error, 1)
	conn := connect(t, db.DSN)
	go func() {
		_, err := conn.Exec(t.Context(), "SELECT stratum.admit($1)", acme.id)
		entered <- err
	}()
	require.Eventually(t, func() bool {
		return value[bool](t, db.AdminDSN, "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "+
			"AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))")
	}, waitFor, tick)
	_, err = system.Exec(t.Context(), "UPDATE stratum.tenants SET status = 'suspended' WHERE id = $1", acme.id)
	require.NoError(t, err)
	require.NoError(t, system.Commit(t.Context()))
	require.Equal(t, "ST003", code(<-entered))
}

// With one snapshot for the whole transaction the lock alone would let a stale status through.
func TestEnterUnderOneSnapshot(t *testing.T) {
	t.Parallel()
	db, _ := installed(t)
	acme := createTenant(t, db, tenant{slug: "acme"})
	for _, level := range []pgx.TxIsoLevel{pgx.RepeatableRead, pgx.Serializable} {
		tx := begin(t, connect(t, db.DSN), pgx.TxOptions{IsoLevel: level})
		require.NoError(t, enter(t.Context(), tx, acme.id, ""), "nothing has changed")
		require.NoError(t, tx.Rollback(t.Context()))

		exec(t, db.AdminDSN, "UPDATE stratum.tenants SET status = 'active'")
		write := begin(t, connect(t, db.DSN), pgx.TxOptions{IsoLevel: level})
		read := begin(t, connect(t, db.DSN), pgx.TxOptions{IsoLevel: level, AccessMode: pgx.ReadOnly})
		for _, tx := range []pgx.Tx{write, read} {
			_, err := tx.Exec(t.Context(), "SELECT 1 FROM stratum.schema_info")
			require.NoError(t, err, "the snapshot is taken here")
		}
		exec(t, db.AdminDSN, "UPDATE stratum.tenants SET status = 'suspended'")
		require.Equal(t, "40001", code(enter(t.Context(), write, acme.id, "")))
		require.NoError(t, enter(t.Context(), read, acme.id, ""), "what it reads is of that time too")
		require.NoError(t, write.Rollback(t.Context()))
		require.NoError(t, read.Rollback(t.Context()))
		exec(t, db.AdminDSN, "UPDATE stratum.tenants SET status = 'active'")
	}
}

// hijack is a schema whose names stand before PostgreSQL's own on the caller's search_path. Each raises when it is used.
const hijack = `CREATE SCHEMA evil;
	CREATE FUNCTION evil.raise() RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'hijacked'; END$$;
	CREATE FUNCTION evil.eq(uuid, uuid) RETURNS boolean LANGUAGE sql AS 'SELECT evil.raise()';
	CREATE FUNCTION evil.eq(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT evil.raise()';
	CREATE OPERATOR evil.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = evil.eq);
	CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.eq);
	CREATE OPERATOR evil.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.eq);
	CREATE FUNCTION evil.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS 'SELECT evil.raise()::pg_catalog.text';
	CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE sql AS 'SELECT evil.raise()::pg_catalog.text';
	CREATE FUNCTION evil.current_setting(text, boolean) RETURNS text LANGUAGE sql AS 'SELECT evil.raise()::pg_catalog.text';
	CREATE FUNCTION evil.pg_advisory_xact_lock_shared(bigint) RETURNS void LANGUAGE sql AS 'SELECT evil.raise()';
	CREATE FUNCTION evil.uuid_hash_extended(uuid, bigint) RETURNS bigint LANGUAGE sql AS 'SELECT evil.raise()::int::bigint';
	CREATE FUNCTION evil.uuid_hash_extended(uuid, int) RETURNS bigint LANGUAGE sql AS 'SELECT evil.raise()::int::bigint';
	CREATE FUNCTION evil.array_agg(uuid) RETURNS uuid[] LANGUAGE sql AS 'SELECT ARRAY[evil.raise()::text::uuid]';
	CREATE FUNCTION evil.shift(bigint, int) RETURNS bigint LANGUAGE sql AS 'SELECT evil.raise()::int::bigint';
	CREATE FUNCTION evil.cat(bytea, bytea) RETURNS bytea LANGUAGE sql AS 'SELECT evil.raise()::text::bytea';
	CREATE FUNCTION evil.eq(bytea, bytea) RETURNS boolean LANGUAGE sql AS 'SELECT evil.raise()';
	CREATE OPERATOR evil.>> (LEFTARG = bigint, RIGHTARG = int, FUNCTION = evil.shift);
	CREATE OPERATOR evil.|| (LEFTARG = bytea, RIGHTARG = bytea, FUNCTION = evil.cat);
	CREATE OPERATOR evil.= (LEFTARG = bytea, RIGHTARG = bytea, FUNCTION = evil.eq);
	CREATE FUNCTION evil.sha256(bytea) RETURNS bytea LANGUAGE sql AS 'SELECT evil.raise()::text::bytea';
	CREATE FUNCTION evil.encode(bytea, text) RETURNS text LANGUAGE sql AS 'SELECT evil.raise()::pg_catalog.text';
	CREATE FUNCTION evil.convert_to(text, name) RETURNS bytea LANGUAGE sql AS 'SELECT evil.raise()::text::bytea';
	CREATE FUNCTION evil.uuid_send(uuid) RETURNS bytea LANGUAGE sql AS 'SELECT evil.raise()::text::bytea';
	CREATE FUNCTION evil.pg_backend_pid() RETURNS int LANGUAGE sql AS 'SELECT evil.raise()::int';
	CREATE FUNCTION evil.pg_current_snapshot() RETURNS pg_snapshot LANGUAGE sql AS 'SELECT evil.raise()::text::pg_snapshot';
	CREATE DOMAIN evil.text AS pg_catalog.text CHECK (evil.raise());
	CREATE DOMAIN evil.uuid AS pg_catalog.uuid CHECK (evil.raise());
	CREATE TABLE evil.tenants (id pg_catalog.uuid, status pg_catalog.text)`

func TestFunctionsIgnoreTheCallersSearchPath(t *testing.T) {
	t.Parallel()
	db, roles := installed(t)
	acme := createTenant(t, db, tenant{slug: "acme"})
	exec(t, db.AdminDSN, fmt.Sprintf("GRANT CREATE ON DATABASE %s TO %s_app", db.Name, db.Name))
	exec(t, db.DSN, hijack)
	// To all, or the functions' owner would pass the schema over.
	exec(t, db.DSN, "GRANT USAGE ON SCHEMA evil TO PUBLIC")
	// A caller's function must be met if names were looked up on this path, or the test would show nothing.
	conn := connect(t, db.DSN)
	_, err := conn.Exec(t.Context(), "SET search_path = evil, public, pg_catalog")
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "SELECT set_config('a.b'::pg_catalog.text, 'c'::pg_catalog.text, true)")
	require.ErrorContains(t, err, "hijacked")

	simple := pgx.QueryExecModeSimpleProtocol
	for _, admission := range []string{
		fmt.Sprintf("stratum.enter('%s')", acme.id),
		fmt.Sprintf("stratum.admit('%s', '')", acme.id),
		fmt.Sprintf("stratum.admit('%s')", acme.id),
		fmt.Sprintf(`stratum.admit('%s', '%s', '\x%x')`, acme.id, roles.Subtree, prove(t, db, acme.id, roles.Subtree)),
		fmt.Sprintf(`stratum.admit('%s', '%s', '\x%x', '')`, acme.id, roles.Subtree, prove(t, db, acme.id, roles.Subtree)),
	} {
		tx := begin(t, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
		_, err = tx.Exec(t.Context(), "SELECT "+admission, simple)
		require.NoError(t, err, "%s: %+v", admission, err)
		_, err = tx.Exec(t.Context(), "SET LOCAL ROLE "+roles.Subtree, simple)
		require.NoError(t, err)
		var id, visible string
		query := "SELECT stratum.tenant_id()::pg_catalog.text, stratum.visible_tenants()::pg_catalog.text"
		require.NoError(t, tx.QueryRow(t.Context(), query, simple).Scan(&id, &visible))
		require.Equal(t, acme.id.String(), id)
		require.Equal(t, "{"+acme.id.String()+"}", visible)
		require.NoError(t, tx.Rollback(t.Context()))
		// The last ones are signed.
		signed := strings.Contains(admission, ".admit") && !strings.HasSuffix(admission, ", '')")
		exec(t, db.OwnerDSN, fmt.Sprintf("SELECT stratum.require_signature(%t)", signed))
	}
}

func TestVisibleTenants(t *testing.T) {
	t.Parallel()
	db, roles := installed(t)
	root := createTenant(t, db, tenant{slug: "root"})
	child := createTenant(t, db, tenant{slug: "child", parent: &root})
	grandchild := createTenant(t, db, tenant{slug: "grandchild", parent: &child, status: "suspended"})
	createTenant(t, db, tenant{slug: "gone", parent: &child, status: "archived"})
	createTenant(t, db, tenant{slug: "other"})

	conn := connect(t, db.DSN)
	tx := begin(t, conn, pgx.TxOptions{})
	require.NoError(t, enter(t.Context(), tx, child.id, roles.Subtree))
	var visible []uuid.UUID
	require.NoError(t, tx.QueryRow(t.Context(), "SELECT stratum.visible_tenants()").Scan(&visible))
	require.ElementsMatch(t, []uuid.UUID{child.id, grandchild.id}, visible)
	require.NoError(t, tx.Rollback(t.Context()))

	for role, id := range map[string]uuid.UUID{roles.Tenant: root.id, "NONE": root.id} {
		tx := begin(t, conn, pgx.TxOptions{})
		require.NoError(t, enter(t.Context(), tx, id, role))
		_, err := tx.Exec(t.Context(), "SELECT stratum.visible_tenants()")
		require.Equal(t, "42501", code(err), role)
		require.NoError(t, tx.Rollback(t.Context()))
	}
	tx = begin(t, conn, pgx.TxOptions{})
	_, err := tx.Exec(t.Context(), "SET LOCAL ROLE "+roles.Subtree)
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "SELECT stratum.visible_tenants()")
	require.Equal(t, "ST001", code(err))
}
