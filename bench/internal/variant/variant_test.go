package variant_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/stratum-hq/stratum-go/bench/internal/variant"
	"github.com/stratum-hq/stratum-go/bench/internal/world"
)

const workers = 4

func open(t *testing.T, kind variant.Kind) *variant.Variant {
	t.Helper()
	v, err := variant.Open(t.Context(), kind, variant.Target{
		World: small, DSN: small.Database.DSN, SystemDSN: small.Database.SystemDSN, Conns: 2,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, v.Close()) })
	require.Equal(t, kind, v.Kind)
	return v
}

// each runs a test for every variant, one after the other: they count what is in tables that some of them share.
func each(t *testing.T, test func(t *testing.T, v *variant.Variant)) {
	t.Helper()
	for _, kind := range variant.Kinds() {
		t.Run(string(kind), func(t *testing.T) { test(t, open(t, kind)) })
	}
}

// tenantFor is the index of a tenant that is not the big one.
func tenantFor(n int) int { return (small.Big + 1 + n) % len(small.Tenants) }

func look(t *testing.T, v *variant.Variant, op variant.Op, pick world.Pick) variant.Seen {
	t.Helper()
	seen, err := v.Look(t.Context(), op, pick)
	require.NoError(t, err)
	return seen
}

// TestRows: every variant reads the tenant's rows and nobody else's, also where nothing is written by hand.
//
//nolint:paralleltest // see each
func TestRows(t *testing.T) {
	each(t, func(t *testing.T, v *variant.Variant) {
		t.Helper()
		random := rand.New(rand.NewPCG(1, 2))
		for range 20 {
			pick := small.Pick(random)
			require.Equal(t, variant.Seen{Rows: 1}, look(t, v, variant.PointRead, pick))
			require.Equal(t, variant.Seen{Rows: 20}, look(t, v, variant.List, pick))
			require.Equal(t, variant.Seen{Rows: 1}, look(t, v, variant.ListOne, pick))
		}
		require.Equal(t, variant.Seen{Rows: 1000}, look(t, v, variant.ListMany, small.PickOf(small.Big, random)))
	})
}

// TestNobodyElsesRow: a variant does not find another tenant's row by its key, and does not change it.
//
//nolint:paralleltest // see each
func TestNobodyElsesRow(t *testing.T) {
	each(t, func(t *testing.T, v *variant.Variant) {
		t.Helper()
		random := rand.New(rand.NewPCG(1, 2))
		pick, other := small.PickOf(tenantFor(0), random), small.PickOf(tenantFor(1), random)
		pick.Row = other.Row
		for _, op := range []variant.Op{variant.PointRead, variant.Update, variant.Transaction} {
			require.Error(t, v.Do(t.Context(), op, pick), op)
		}
		// Nothing of it is left on the connections that were used.
		for range 2 * workers {
			require.NoError(t, v.Do(t.Context(), variant.PointRead, other))
		}
	})
}

// table is where a variant's rows of a tenant are.
func table(kind variant.Kind) string {
	switch kind { //nolint:exhaustive // the rest is the baselines
	case variant.Guard, variant.Plugin, variant.Ent:
		return "tickets"
	case variant.SetLocal, variant.SetSession:
		return "setting_tickets"
	case variant.SearchPath:
		return "t5.schema_tickets" // the last tenant's, see TestWrites
	default:
		return "plain_tickets"
	}
}

// count asks the superuser, whom no policy stops.
func count(t *testing.T, where string, args ...any) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), small.Database.AdminDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM "+where, args...).Scan(&n))
	return n
}

// TestWrites: what a variant writes is in its table, and the tenant's.
//
//nolint:paralleltest // see each
func TestWrites(t *testing.T) {
	each(t, func(t *testing.T, v *variant.Variant) {
		t.Helper()
		last := len(small.Tenants) - 1
		require.NotEqual(t, last, small.Big)
		pick := small.PickOf(last, rand.New(rand.NewPCG(uint64(len(v.Kind)), 3)))
		own, all := table(v.Kind)+" WHERE tenant_id = $1", table(v.Kind)
		ownBefore, allBefore := count(t, own, pick.Tenant), count(t, all)

		require.NoError(t, v.Do(t.Context(), variant.Insert, pick))
		require.NoError(t, v.Do(t.Context(), variant.Update, pick))
		require.NoError(t, v.Do(t.Context(), variant.Transaction, pick))

		require.Equal(t, ownBefore+2, count(t, own, pick.Tenant))
		require.Equal(t, allBefore+2, count(t, all), "nobody else's")
		require.Equal(t, 1, count(t, table(v.Kind)+" WHERE id = $1 AND title = 'changed'", pick.Row))
	})
}

// TestTogether: with more workers than connections no tenant meets what another has left on one.
//
//nolint:paralleltest // see each
func TestTogether(t *testing.T) {
	each(t, func(t *testing.T, v *variant.Variant) {
		t.Helper()
		group, ctx := errgroup.WithContext(t.Context())
		for worker := range workers {
			random := rand.New(rand.NewPCG(uint64(worker), 7))
			group.Go(func() error { return mix(ctx, v, random) })
		}
		require.NoError(t, group.Wait())
	})
}

func mix(ctx context.Context, v *variant.Variant, random *rand.Rand) error {
	for range 10 {
		for _, op := range variant.Ops() {
			if err := v.Do(ctx, op, small.Pick(random)); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestUnknown(t *testing.T) {
	t.Parallel()
	_, err := variant.Open(t.Context(), "magic", variant.Target{World: small})
	require.ErrorContains(t, err, `unknown variant "magic"`)
	require.ErrorContains(t, open(t, variant.PlainSQL).Do(t.Context(), "dance", world.Pick{}), `unknown operation "dance"`)
}

func TestErrorsKeepTheDSN(t *testing.T) {
	t.Parallel()
	for _, kind := range variant.Kinds() {
		_, err := variant.Open(t.Context(), kind, variant.Target{
			World: small, DSN: "postgres://app:secret@127.0.0.1:1/app", SystemDSN: "postgres://app:secret@127.0.0.1:1/app",
		})
		require.Error(t, err)
		require.NotContains(t, err.Error(), "secret")
	}
}

// TestBaselines: each variant is compared with what it replaces.
func TestBaselines(t *testing.T) {
	t.Parallel()
	require.Equal(t, variant.PlainSQL, variant.Guard.Baseline())
	for _, kind := range []variant.Kind{variant.Plugin, variant.SetLocal, variant.SetSession, variant.SearchPath} {
		require.Equal(t, variant.PlainGORM, kind.Baseline())
	}
	require.Equal(t, variant.PlainEnt, variant.Ent.Baseline())
	for _, kind := range []variant.Kind{variant.PlainGORM, variant.PlainSQL, variant.PlainEnt} {
		require.Equal(t, kind, kind.Baseline())
	}
}

// TestPicks: a pick is a tenant's own row, and the same sequence for the same seed.
func TestPicks(t *testing.T) {
	t.Parallel()
	one, two := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(1, 2))
	for range 50 {
		pick := small.Pick(one)
		require.Equal(t, pick, small.Pick(two))
		require.Equal(t, small.Tenants[pick.Index].ID, pick.Tenant)
		require.NotEqual(t, uuid.Nil, pick.Row)
	}
}
