package entstratum_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	_ "github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/runtime"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

func TestMain(m *testing.M) {
	unlessBare() // before any test, since it changes globals: see conformance_test.go
	stratumtest.Main(withExamples{m})
}

// desk is a database with the desk's tables, and a client on it.
type desk struct {
	*stratumtest.Database

	st     *core.Stratum
	client *ent.Client
}

// newDesk makes a database with the desk's tables.
func newDesk(t *testing.T) desk {
	t.Helper()
	d := newStratum(t)
	require.NoError(t, ent.StratumMigrate(t.Context(), d.client))
	return d
}

// newStratum makes a database with Stratum's schema, without tables.
func newStratum(t *testing.T) desk {
	t.Helper()
	st, database := stratumtest.Open(t)
	d := desk{Database: database, st: st, client: ent.OpenStratum(st)}
	d.exec(t, d.OwnerDSN, "CREATE TABLE public.river_job (id bigint)") // external: see internal/desk/entc.go
	return d
}

// openStratum opens a handle of the test's own, and a client on it.
func (d desk) openStratum(t *testing.T, options core.Options) desk {
	t.Helper()
	st, err := core.Open(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	d.st, d.client = st, ent.OpenStratum(st)
	return d
}

// tenant makes a tenant and returns its context.
func (d desk) tenant(t *testing.T, slug string) context.Context {
	t.Helper()
	tenant, err := d.st.Tenants.Create(t.Context(), core.NewTenant{Name: slug, Slug: slug})
	require.NoError(t, err)
	return core.WithTenant(t.Context(), tenant.ID)
}

// tenantOf is the tenant of a context.
func tenantOf(t *testing.T, ctx context.Context) uuid.UUID { //nolint:revive // t comes first in tests
	t.Helper()
	id, ok := core.TenantFrom(ctx)
	require.True(t, ok)
	return id
}

// asSystem is a context that sees all tenants.
func asSystem(t *testing.T) context.Context {
	t.Helper()
	return core.AsSystem(t.Context(), "a test")
}

// exec runs SQL past Stratum.
func (d desk) exec(t *testing.T, dsn, statements string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	_, err = conn.PgConn().Exec(t.Context(), statements).ReadAll()
	require.NoError(t, err, statements)
}

// value is the one value that a query past all policies returns.
func value[T any](t *testing.T, d desk, query string, args ...any) T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.AdminDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	var v T
	require.NoError(t, conn.QueryRow(t.Context(), query, args...).Scan(&v), query)
	return v
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
