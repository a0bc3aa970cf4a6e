package fleet_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/fleet"
)

// childDSN and childSchemas tell a child of the test what to migrate.
const (
	childDSN     = "FLEET_TEST_CHILD_DSN"
	childSchemas = "FLEET_TEST_CHILD_SCHEMAS"
)

// killFiles are two migrations, of several statements each.
func killFiles() map[string]string {
	return map[string]string{
		"00001_a.sql": up("ALTER TABLE ship_1 ADD COLUMN a1 int;\nSELECT pg_sleep(0.004);\nALTER TABLE ship_2 ADD COLUMN a2 int;"),
		"00002_b.sql": up("ALTER TABLE ship_1 ADD COLUMN b1 int;\nSELECT pg_sleep(0.004);\nALTER TABLE ship_2 ADD COLUMN b2 int;"),
	}
}

// child migrates like any application would, until it is killed.
func child(dsn string) int {
	ctx := context.Background()
	s, err := fleet.Goose(ctx, files(killFiles()), ".", fleet.GooseOptions{})
	if err == nil {
		h := harbour{schemas: strings.Split(os.Getenv(childSchemas), ",")}
		var targets []fleet.Target
		for _, schema := range h.schemas {
			t := h.target(schema)
			t.Database = database("home", dsn)
			targets = append(targets, t)
		}
		_, err = fleet.Run(ctx, fleet.Options{Targets: list(targets...), Sources: []fleet.Source{s}})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// betweenSQL finds schemas that are between two steps, or not on the one that their ledger says.
const betweenSQL = `
	SELECT n.nspname, array_agg(DISTINCT a.attname::text ORDER BY a.attname::text) FILTER (WHERE a.attname ~ '^[ab][12]$')
	FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid AND c.relname IN ('ship_1', 'ship_2')
	JOIN pg_attribute a ON a.attrelid = c.oid WHERE n.nspname LIKE 't\_%' GROUP BY 1`

// steps counts the schemas at each version, after looking whether their tables agree with their ledgers.
func (h harbour) steps(t *testing.T) map[int64]int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), h.OwnerDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	rows, err := conn.Query(t.Context(), betweenSQL)
	require.NoError(t, err)
	found := map[string][]string{}
	var schema string
	var columns []string
	_, err = pgx.ForEachRow(rows, []any{&schema, &columns}, func() error {
		found[schema] = columns
		return nil
	})
	require.NoError(t, err)
	require.Len(t, found, len(h.schemas))
	counts := map[int64]int{}
	for schema, columns := range found {
		var version int64
		var exists bool
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT to_regclass($1) IS NOT NULL", schema+".goose_db_version").Scan(&exists))
		if exists {
			require.NoError(t, conn.QueryRow(t.Context(), "SELECT max(version_id) FROM "+schema+".goose_db_version").Scan(&version))
		}
		want := [][]string{nil, {"a1", "a2"}, {"a1", "a2", "b1", "b2"}}[version]
		require.Equal(t, want, columns, "%s is between two steps", schema)
		counts[version]++
	}
	return counts
}

// Killed at any moment, each target is at one step or the other, and the next run does what is left and nothing twice.
func TestKilled(t *testing.T) {
	t.Parallel()
	const schemas, kills = 50, 12
	h := newHarbour(t, schemas, 2)
	executable, err := os.Executable()
	require.NoError(t, err)
	killed := 0
	for range kills {
		cmd := exec.CommandContext(t.Context(), executable)
		cmd.Env = append(os.Environ(), childDSN+"="+h.OwnerDSN, childSchemas+"="+strings.Join(h.schemas, ","))
		require.NoError(t, cmd.Start())
		time.AfterFunc(10*time.Millisecond+rand.N(60*time.Millisecond), func() { _ = cmd.Process.Kill() })
		if cmd.Wait() != nil {
			killed++
		}
		// The server notices after the statement that it is at.
		require.Eventually(t, func() bool {
			return value[int](t, h.AdminDSN, "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND usename = $2 AND "+
				"state <> 'idle'", h.Name, h.Name+"_owner") == 0
		}, 30*time.Second, 5*time.Millisecond)
		t.Log("schemas at each version:", h.steps(t))
	}
	require.GreaterOrEqual(t, killed, 5)
	report, err := fleet.Run(t.Context(), fleet.Options{
		Targets: h.targets(), Sources: []fleet.Source{source(t, killFiles())},
	})
	require.NoError(t, err)
	require.Equal(t, schemas, report.Done+report.Skipped)
	require.Equal(t, map[int64]int{2: schemas}, h.steps(t))
}
