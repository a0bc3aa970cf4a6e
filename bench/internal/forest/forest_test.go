package forest_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/stratumtest"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/bench/internal/forest"
	"github.com/stratum-hq/stratum-go/bench/internal/world"
)

func TestMain(m *testing.M) {
	stratumtest.Main(m)
}

// TestMainOfASmallTree runs the whole program on a tree of 1,111 tenants.
func TestMainOfASmallTree(t *testing.T) {
	t.Parallel()
	var out, log bytes.Buffer
	args := []string{"-levels", "4", "-moves", "2", "-time", "50ms"}
	require.NoError(t, forest.Main(t.Context(), args, &out, &log), "log: %s", &log)

	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 3)
	require.Regexp(t, `^tree/ancestors/statement\t\d+\.\d\d\t-\tok$`, lines[0])
	require.Regexp(t, `^tree/ancestors/core\t\d+\.\d\d\t<=1\.10\t(ok|short)$`, lines[1])
	require.Regexp(t, `^tree/move/core\t\d+\.\d\d\t<=3\t(ok|short)$`, lines[2])
	require.Contains(t, log.String(), "1111 tenants")
	require.Contains(t, log.String(), "subtrees of 11 tenants")
}

func TestMainRefuses(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-levels", "3"}, {"-moves", "0"}, {"-levels", "many"}} {
		require.Error(t, forest.Main(t.Context(), args, io.Discard, io.Discard), args)
	}
}

// TestLoad: what is written past the trigger and the foreign key is a tree to core, and obeys both.
func TestLoad(t *testing.T) {
	t.Parallel()
	database := stratumtest.EmptyDatabase(t)
	require.NoError(t, world.Install(t.Context(), database))
	require.NoError(t, forest.Load(t.Context(), database.AdminDSN, 4))
	st, err := core.Open(t.Context(), database.Options())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })

	roots, err := st.Tenants.Children(t.Context(), [16]byte{})
	require.NoError(t, err)
	require.Len(t, roots, 1)
	all, err := st.Tenants.Descendants(t.Context(), roots[0].ID)
	require.NoError(t, err)
	require.Len(t, all, forest.SizeOf(4)-1)
	// In the order of paths: a child, its child, and the first of that one's.
	above, err := st.Tenants.Ancestors(t.Context(), all[2].ID)
	require.NoError(t, err)
	require.Equal(t, all[1].ID, above[len(above)-1].ID)
	added, err := st.Tenants.Create(t.Context(), core.NewTenant{Name: "New", Slug: "new", Parent: all[2].ID})
	require.NoError(t, err, "the sequence of labels goes on behind the tree")
	require.Equal(t, 5, added.Depth())
	requireOrder(t, database)
}

// requireOrder asks for what the trigger, the foreign key and the dropped indexes would have seen to.
func requireOrder(t *testing.T, database *stratumtest.Database) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database.AdminDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	var broken, indexes int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM stratum.tenants t
		LEFT JOIN stratum.tenants p ON p.id = t.parent_id
		WHERE t.parent_id IS NOT NULL AND (p.path || t.label) IS DISTINCT FROM t.path`).Scan(&broken))
	require.Zero(t, broken)
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_indexes WHERE schemaname = 'stratum'
		AND indexname IN ('tenants_path_idx', 'tenants_children_idx')`).Scan(&indexes))
	require.Equal(t, 2, indexes)
}
