package conformance

import (
	"net/url"
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

// Way is how a program reaches the databases.
type Way struct {
	Name     string
	Pooled   bool // through a PgBouncer in transaction mode, but for what the owner does
	Hardened bool
	Simple   bool // by the simple protocol
}

// Ways are those by which the mixes are taken.
func Ways() []Way {
	return []Way{
		{Name: "direct"},
		{Name: "PgBouncer", Pooled: true},
		{Name: "simple protocol", Simple: true},
		{Name: "hardened, PgBouncer", Hardened: true, Pooled: true},
	}
}

// Open gives the test a handle for which the other database is the placement Away.
func (g Ground) Open(t *testing.T, way Way) *core.Stratum {
	t.Helper()
	through := g.through(t, way)
	options := g.Home.Options()
	options.Hardened = way.Hardened
	options.DSN, options.SystemDSN = through(options.DSN), through(options.SystemDSN)
	st, err := core.Open(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	require.NoError(t, st.Migrate(t.Context()), "the hardened mode begins with it")
	_, err = st.Placements.Register(t.Context(), core.Placement{
		Name: Away, DSN: reference(t, through(g.Away.DSN)), SystemDSN: reference(t, through(g.Away.SystemDSN)),
		OwnerDSN: reference(t, g.Away.OwnerDSN),
	})
	require.NoError(t, err)
	return st
}

// through returns what makes of a DSN one that leads the way.
func (g Ground) through(t *testing.T, way Way) func(string) string {
	t.Helper()
	to := func(dsn string) string { return dsn }
	if way.Pooled {
		bouncer, err := pgbouncer.Start(t.Context(), pgbouncer.Options{
			DSNs: []string{g.Home.DSN, g.Home.SystemDSN, g.Away.DSN, g.Away.SystemDSN},
		})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, bouncer.Close()) })
		to = bouncer.DSN
	}
	if !way.Simple {
		return to
	}
	return func(dsn string) string {
		u, err := url.Parse(to(dsn))
		require.NoError(t, err)
		query := u.Query()
		query.Set("default_query_exec_mode", "simple_protocol")
		u.RawQuery = query.Encode()
		return u.String()
	}
}

// reference puts a DSN where a placement finds it.
func reference(t *testing.T, dsn string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dsn")
	require.NoError(t, os.WriteFile(path, []byte(dsn), 0o600))
	return "file:" + path
}

// Run takes the paths in each mix, one mix after the other: all paths if whole is set, and else each path in one of
// the mixes.
func (g Ground) Run(t *testing.T, st *core.Stratum, paths []Path, whole bool) {
	t.Helper()
	for i, mix := range Mixes() {
		taken := paths
		if !whole {
			taken = Slice(paths, i, len(Mixes()))
		}
		t.Run(mix.Name, func(t *testing.T) {
			Run(t, Suite{
				Stratum: st, AdminDSN: g.Home.AdminDSN, Paths: taken, Mix: mix,
				Placements: map[string]string{Away: g.Away.Name},
			})
		})
	}
}
