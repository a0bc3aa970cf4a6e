package core_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// Drift says of each target what is not as in the model.
func TestFleetDrift(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	runAs(t, f.AdminDSN, "CREATE INDEX notes_body ON notes (tenant_id, body)")
	f.migrate(t, core.FleetOptions{})
	places := map[string][2]string{
		f.targetOf(t, "home-schema"):  {f.AdminDSN, f.homeSchema(t)},
		f.targetOf(t, "eu1-database"): {f.databaseOf(t, f.eu1, f.of(t, "eu1-database")), "public"},
	}
	for _, c := range []struct {
		spoil string
		want  core.Difference
		have  bool // what there is
		wants bool // what there should be
	}{
		{"ALTER TABLE notes DROP COLUMN body CASCADE", core.Difference{Kind: "column", Table: "notes", Object: "body"}, false, true},
		{"DROP INDEX notes_body", core.Difference{Kind: "index", Table: "notes", Object: "notes_body"}, false, true},
		{"ALTER TABLE marks ADD COLUMN more int", core.Difference{Kind: "column", Table: "marks", Object: "more", Destructive: true}, true, false},
		{"ALTER TABLE notes ALTER COLUMN body TYPE varchar(9)", core.Difference{Kind: "column", Table: "notes", Object: "body"}, true, true},
		{"DROP POLICY stratum_system ON marks", core.Difference{Kind: "policy", Table: "marks", Object: "stratum_system"}, false, true},
		{"REVOKE INSERT ON marks FROM stratum_system", core.Difference{Kind: "grant", Table: "marks", Object: `rights of "stratum_system"`}, true, true},
		{"DROP TABLE marks", core.Difference{Kind: "table", Table: "marks"}, false, true},
	} {
		for _, on := range places {
			runAs(t, on[0], "SET search_path = "+on[1]+"; "+c.spoil)
		}
		drifts := f.drifts(t)
		require.Len(t, drifts, len(places), c.spoil)
		for target, on := range places {
			i := slices.IndexFunc(drifts[target], func(d core.Difference) bool {
				return d.Kind == c.want.Kind && d.Object == c.want.Object && d.Table == c.want.Table
			})
			require.GreaterOrEqual(t, i, 0, "%s: %+v", c.spoil, drifts[target])
			found := drifts[target][i]
			require.NotEmpty(t, found.Text)
			require.Equal(t, c.have, found.Have != "", c.spoil)
			require.Equal(t, c.wants, found.Want != "", c.spoil)
			require.Equal(t, c.want.Destructive, found.Destructive, c.spoil)
			if c.want.Object == "more" {
				runAs(t, on[0], "ALTER TABLE "+on[1]+".marks DROP COLUMN more")
			}
		}
		f.migrate(t, core.FleetOptions{Verify: true, AllowDestructive: true})
		require.Empty(t, f.drifts(t), c.spoil)
	}
}
