package conformance

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// Register makes an empty database a placement of this name, whose references are files.
func Register(tb testing.TB, st *core.Stratum, name string) {
	tb.Helper()
	db := stratumtest.EmptyDatabase(tb)
	require.NoError(tb, execute(tb.Context(), db.AdminDSN,
		"ALTER ROLE "+pgx.Identifier{db.Name + "_owner"}.Sanitize()+" CREATEDB"))
	folder := tb.TempDir()
	file := func(kind, dsn string) string {
		path := filepath.Join(folder, kind)
		require.NoError(tb, os.WriteFile(path, []byte(dsn), 0o600))
		return "file:" + path
	}
	_, err := st.Placements.Register(tb.Context(), core.Placement{
		Name: name, DSN: file("data", db.DSN), SystemDSN: file("system", db.SystemDSN),
		OwnerDSN: file("owner", db.OwnerDSN),
	})
	require.NoError(tb, err)
}

// EveryIsolation makes a tenant of each isolation at a placement, whose slugs begin with prefix.
func EveryIsolation(tb testing.TB, st *core.Stratum, prefix, placement string) (tenants []core.Tenant) {
	tb.Helper()
	for _, isolation := range []core.Isolation{core.SharedIsolation, core.SchemaIsolation, core.DatabaseIsolation} {
		slug := prefix + "-" + string(isolation)
		tenant, err := st.Tenants.Create(tb.Context(), core.NewTenant{
			Name: slug, Slug: slug, Isolation: isolation, Placement: placement,
		})
		require.NoError(tb, err)
		tenants = append(tenants, tenant)
	}
	return tenants
}

func execute(ctx context.Context, dsn, statement string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }() // what it did is committed
	_, err = conn.Exec(ctx, statement)
	return err
}
