package conformance

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/pgbouncer"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// Ground is what the mixes need: the registry's database, with the suite's tables, and another one on its server.
type Ground struct {
	Home, Away *stratumtest.Database
}

// NewGround makes the other database.
func NewGround(t *testing.T, registry *stratumtest.Database) Ground {
	t.Helper()
	return Ground{Home: registry, Away: stratumtest.NewDatabase(t)}
}

// Open gives the test a handle for which the other database is the placement Away. Pooled ones reach every database
// through a PgBouncer in transaction mode, but for what the owner does.
func (g Ground) Open(t *testing.T, pooled bool) *core.Stratum {
	t.Helper()
	through := func(dsn string) string { return dsn }
	if pooled {
		bouncer, err := pgbouncer.Start(t.Context(), pgbouncer.Options{
			DSNs: []string{g.Home.DSN, g.Home.SystemDSN, g.Away.DSN, g.Away.SystemDSN},
		})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, bouncer.Close()) })
		through = bouncer.DSN
	}
	options := g.Home.Options()
	options.DSN, options.SystemDSN = through(options.DSN), through(options.SystemDSN)
	st, err := core.Open(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	_, err = st.Placements.Register(t.Context(), core.Placement{
		Name: Away, DSN: reference(t, through(g.Away.DSN)), SystemDSN: reference(t, through(g.Away.SystemDSN)),
		OwnerDSN: reference(t, g.Away.OwnerDSN),
	})
	require.NoError(t, err)
	return st
}

// reference puts a DSN where a placement finds it.
func reference(t *testing.T, dsn string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dsn")
	require.NoError(t, os.WriteFile(path, []byte(dsn), 0o600))
	return "file:" + path
}

// Suite is that of a mix on this ground.
func (g Ground) Suite(st *core.Stratum, mix Mix, paths []Path) Suite {
	return Suite{
		Stratum: st, AdminDSN: g.Home.AdminDSN, Paths: paths, Mix: mix, Placements: map[string]string{Away: g.Away.Name},
	}
}
