package core_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// mustLookup declares a lookup.
func mustLookup[T any](t *testing.T, st *core.Stratum, name, query string) *core.Lookup[T] {
	t.Helper()
	l, err := core.NewLookup[T](st, name, query)
	require.NoError(t, err)
	return l
}

func TestLookup(t *testing.T) {
	t.Parallel()
	type invoice struct {
		Tenant uuid.UUID `db:"tenant_id"`
		ID     int
	}
	st, _, acme, _ := business(t)
	ctx := t.Context()
	_, err := st.DB().ExecContext(core.WithTenant(ctx, acme), "INSERT INTO invoices (id) VALUES (42)")
	require.NoError(t, err)
	whole := mustLookup[invoice](t, st, "invoice", "SELECT tenant_id, id FROM invoices WHERE id = $1")
	id := mustLookup[uuid.UUID](t, st, "tenant of an invoice", "WITH i AS (SELECT * FROM invoices) "+
		"SELECT tenant_id FROM i WHERE id = @id -- one")

	found, err := whole.One(ctx, 42)
	require.NoError(t, err)
	require.Equal(t, invoice{Tenant: acme, ID: 42}, found)
	tenant, err := id.One(ctx, pgx.NamedArgs{"id": 42})
	require.NoError(t, err)
	require.Equal(t, acme, tenant)
	all, err := whole.All(ctx, 1)
	require.NoError(t, err)
	require.Len(t, all, 3, "of every tenant")
	all, err = whole.All(ctx, 7)
	require.NoError(t, err)
	require.NotNil(t, all)
	require.Empty(t, all)

	_, err = whole.One(ctx, 7)
	require.ErrorIs(t, err, core.ErrLookupNotFound)
	require.ErrorIs(t, err, sql.ErrNoRows)
	found, err = whole.One(ctx, 1)
	require.ErrorIs(t, err, core.ErrLookupAmbiguous)
	require.Zero(t, found, "none of them is picked")
	_, err = whole.One(ctx)
	require.ErrorContains(t, err, `lookup "invoice"`)
	wrong := mustLookup[struct{ Other int }](t, st, "columns that do not fit", "SELECT id FROM invoices")
	_, err = wrong.All(ctx)
	require.Error(t, err)
	at := mustLookup[time.Time](t, st, "a struct that is a value", "SELECT to_timestamp(0)")
	epoch, err := at.One(ctx)
	require.NoError(t, err)
	require.Zero(t, epoch.Unix())
	null := mustLookup[sql.NullInt64](t, st, "a struct that scans", "SELECT NULL::int8")
	n, err := null.One(ctx)
	require.NoError(t, err)
	require.False(t, n.Valid)
}

// TestLookupScope of a tenant is refused before anything is sent.
func TestLookupScope(t *testing.T) {
	t.Parallel()
	st, _, acme, _ := business(t)
	l := mustLookup[int](t, st, "invoices", "SELECT count(*)::int FROM invoices")
	for ctx, want := range map[context.Context]error{
		t.Context():                                 nil,
		core.AsSystem(t.Context(), "support"):       nil,
		core.WithTenant(t.Context(), acme):          core.ErrLookupScope,
		core.WithSubtree(t.Context(), acme):         core.ErrLookupScope,
		core.WithTenant(t.Context(), uuid.Nil):      core.ErrNoTenant,
		core.AsSystem(t.Context(), ""):              core.ErrNoReason,
		core.Detach(core.AsSystem(t.Context(), "")): nil,
	} {
		n, err := l.One(ctx)
		require.ErrorIs(t, err, want)
		if want == nil {
			require.Equal(t, 3, n)
		}
	}
}

// TestLookupCannotWrite whatever the query hides a write in.
func TestLookupCannotWrite(t *testing.T) {
	t.Parallel()
	st, d := stratumtest.Open(t)
	runAs(t, d.OwnerDSN, invoices)
	created, err := st.Tenants.Create(t.Context(), core.NewTenant{Name: "Acme", Slug: "acme"})
	require.NoError(t, err)
	_, err = st.DB().ExecContext(core.WithTenant(t.Context(), created.ID), "INSERT INTO invoices (id) VALUES (1)")
	require.NoError(t, err)
	runAs(t, d.OwnerDSN, `
		CREATE FUNCTION wipe() RETURNS bigint LANGUAGE sql AS 'WITH d AS (DELETE FROM invoices RETURNING 1) SELECT count(*) FROM d';
		CREATE FUNCTION wipe_as_owner() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT wipe()';
		CREATE FUNCTION wipe_by_hand() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN
			EXECUTE 'SET TRANSACTION READ WRITE'; DELETE FROM invoices; RETURN 1; END $$;
		CREATE FUNCTION reset_first() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN
			PERFORM pg_catalog.set_config('transaction_read_only', 'off', true); DELETE FROM invoices; RETURN 1; END $$;
		CREATE SEQUENCE numbers; GRANT USAGE ON SEQUENCE numbers TO PUBLIC;`)
	ctx := core.AsSystem(t.Context(), "a test counts")
	before := invoicesOf(t, st.DB(), ctx)
	require.NotZero(t, before)
	for name, query := range map[string]string{
		"a CTE that deletes":     "WITH d AS (DELETE FROM invoices RETURNING 1) SELECT count(*) FROM d",
		"WITH before DELETE":     "WITH d AS (SELECT 1) DELETE FROM invoices RETURNING 1::bigint",
		"a function":             "SELECT wipe()",
		"a definer's function":   "SELECT wipe_as_owner()",
		"SET in a function":      "SELECT wipe_by_hand()",
		"set_config":             "SELECT reset_first()",
		"set_config in the text": "SELECT wipe() FROM set_config('transaction_read_only', 'off', true) s WHERE s = 'off'",
		"a row lock":             "SELECT id::bigint FROM invoices FOR UPDATE",
		"a new table":            "SELECT 1::bigint AS one INTO stolen",
		"a sequence":             "SELECT nextval('numbers')",
	} {
		_, err := mustLookup[int64](t, st, name, query).All(t.Context())
		var refused *pgconn.PgError
		require.ErrorAs(t, err, &refused, name)
		require.Contains(t, []string{"25006", "25001"}, refused.Code, name)
	}
	require.Equal(t, before, invoicesOf(t, st.DB(), ctx))
	_, err = st.DB().ExecContext(ctx, "DELETE FROM invoices")
	require.NoError(t, err, "the system itself may still write on the same connection")
}

// TestLookupReason is what a trigger or a log would find.
func TestLookupReason(t *testing.T) {
	t.Parallel()
	st, _, _, _ := business(t)
	l := mustLookup[string](t, st, "login by email", "SELECT current_setting('stratum.context')")
	ctx := core.WithActor(t.Context(), core.Actor{ID: "web", Kind: "service"})
	for _, ctx := range []context.Context{ctx, core.AsSystem(ctx, "another reason")} {
		seen, err := l.One(ctx)
		require.NoError(t, err)
		require.JSONEq(t, `{"actor": {"id": "web", "kind": "service"}, "reason": "lookup: login by email"}`, seen)
	}
}

func TestLookupsAreDeclaredOnce(t *testing.T) {
	t.Parallel()
	st, _, _, _ := business(t)
	require.Empty(t, st.Lookups())
	const query = "SELECT id FROM invoices"
	second := mustLookup[int](t, st, "b", query)
	mustLookup[int](t, st, "a", "SELECT 1")
	require.Equal(t, core.LookupInfo{Name: "b", Query: query}, second.Info())
	_, err := core.NewLookup[string](st, "b", "SELECT 2")
	require.ErrorIs(t, err, core.ErrLookup)
	for name, bad := range map[string]struct{ name, query string }{
		"no name":               {"", query},
		"a name of spaces":      {"  ", query},
		"a name with a space":   {"a ", query},
		"a name too long":       {strings.Repeat("ä", core.MaxLookupName+1), query},
		"a name of two lines":   {"a\nb", query},
		"a name that is broken": {"a\xff", query},
		"no query":              {"x", ""},
		"a comment":             {"x", "-- SELECT 1"},
		"a write":               {"x", "DELETE FROM invoices RETURNING id"},
		"two statements":        {"x", "SELECT 1; SELECT 2"},
		"a session's setting":   {"x", "SELECT set_config('a.b', 'c', false)"},
		"a session's lock":      {"x", "SELECT pg_advisory_lock(1)"},
		"a guarded setting":     {"x", "SELECT set_config('role', 'postgres', true)"},
		"a string without end":  {"x", "SELECT 'x"},
		"COPY":                  {"x", "COPY invoices TO STDOUT"},
		"a table":               {"x", "TABLE invoices"},
		"EXPLAIN":               {"x", "EXPLAIN ANALYZE DELETE FROM invoices"},
	} {
		_, err := core.NewLookup[int](st, bad.name, bad.query)
		require.ErrorIs(t, err, core.ErrLookup, name)
		require.Contains(t, err.Error(), "(", "the cure: "+name)
	}
	require.Equal(t, []core.LookupInfo{{Name: "a", Query: "SELECT 1"}, {Name: "b", Query: query}}, st.Lookups())
	longest := strings.Repeat("ä", core.MaxLookupName)
	mustLookup[int](t, st, longest, query)
}
