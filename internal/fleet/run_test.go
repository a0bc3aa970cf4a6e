package fleet_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/fleet"
)

func addColumn() map[string]string {
	return map[string]string{"00001_a.sql": up("ALTER TABLE ship_1 ADD COLUMN a int;")}
}

// All are done once, and a second run finds nothing to do.
func TestRun(t *testing.T) {
	t.Parallel()
	h := newHarbour(t, 20, 1)
	opts := fleet.Options{Targets: h.targets(), Sources: []fleet.Source{source(t, addColumn())}}
	report, err := fleet.Run(t.Context(), opts)
	require.NoError(t, err)
	require.Equal(t, 20, report.Done)
	require.Equal(t, 20, h.columns(t, "ship_1", "a"))
	report, err = fleet.Run(t.Context(), opts)
	require.NoError(t, err)
	require.Equal(t, 20, report.Skipped)
	require.Zero(t, report.Done)
}

// One that cannot be migrated does not keep the others from it, and its error says why.
func TestRunPoisoned(t *testing.T) {
	t.Parallel()
	h := newHarbour(t, 20, 1)
	h.exec(t, "DROP TABLE t_7.ship_1; ALTER TABLE t_9.ship_1 ADD COLUMN a text")
	opts := fleet.Options{Targets: h.targets(), Sources: []fleet.Source{source(t, addColumn())}}
	report, err := fleet.Run(t.Context(), opts)
	var failed *fleet.Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, 2, failed.Failed)
	require.Equal(t, 18, report.Done)
	require.Equal(t, map[string]int{"42P01": 1, "42701": 1}, report.Causes)
	require.ErrorContains(t, err, `target "home/t_7", goose, 00001_a.sql: relation "ship_1" does not exist (SQLSTATE 42P01)`)
	h.exec(t, "CREATE TABLE t_7.ship_1 (); ALTER TABLE t_9.ship_1 DROP COLUMN a")
	report, err = fleet.Run(t.Context(), opts)
	require.NoError(t, err)
	require.Equal(t, 2, report.Done)
	require.Equal(t, 18, report.Skipped)
}
