package core_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

func outcomes(e core.ConfigExplanation) []core.ConfigOutcome {
	list := make([]core.ConfigOutcome, len(e.Steps))
	for i, step := range e.Steps {
		list[i] = step.Outcome
	}
	return list
}

func TestExplain(t *testing.T) {
	t.Parallel()
	f, st := newConfigForest(t, maxSeats)
	explain := func(c *configTree) core.ConfigExplanation {
		e, err := st.Config.Explain(c.ctx, c.shop.ID, key)
		require.NoError(t, err)
		return e
	}
	const (
		unset, holds, overridden = core.ConfigUnset, core.ConfigHolds, core.ConfigOverridden
		shadowed, ignored        = core.ConfigShadowed, core.ConfigIgnored
	)
	for _, test := range []struct {
		name    string
		prepare func(c *configTree)
		want    []core.ConfigOutcome // of the default, root, msp, acme, shop
		reason  string
	}{
		{"the default", func(*configTree) {}, []core.ConfigOutcome{holds, unset, unset, unset, unset}, "declared default"},
		{"the nearest", func(c *configTree) {
			c.set(c.root, 1)
			c.set(c.acme, 2)
		}, []core.ConfigOutcome{overridden, overridden, unset, holds, unset}, "is the nearest to have set it"},
		{"its own", func(c *configTree) {
			c.set(c.root, 1)
			c.set(c.shop, 2)
		}, []core.ConfigOutcome{overridden, overridden, unset, unset, holds}, "the tenant has set it itself"},
		{"a lock", func(c *configTree) {
			c.set(c.root, 1)
			c.set(c.shop, 2)
			c.setLocked(c.acme, 4)
			c.setLocked(c.msp, 3)
		}, []core.ConfigOutcome{overridden, overridden, holds, shadowed, shadowed}, "has locked it"},
		{"an archived lock", func(c *configTree) {
			c.set(c.root, 1)
			c.setLocked(c.acme, 4)
			c.archive(c.acme)
		}, []core.ConfigOutcome{overridden, holds, unset, ignored, unset}, "is the nearest to have set it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newConfigTree(t, f, st)
			test.prepare(c)
			e := explain(c)
			require.Equal(t, test.want, outcomes(e))
			require.Contains(t, e.Reason, test.reason)
			require.Equal(t, c.get(c.shop), *e.Value, "it explains what Get returns")
		})
	}
}

func TestExplainAsATable(t *testing.T) {
	t.Parallel()
	f, st := newConfigForest(t)
	c := newConfigTree(t, f, st)
	for i, slug := range []string{"root", "msp", "acme", "shop"} {
		tenant := []core.Tenant{c.root, c.msp, c.acme, c.shop}[i]
		require.NoError(t, second(f.Rename(t.Context(), tenant.ID, slug)))
	}
	c.set(c.root, 10)
	c.set(c.shop, strings.Repeat("ä", 100))
	c.setLocked(c.msp, 25)
	e, err := st.Config.Explain(c.ctx, c.shop.ID, key)
	require.NoError(t, err)
	require.Equal(t, `max_seats for shop: 25 (msp has locked it, and no tenant above)
TENANT  OUTCOME     LOCK    VALUE
root    overridden  -       10
msp     holds       locked  25
acme    unset       -       -
shop    shadowed    -       "`+strings.Repeat("ä", 58)+`…
`, e.String())

	e, err = st.Config.Explain(c.ctx, c.shop.ID, "nothing")
	require.NoError(t, err)
	require.Nil(t, e.Value)
	require.Contains(t, e.String(), `nothing for shop: not set (no tenant has set it)`)
	_, err = st.Config.Explain(c.ctx, c.shop.ID, "No Key")
	require.ErrorIs(t, err, core.ErrConfigInvalid)
}

func TestDiff(t *testing.T) {
	t.Parallel()
	f, st := newConfigForest(t, core.Key[map[string]int]{Name: "limits", Default: map[string]int{"bb": 1, "a": 2}},
		core.Key[string]{Name: "a"}, core.Key[string]{Name: "b"}, core.Key[string]{Name: "z"})
	c := newConfigTree(t, f, st)
	set := func(at core.Tenant, key string, value any) {
		c.change(at, core.ConfigChange{Key: key, Value: value})
	}
	set(c.root, "a", "same")
	set(c.acme, "a", "same")
	set(c.acme, "b", "left")
	set(c.globex, "b", "right")
	set(c.globex, "z", "right")
	set(c.acme, "limits", map[string]int{"a": 2, "bb": 1}) // the default, in the order of the database
	found, err := st.Config.Diff(c.ctx, c.acme.ID, c.globex.ID)
	require.NoError(t, err)
	require.Len(t, found, 2)
	require.Equal(t, "b", found[0].Key)
	require.Equal(t, `"left"`, string(found[0].A.Value))
	require.Equal(t, `"right"`, string(found[0].B.Value))
	require.Equal(t, "z", found[1].Key)
	require.True(t, found[1].A.Default)

	_, err = st.Config.Diff(c.ctx, c.acme.ID, unknownID)
	require.ErrorIs(t, err, core.ErrTenantNotFound)
}

func TestDiffOfUndeclaredAndSensitive(t *testing.T) {
	t.Parallel()
	f, st := newConfigForest(t)
	c := newConfigTree(t, f, st)
	c.set(c.root, "same")
	c.change(c.acme, core.ConfigChange{Key: "only.left", Value: 1})
	c.change(c.globex, core.ConfigChange{Key: "only.right", Value: 1})
	c.change(c.acme, core.ConfigChange{Key: "secret", Value: "same"})
	c.change(c.globex, core.ConfigChange{Key: "secret", Value: "same"})
	c.sealed("secret", c.acme, c.globex)
	c.sealed(key, c.root)
	found, err := st.Config.Diff(c.ctx, c.acme.ID, c.globex.ID)
	require.NoError(t, err)
	require.Len(t, found, 3, "the one sealed entry that both inherit is no difference")
	require.Equal(t, "only.left", found[0].Key)
	require.Nil(t, found[0].B)
	require.Equal(t, "only.right", found[1].Key)
	require.Nil(t, found[1].A)
	require.Equal(t, "secret", found[2].Key)
	require.Nil(t, found[2].A.Value)
}

func TestDrift(t *testing.T) {
	t.Parallel()
	f, st := newConfigForest(t)
	c := newConfigTree(t, f, st)
	c.setLocked(c.root, "root")
	f.tamper(t, "INSERT INTO stratum.config (tenant_id, key, value) VALUES ($1, $2, '1')", c.lab.ID, key)
	c.change(c.msp, core.ConfigChange{Key: "color", Value: "grey"})
	c.change(c.acme, core.ConfigChange{Key: "color", Value: "red"})
	c.change(c.shop, core.ConfigChange{Key: "plan", Value: "pro"})
	gone := c.f.add(t, c.acme.ID)
	c.change(gone, core.ConfigChange{Key: "color", Value: "blue"})
	require.NoError(t, f.Archive(t.Context(), gone.ID))

	found, err := st.Config.Drift(c.ctx, c.msp.ID)
	require.NoError(t, err)
	type row struct {
		tenant core.Tenant
		kind   core.ConfigDriftKind
		key    string
		by     core.Tenant
		value  string
	}
	rows := []row{
		{c.acme, core.ConfigOverrides, "color", c.acme, `"red"`},
		{c.shop, core.ConfigMisses, "color", c.acme, `"red"`},
		{c.shop, core.ConfigOverrides, "plan", c.shop, `"pro"`},
		{c.lab, core.ConfigMisses, "color", c.acme, `"red"`},
		{c.lab, core.ConfigShadows, key, c.root, "1"},
	}
	want := make([]string, len(rows))
	for i, r := range rows {
		want[i] = strings.Join([]string{r.tenant.Slug, string(r.kind), r.key, r.by.Slug, r.value}, " ")
	}
	got := make([]string, len(found))
	for i, d := range found {
		got[i] = strings.Join([]string{d.Tenant.Slug, string(d.Kind), d.Value.Key, d.By.Slug, string(d.Value.Value)}, " ")
	}
	require.Equal(t, want, got)
	none, err := st.Config.Drift(c.ctx, c.globex.ID)
	require.NoError(t, err)
	require.Empty(t, none)
}
