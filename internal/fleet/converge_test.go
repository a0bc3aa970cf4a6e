package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/fleet"
)

// model wants a column in ship_1, and counts how often it was asked.
type model struct {
	column string
	plans  *atomic.Int32
	// sabotage is called before a plan is given.
	sabotage func(t fleet.Target) error
}

func (m model) Hash(t fleet.Target) string {
	if t.Kind == fleet.KindShared {
		return ""
	}
	return "has " + m.column
}

func (m model) Plan(ctx context.Context, q fleet.Querier, t fleet.Target) ([]string, error) {
	m.plans.Add(1)
	if m.sabotage != nil {
		if err := m.sabotage(t); err != nil {
			return nil, err
		}
	}
	var there bool
	err := q.QueryRow(ctx, "SELECT EXISTS (SELECT FROM information_schema.columns WHERE table_schema = $1 AND "+
		"table_name = 'ship_1' AND column_name = $2)", t.Schema, m.column).Scan(&there)
	if err != nil || there {
		return nil, err
	}
	return []string{fmt.Sprintf("ALTER TABLE %s.ship_1 ADD COLUMN %s int", t.Schema, m.column)}, nil
}

// many is a model that is planned in batches.
type many struct{ model }

func (m many) PlanMany(ctx context.Context, q fleet.Querier, targets []fleet.Target) ([][]string, error) {
	plans := make([][]string, len(targets))
	for i, t := range targets {
		var err error
		if plans[i], err = m.Plan(ctx, q, t); err != nil {
			return nil, err
		}
	}
	return plans, nil
}

// convergences are a model that is planned one by one and one that is planned in batches.
func convergences(column string, sabotage func(fleet.Target) error) map[string]func() (fleet.Convergence, *atomic.Int32) {
	return map[string]func() (fleet.Convergence, *atomic.Int32){
		"one by one": func() (fleet.Convergence, *atomic.Int32) {
			m := model{column: column, plans: &atomic.Int32{}, sabotage: sabotage}
			return m, m.plans
		},
		"in batches": func() (fleet.Convergence, *atomic.Int32) {
			m := many{model{column: column, plans: &atomic.Int32{}, sabotage: sabotage}}
			return m, m.plans
		},
	}
}

// What has converged is not looked at again, except to verify it.
func TestConverge(t *testing.T) {
	t.Parallel()
	for name, start := range convergences("a", nil) {
		h := newHarbour(t, 30, 1)
		c, plans := start()
		source := fleet.Converge("model", c)
		dry, err := h.run(t, fleet.Options{DryRun: true}, source)
		require.NoError(t, err)
		require.Equal(t, 30, dry.Done, name)
		require.Len(t, dry.Plans, 30)
		require.Contains(t, dry.Plans[0].Steps[0].Statements[0], "ADD COLUMN a")
		require.Zero(t, h.columns(t, "ship_1", "a"))

		report, err := h.run(t, fleet.Options{}, source)
		require.NoError(t, err)
		require.Equal(t, 30, report.Done, name)
		require.Equal(t, 30, h.columns(t, "ship_1", "a"))
		require.Equal(t, 30, value[int](t, h.OwnerDSN,
			"SELECT count(*) FROM stratum.ledger WHERE source = 'model' AND hash = 'has a' AND took > '0' AND error IS NULL"))

		plans.Store(0)
		report, err = h.run(t, fleet.Options{}, source)
		require.NoError(t, err)
		require.Equal(t, 30, report.Skipped)
		require.Zero(t, plans.Load(), name)

		h.exec(t, "ALTER TABLE t_5.ship_1 DROP COLUMN a")
		drift, err := h.run(t, fleet.Options{DryRun: true, Verify: true}, source)
		require.NoError(t, err)
		require.Len(t, drift.Plans, 1)
		require.Equal(t, "home/t_5", drift.Plans[0].Target)
		report, err = h.run(t, fleet.Options{Verify: true}, source)
		require.NoError(t, err)
		require.Equal(t, 1, report.Done)
		require.Equal(t, 29, report.Skipped)
		require.Equal(t, 30, h.columns(t, "ship_1", "a"))
	}
}

// One that cannot be planned, and one whose plan fails, leave the others alone and say so in the ledger.
func TestConvergePoisoned(t *testing.T) {
	t.Parallel()
	errMine := errors.New("not this one")
	sabotage := func(t fleet.Target) error {
		if t.Schema == "t_4" {
			return errMine
		}
		return nil
	}
	for name, start := range convergences("a", sabotage) {
		h := newHarbour(t, 30, 1)
		h.exec(t, "DROP TABLE t_9.ship_1")
		c, _ := start()
		report, err := h.run(t, fleet.Options{}, fleet.Converge("model", c))
		require.ErrorIs(t, err, errMine, name)
		require.Equal(t, 28, report.Done, name)
		require.Equal(t, 2, report.Failed, name)
		require.Equal(t, "t_4: planning: not this one, t_9: relation \"t_9.ship_1\" does not exist (SQLSTATE 42P01)",
			value[string](t, h.OwnerDSN, "SELECT string_agg(table_schema || ': ' || error, ', ' ORDER BY table_schema) FROM "+
				"stratum.ledger WHERE error IS NOT NULL AND hash = ''"))
	}
}

// A plan that somebody else has overtaken is thrown away.
func TestConvergeOvertaken(t *testing.T) {
	t.Parallel()
	h := newHarbour(t, 20, 1)
	var late atomic.Bool
	overtake := func(target fleet.Target) error {
		if target.Schema == "t_20" && late.CompareAndSwap(false, true) {
			// Not a column of that name: the statements of the plan would still succeed.
			h.exec(t, "INSERT INTO stratum.ledger (table_schema, source, hash, applied_at) VALUES ('t_20', 'model', 'has a', now())")
		}
		return nil
	}
	m := many{model{column: "a", plans: &atomic.Int32{}, sabotage: overtake}}
	_, err := h.run(t, fleet.Options{PerServer: 1}, fleet.Converge("model", m))
	require.NoError(t, err)
	require.Equal(t, 19, h.columns(t, "ship_1", "a"))
}

// Shared tables are the model, and a database without the ledger is told so.
func TestConvergePassesOver(t *testing.T) {
	t.Parallel()
	h := newHarbour(t, 1, 1)
	shared := h.target("public")
	shared.Kind = fleet.KindShared
	m := model{column: "a", plans: &atomic.Int32{}}
	report, err := h.run(t, fleet.Options{Targets: list(shared)}, fleet.Converge("model", m))
	require.NoError(t, err)
	require.Equal(t, 1, report.Skipped)
	h.exec(t, "DROP TABLE stratum.ledger")
	_, err = h.run(t, fleet.Options{}, fleet.Converge("model", m))
	require.ErrorIs(t, err, fleet.ErrNoLedger)
}
