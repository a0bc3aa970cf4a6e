package core_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// BenchmarkConfigCold compares resolving 100 keys that are set on each of 8 levels with fetching the 100 rows of one of
// the tenants.
func BenchmarkConfigCold(b *testing.B) {
	f, st := newConfigForest(b)
	line := f.chain(b, uuid.Nil, 8)
	system := asSystem(b.Context())
	changes := make([]core.ConfigChange, 100)
	for i := range changes {
		changes[i] = core.ConfigChange{Key: fmt.Sprintf("key_%03d", i), Value: fmt.Sprintf("value %d of some length", i)}
	}
	for _, tenant := range line {
		require.NoError(b, second(st.Config.SetBatch(system, tenant.ID, changes, core.ConfigBatch{})))
	}
	require.NoError(b, second(f.admin.Exec(b.Context(), "ANALYZE stratum.config, stratum.tenants")))
	leaf := line[len(line)-1].ID
	b.Run("resolve", func(b *testing.B) {
		for b.Loop() {
			_, err := core.Key[string]{Name: "key_000"}.GetFor(system, st, leaf)
			require.NoError(b, err)
		}
	})
	b.Run("one tenant's rows", func(b *testing.B) {
		for b.Loop() {
			require.Equal(b, 100, fetchRows(b, f.admin, leaf))
		}
	})
}

func fetchRows(b *testing.B, db *pgxpool.Pool, tenant uuid.UUID) (n int) {
	b.Helper()
	rows, err := db.Query(b.Context(),
		"SELECT key, value, locked, sensitive, version, updated_at FROM stratum.config WHERE tenant_id = $1", tenant)
	require.NoError(b, err)
	defer rows.Close()
	for rows.Next() {
		_, err := rows.Values()
		require.NoError(b, err)
		n++
	}
	return n
}

// BenchmarkConfigSensitive is a read of a value that is kept, sealed and not.
func BenchmarkConfigSensitive(b *testing.B) {
	db := stratumtest.NewDatabase(b)
	options := db.Options()
	options.KEK = newLocalKEK(b)
	st, err := core.Open(b.Context(), options)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, st.Close()) })
	tenant, err := st.Tenants.Create(b.Context(), core.NewTenant{Name: "Acme", Slug: "acme"})
	require.NoError(b, err)
	for name, sensitive := range map[string]core.Switch{"plain": core.Off, "sealed": core.On} {
		change := core.ConfigChange{Key: name, Value: "a value of some length", Sensitive: sensitive}
		require.NoError(b, second(st.Config.Set(asSystem(b.Context()), tenant.ID, change)))
	}
	ctx := core.WithTenant(b.Context(), tenant.ID)
	for _, name := range []string{"plain", "sealed"} {
		key := core.Key[string]{Name: name}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := key.Get(ctx, st); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
