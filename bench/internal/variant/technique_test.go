package variant_test

import (
	"math/rand/v2"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/bench/internal/link"
	"github.com/stratum-hq/stratum-go/bench/internal/variant"
	"github.com/stratum-hq/stratum-go/bench/internal/world"
)

// TestNothingIsLeft: after its operations a technique has left nothing on the connection, which the next client of
// the same pooler is given. It alone uses the pooler, hence no technique meets another's tenant.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	for _, kind := range []variant.Kind{variant.SetLocal, variant.SetSession, variant.SearchPath} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			way, err := link.Open(t.Context(), link.PgBouncer, small.Database, 1)
			require.NoError(t, err)
			defer func() { require.NoError(t, way.Close()) }()
			v, err := variant.Open(t.Context(), kind, variant.Target{
				World: small, DSN: way.DSN, SystemDSN: way.SystemDSN, Conns: 1,
			})
			require.NoError(t, err)
			defer func() { require.NoError(t, v.Close()) }()
			random := rand.New(rand.NewPCG(1, 2))
			for _, op := range variant.Ops() {
				require.NoError(t, v.Do(t.Context(), op, small.Pick(random)))
				requireClean(t, way.DSN)
			}
			unknown := small.Pick(random)
			unknown.Row = unknown.Tenant
			require.Error(t, v.Do(t.Context(), variant.PointRead, unknown))
			requireClean(t, way.DSN)
		})
	}
}

func requireClean(t *testing.T, dsn string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	var tenant, path string
	require.NoError(t, conn.QueryRow(t.Context(),
		"SELECT coalesce(current_setting('app.tenant', true), ''), current_setting('search_path')").Scan(&tenant, &path))
	require.Empty(t, tenant)
	require.Equal(t, `"$user", public`, path)
}

// TestDoRefuses: a variant that reads what it should not, or nothing, is not measured.
func TestDoRefuses(t *testing.T) {
	t.Parallel()
	require.NoError(t, variant.Reading(variant.Seen{Rows: 1}).Do(t.Context(), variant.PointRead, world.Pick{}))
	for _, seen := range []variant.Seen{{}, {Rows: 1, Foreign: 1}, {Rows: 20, Foreign: 1}} {
		err := variant.Reading(seen).Do(t.Context(), variant.PointRead, world.Pick{})
		require.ErrorContains(t, err, "another tenant's")
	}
}
