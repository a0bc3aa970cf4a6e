package core_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// configCase is a rule of config, and how it shows.
type configCase struct {
	rule string
	show func(c *configTree)
}

// TestConfigConformance is the specification of config: one tree for each rule.
func TestConfigConformance(t *testing.T) {
	t.Parallel()
	f, st := newConfigForest(t)
	for _, cases := range [][]configCase{
		inheritanceCases(), lockCases(), lockRefusalCases(), valueCases(), mentionCases(), versionCases(), batchCases(), archivedCases(),
		moveCases(), statusCases(),
	} {
		for _, test := range cases {
			t.Run(test.rule, func(t *testing.T) {
				t.Parallel()
				test.show(newConfigTree(t, f, st))
			})
		}
	}
}

func inheritanceCases() []configCase {
	return []configCase{
		{"a key that nobody has set is not found", func(c *configTree) {
			c.wantNothing(c.root, c.shop)
		}},
		{"a tenant has what it sets itself", func(c *configTree) {
			c.set(c.acme, 1)
			c.want("1", c.acme, c.acme)
		}},
		{"a value holds for all beneath", func(c *configTree) {
			c.set(c.root, 1)
			c.want("1", c.root, c.root, c.msp, c.acme, c.shop, c.lab, c.globex)
		}},
		{"a value does not hold above or beside", func(c *configTree) {
			c.set(c.acme, 1)
			c.wantNothing(c.root, c.msp, c.globex)
		}},
		{"the nearest value wins", func(c *configTree) {
			c.set(c.root, 1)
			c.set(c.acme, 3)
			c.set(c.msp, 2)
			c.want("1", c.root, c.root)
			c.want("2", c.msp, c.msp, c.globex)
			c.want("3", c.acme, c.acme, c.shop, c.lab)
		}},
		{"a tenant's own value wins over all inherited ones", func(c *configTree) {
			c.set(c.root, 1)
			c.set(c.acme, 2)
			c.set(c.shop, 3)
			c.want("3", c.shop, c.shop)
		}},
		{"another tree is not affected", func(c *configTree) {
			stranger := c.f.add(c, uuid.Nil)
			c.set(c.root, 1)
			c.wantNothing(stranger)
		}},
		{"keys are inherited each by itself", func(c *configTree) {
			c.set(c.root, 1)
			c.change(c.acme, core.ConfigChange{Key: "color", Value: "red"})
			values, err := c.st.Config.Resolve(c.ctx, c.shop.ID)
			require.NoError(c, err)
			require.Equal(c, []string{"color", key}, keysOf(values))
		}},
		{"deleting shows the inherited value again", func(c *configTree) {
			c.set(c.root, 1)
			c.set(c.acme, 2)
			c.delete(c.acme)
			c.want("1", c.root, c.acme, c.shop)
		}},
		{"deleting the last value leaves nothing", func(c *configTree) {
			c.set(c.acme, 2)
			c.delete(c.acme)
			c.wantNothing(c.acme, c.shop)
		}},
		{"deleting what is only inherited is refused", func(c *configTree) {
			c.set(c.root, 1)
			require.ErrorIs(c, c.st.Config.Delete(c.ctx, c.acme.ID, key), core.ErrConfigNotFound)
			c.want("1", c.root, c.acme)
		}},
		{"a tenant's own entries are those it has set itself", func(c *configTree) {
			c.set(c.root, 1)
			require.Nil(c, c.own(c.acme))
			c.set(c.acme, 2)
			require.Equal(c, "2", string(c.own(c.acme).Value))
		}},
		{"a new tenant inherits at once", func(c *configTree) {
			c.set(c.acme, 1)
			c.want("1", c.acme, c.f.add(c, c.acme.ID))
		}},
	}
}

func lockCases() []configCase {
	return []configCase{
		{"a lock holds for all beneath", func(c *configTree) {
			c.setLocked(c.root, 1)
			c.want("1", c.root, c.root, c.acme, c.shop)
			require.True(c, c.get(c.shop).Locked)
		}},
		{"a lock shadows values set beneath before", func(c *configTree) {
			c.set(c.root, 1)
			c.set(c.acme, 2)
			c.lock(c.root)
			c.want("1", c.root, c.acme, c.shop)
			require.Equal(c, "2", string(c.own(c.acme).Value), "it is still there")
		}},
		{"shadowed values return on unlock", func(c *configTree) {
			c.set(c.root, 1)
			c.set(c.acme, 2)
			c.lock(c.root)
			c.unlock(c.root)
			c.want("2", c.acme, c.acme, c.shop)
		}},
		{"deleting a lock lets shadowed values return", func(c *configTree) {
			c.set(c.acme, 2)
			c.setLocked(c.root, 1)
			c.delete(c.root)
			c.want("2", c.acme, c.acme, c.shop)
		}},
		{"of two locks the shallowest wins", func(c *configTree) {
			c.setLocked(c.acme, 2)
			c.setLocked(c.root, 1)
			c.want("1", c.root, c.acme, c.shop)
		}},
		{"when the shallowest lock goes the next one holds", func(c *configTree) {
			c.setLocked(c.acme, 2)
			c.setLocked(c.root, 1)
			c.unlock(c.root)
			c.want("2", c.acme, c.acme, c.shop)
			c.want("1", c.root, c.msp)
		}},
		{"a lock in the middle wins over values nearer to the root", func(c *configTree) {
			c.set(c.root, 1)
			c.setLocked(c.msp, 2)
			c.want("2", c.msp, c.shop)
			c.want("1", c.root, c.root)
		}},
		{"a lock does not hold above or beside", func(c *configTree) {
			c.setLocked(c.acme, 1)
			c.set(c.globex, 2)
			c.set(c.msp, 3)
			c.want("2", c.globex, c.globex)
			c.want("3", c.msp, c.msp)
		}},
		{"a lock is on one key", func(c *configTree) {
			c.setLocked(c.root, 1)
			c.change(c.acme, core.ConfigChange{Key: "color", Value: "red"})
		}},
		{"locking returns how many descendants it shadows", func(c *configTree) {
			c.set(c.root, 1)
			c.set(c.acme, 2)
			c.set(c.shop, 3)
			c.set(c.globex, 4)
			c.change(c.lab, core.ConfigChange{Key: "color", Value: "red"})
			require.Equal(c, 3, c.lock(c.root))
		}},
		{"locking where nobody beneath has a value shadows nobody", func(c *configTree) {
			c.set(c.acme, 2)
			c.set(c.globex, 4)
			require.Equal(c, 0, c.lock(c.acme))
		}},
		{"locking twice is no error and counts again", func(c *configTree) {
			c.set(c.root, 1)
			c.set(c.shop, 3)
			require.Equal(c, 1, c.lock(c.root))
			version := c.own(c.root).Version
			require.Equal(c, 1, c.lock(c.root))
			require.Equal(c, version, c.own(c.root).Version, "nothing was written")
		}},
		{"who has locked a key may change its value", func(c *configTree) {
			c.setLocked(c.root, 1)
			c.set(c.root, 2)
			c.want("2", c.root, c.shop)
		}},
	}
}

func lockRefusalCases() []configCase {
	return []configCase{
		{"setting beneath a lock is refused and names key and ancestor", func(c *configTree) {
			c.setLocked(c.msp, 1)
			_, err := c.try(c.shop, core.ConfigChange{Value: 2})
			c.wantLocked(c.msp, err)
			require.ErrorContains(c, err, c.msp.Slug)
			require.Nil(c, c.own(c.shop))
		}},
		{"of two locks above the shallowest is named", func(c *configTree) {
			c.setLocked(c.acme, 2)
			c.setLocked(c.root, 1)
			_, err := c.try(c.shop, core.ConfigChange{Value: 3})
			c.wantLocked(c.root, err)
		}},
		{"changing one's own value beneath a lock is refused", func(c *configTree) {
			c.set(c.shop, 3)
			c.setLocked(c.root, 1)
			_, err := c.try(c.shop, core.ConfigChange{Value: 4})
			c.wantLocked(c.root, err)
		}},
		{"locking beneath a lock is refused", func(c *configTree) {
			c.set(c.shop, 3)
			c.setLocked(c.root, 1)
			_, err := c.st.Config.Lock(c.ctx, c.shop.ID, key)
			c.wantLocked(c.root, err)
		}},
		{"unlocking and deleting one's own beneath a lock is allowed", func(c *configTree) {
			c.set(c.shop, 3)
			c.lock(c.shop)
			c.setLocked(c.root, 1)
			c.unlock(c.shop)
			require.False(c, c.own(c.shop).Locked)
			c.delete(c.shop)
			require.Nil(c, c.own(c.shop))
		}},
		{"locking what is only inherited is refused", func(c *configTree) {
			c.set(c.root, 1)
			_, err := c.st.Config.Lock(c.ctx, c.acme.ID, key)
			require.ErrorIs(c, err, core.ErrConfigNotFound)
		}},
		{"unlocking what is only inherited is refused", func(c *configTree) {
			c.setLocked(c.root, 1)
			require.ErrorIs(c, c.st.Config.Unlock(c.ctx, c.acme.ID, key), core.ErrConfigNotFound)
			require.True(c, c.get(c.acme).Locked)
		}},
		{"unlocking what is not locked is no error", func(c *configTree) {
			c.set(c.root, 1)
			c.unlock(c.root)
		}},
		{"setting beneath is allowed again after unlock", func(c *configTree) {
			c.setLocked(c.root, 1)
			c.unlock(c.root)
			c.set(c.shop, 2)
			c.want("2", c.shop, c.shop)
		}},
	}
}

func valueCases() []configCase {
	var cases []configCase
	for _, value := range []any{false, 0, "", nil, []any{}, map[string]any{}} {
		text, _ := json.Marshal(value)
		cases = append(cases, configCase{fmt.Sprintf("%s is a value and hides the inherited one", text), func(c *configTree) {
			c.set(c.root, "inherited")
			c.set(c.acme, value)
			c.want(string(text), c.acme, c.acme, c.shop)
		}}, configCase{fmt.Sprintf("%s can be locked", text), func(c *configTree) {
			c.set(c.acme, "own")
			c.setLocked(c.root, value)
			c.want(string(text), c.root, c.acme)
		}})
	}
	return append(cases,
		configCase{"a value is replaced and not merged", func(c *configTree) {
			c.set(c.root, map[string]int{"a": 1, "b": 2})
			c.set(c.acme, map[string]int{"a": 3})
			c.want(`{"a": 3}`, c.acme, c.shop)
		}},
		configCase{"numbers keep all their digits", func(c *configTree) {
			c.set(c.root, number)
			c.want(string(number), c.root, c.shop)
		}},
		configCase{"a key has at most 128 characters of few kinds", func(c *configTree) {
			for _, bad := range []string{"Seats", "1st", "a b", "a\nb", "ä", strings.Repeat("k", 129), "_x", ".x"} {
				_, err := c.try(c.root, core.ConfigChange{Key: bad, Value: 1})
				require.ErrorIs(c, err, core.ErrConfigInvalid, bad)
			}
			c.change(c.root, core.ConfigChange{Key: "a.b-c_" + strings.Repeat("9", 122), Value: 1})
		}},
		configCase{"what the database cannot store is refused and not shown", func(c *configTree) {
			for name, bad := range unstorable() {
				_, err := c.try(c.root, core.ConfigChange{Value: map[string]any{"k": bad}})
				require.ErrorIs(c, err, core.ErrConfigInvalid, name)
				require.NotContains(c, err.Error(), "secret", name)
			}
		}},
	)
}

func mentionCases() []configCase {
	return []configCase{
		{"an update that does not mention the lock keeps it", func(c *configTree) {
			c.setLocked(c.root, 1)
			require.True(c, c.set(c.root, 2).Locked)
			_, err := c.try(c.shop, core.ConfigChange{Value: 3})
			c.wantLocked(c.root, err)
		}},
		{"an update that does not mention the lock locks nothing", func(c *configTree) {
			c.set(c.root, 1)
			require.False(c, c.set(c.root, 2).Locked)
		}},
		{"an update may take the lock away", func(c *configTree) {
			c.setLocked(c.root, 1)
			require.False(c, c.change(c.root, core.ConfigChange{Value: 2, Locked: core.Off}).Locked)
			c.set(c.shop, 3)
		}},
		{"locking keeps the value", func(c *configTree) {
			c.set(c.root, map[string]any{"a": number})
			c.lock(c.root)
			c.want(`{"a": `+string(number)+`}`, c.root, c.shop)
		}},
		{"a lock is gone with its entry and does not come back with a new one", func(c *configTree) {
			c.setLocked(c.root, 1)
			c.delete(c.root)
			require.False(c, c.set(c.root, 1).Locked)
		}},
		{"without a KEK a sensitive value is refused and not stored", func(c *configTree) {
			_, err := c.try(c.root, core.ConfigChange{Value: "hunter2", Sensitive: core.On})
			require.ErrorIs(c, err, core.ErrConfigSensitive)
			require.NotContains(c, err.Error(), "hunter2")
			c.wantNothing(c.root)
		}},
		{"a value cannot become sensitive while it cannot be sealed", func(c *configTree) {
			c.set(c.root, 1)
			_, err := c.try(c.root, core.ConfigChange{Value: 1, Sensitive: core.On})
			require.ErrorIs(c, err, core.ErrConfigSensitive)
			require.False(c, c.own(c.root).Sensitive)
		}},
		{"an update that does not mention sensitive keeps it", func(c *configTree) {
			c.set(c.root, 1)
			c.sealed(key, c.root)
			_, err := c.try(c.root, core.ConfigChange{Value: "hunter2"})
			require.ErrorIs(c, err, core.ErrConfigSensitive)
			require.True(c, c.own(c.root).Sensitive)
		}},
		{"locking keeps an entry sensitive", func(c *configTree) {
			c.set(c.root, 1)
			c.sealed(key, c.root)
			c.lock(c.root)
			require.True(c, c.own(c.root).Sensitive)
		}},
	}
}

func versionCases() []configCase {
	return []configCase{
		{"a change for the version there is succeeds", func(c *configTree) {
			version := c.set(c.acme, 1).Version
			after := c.change(c.acme, core.ConfigChange{Value: 2, IfVersion: version})
			require.Greater(c, after.Version, version)
		}},
		{"a change for an older version is a conflict and changes nothing", func(c *configTree) {
			version := c.set(c.acme, 1).Version
			newer := c.set(c.acme, 2).Version
			_, err := c.try(c.acme, core.ConfigChange{Value: 3, IfVersion: version})
			c.wantConflict(newer, err)
			c.want("2", c.acme, c.acme)
		}},
		{"a lock is a change of version too", func(c *configTree) {
			version := c.set(c.acme, 1).Version
			c.lock(c.acme)
			_, err := c.try(c.acme, core.ConfigChange{Value: 3, IfVersion: version})
			c.wantConflict(c.own(c.acme).Version, err)
		}},
		{"an entry that was deleted is a conflict", func(c *configTree) {
			version := c.set(c.acme, 1).Version
			c.delete(c.acme)
			_, err := c.try(c.acme, core.ConfigChange{Value: 3, IfVersion: version})
			c.wantConflict(0, err)
		}},
		{"an entry that was deleted and set again is a conflict", func(c *configTree) {
			version := c.set(c.acme, 1).Version
			c.delete(c.acme)
			again := c.set(c.acme, 1).Version
			_, err := c.try(c.acme, core.ConfigChange{Value: 3, IfVersion: version})
			c.wantConflict(again, err)
		}},
		{"an inherited version is not one's own", func(c *configTree) {
			version := c.set(c.root, 1).Version
			_, err := c.try(c.acme, core.ConfigChange{Value: 3, IfVersion: version})
			c.wantConflict(0, err)
		}},
		{"a change for an absent entry succeeds once", func(c *configTree) {
			c.set(c.root, 1)
			first := c.change(c.acme, core.ConfigChange{Value: 2, IfAbsent: true})
			_, err := c.try(c.acme, core.ConfigChange{Value: 3, IfAbsent: true})
			c.wantConflict(first.Version, err)
		}},
		{"deleting can depend on the version too", func(c *configTree) {
			version := c.set(c.acme, 1).Version
			newer := c.set(c.acme, 2).Version
			_, err := c.try(c.acme, core.ConfigChange{Delete: true, IfVersion: version})
			c.wantConflict(newer, err)
			c.change(c.acme, core.ConfigChange{Delete: true, IfVersion: newer})
			c.wantNothing(c.acme)
		}},
	}
}

func batchCases() []configCase {
	batch := []core.ConfigChange{{Key: "a", Value: 1}, {Key: key, Value: 2}, {Key: "b", Value: 3}}
	return []configCase{
		{"a batch makes all changes", func(c *configTree) {
			results, err := c.st.Config.SetBatch(c.ctx, c.acme.ID, batch, core.ConfigBatch{})
			require.NoError(c, err)
			require.Len(c, results, 3)
			require.Equal(c, "3", string(results[2].Value.Value))
			require.Equal(c, []string{"a", "b", key}, keysOf(c.resolve(c.shop)))
		}},
		{"a batch of which one change is refused makes none", func(c *configTree) {
			c.setLocked(c.root, 1)
			results, err := c.st.Config.SetBatch(c.ctx, c.acme.ID, batch, core.ConfigBatch{})
			c.wantLocked(c.root, err)
			require.Nil(c, results)
			require.Equal(c, []string{key}, keysOf(c.resolve(c.shop)))
		}},
		{"a best effort makes the others and says so for each", func(c *configTree) {
			c.setLocked(c.root, 1)
			results, err := c.st.Config.SetBatch(c.ctx, c.acme.ID, batch, core.ConfigBatch{BestEffort: true})
			c.wantLocked(c.root, err)
			require.Len(c, results, 3)
			require.NoError(c, results[0].Err)
			c.wantLocked(c.root, results[1].Err)
			require.NoError(c, results[2].Err)
			require.Equal(c, []string{"a", "b", key}, keysOf(c.resolve(c.shop)))
		}},
		{"a best effort survives what only the database refuses", func(c *configTree) {
			changes := slices.Concat(batch[:2], []core.ConfigChange{
				{Key: "bad", Value: json.RawMessage(`"\ud800"`)}, {Key: "Bad"}, batch[2],
			})
			results, err := c.st.Config.SetBatch(c.ctx, c.acme.ID, changes, core.ConfigBatch{BestEffort: true})
			require.ErrorIs(c, err, core.ErrConfigInvalid)
			require.ErrorIs(c, results[2].Err, core.ErrConfigInvalid)
			require.ErrorIs(c, results[3].Err, core.ErrConfigInvalid)
			require.Equal(c, []string{"a", "b", key}, keysOf(c.resolve(c.shop)))
		}},
		{"a batch sets and deletes at once", func(c *configTree) {
			c.set(c.acme, 1)
			_, err := c.st.Config.SetBatch(c.ctx, c.acme.ID, []core.ConfigChange{
				{Key: key, Delete: true}, {Key: "a", Value: 1},
			}, core.ConfigBatch{})
			require.NoError(c, err)
			require.Equal(c, []string{"a"}, keysOf(c.resolve(c.shop)))
		}},
		{"a key that is in a batch twice is refused", func(c *configTree) {
			_, err := c.st.Config.SetBatch(c.ctx, c.acme.ID, append(batch, batch[1]), core.ConfigBatch{})
			require.ErrorIs(c, err, core.ErrConfigInvalid)
			require.Empty(c, c.resolve(c.acme))
		}},
		{"deleting and setting a key in one change is refused", func(c *configTree) {
			_, err := c.try(c.acme, core.ConfigChange{Value: 1, Delete: true})
			require.ErrorIs(c, err, core.ErrConfigInvalid)
		}},
		{"a batch has at most a thousand changes", func(c *configTree) {
			changes := make([]core.ConfigChange, core.MaxConfigBatch+1)
			for i := range changes {
				changes[i] = core.ConfigChange{Key: fmt.Sprintf("k%d", i), Value: i}
			}
			_, err := c.st.Config.SetBatch(c.ctx, c.acme.ID, changes, core.ConfigBatch{BestEffort: true})
			require.ErrorIs(c, err, core.ErrConfigInvalid)
			_, err = c.st.Config.SetBatch(c.ctx, c.acme.ID, changes[1:], core.ConfigBatch{})
			require.NoError(c, err)
			require.Len(c, c.resolve(c.acme), core.MaxConfigBatch)
		}},
		{"an empty batch changes nothing", func(c *configTree) {
			results, err := c.st.Config.SetBatch(c.ctx, c.acme.ID, nil, core.ConfigBatch{})
			require.NoError(c, err)
			require.Empty(c, results)
		}},
	}
}

func archivedCases() []configCase {
	return []configCase{
		{"the value of an archived ancestor does not hold beneath it", func(c *configTree) {
			c.set(c.root, 1)
			c.set(c.acme, 2)
			c.archive(c.acme)
			c.want("1", c.root, c.shop, c.lab)
		}},
		{"the lock of an archived ancestor does not hold beneath it", func(c *configTree) {
			c.setLocked(c.acme, 2)
			c.archive(c.acme)
			c.set(c.shop, 3)
			c.want("3", c.shop, c.shop)
		}},
		{"the config of an archived tenant is still its own", func(c *configTree) {
			c.set(c.root, 1)
			c.set(c.acme, 2)
			c.archive(c.acme)
			c.want("2", c.acme, c.acme)
		}},
		{"what an archived tenant has set returns when it is restored", func(c *configTree) {
			c.setLocked(c.acme, 2)
			c.archive(c.acme)
			c.set(c.shop, 3)
			require.NoError(c, c.f.Restore(c.ctx, c.acme.ID))
			c.want("2", c.acme, c.shop)
		}},
		{"the config of an archived tenant cannot be changed", func(c *configTree) {
			c.set(c.shop, 1)
			require.NoError(c, c.f.Archive(c.ctx, c.shop.ID))
			_, err := c.try(c.shop, core.ConfigChange{Value: 2})
			requireState(c, core.StatusArchived, err)
			requireState(c, core.StatusArchived, c.st.Config.Delete(c.ctx, c.shop.ID, key))
		}},
		{"archived tenants are not counted as shadowed", func(c *configTree) {
			c.set(c.shop, 1)
			c.set(c.lab, 2)
			c.set(c.acme, 3)
			require.NoError(c, c.f.Archive(c.ctx, c.shop.ID))
			require.Equal(c, 1, c.lock(c.acme))
		}},
	}
}

func moveCases() []configCase {
	return []configCase{
		{"a tenant that is moved inherits from its new ancestors", func(c *configTree) {
			c.set(c.acme, 1)
			c.set(c.globex, 2)
			require.NoError(c, c.f.move(c.ctx, c.shop.ID, c.globex.ID))
			c.want("2", c.globex, c.shop)
		}},
		{"what a tenant has set itself moves with it, and so does all beneath", func(c *configTree) {
			c.set(c.acme, 1)
			c.set(c.globex, 2)
			require.NoError(c, c.f.move(c.ctx, c.acme.ID, c.globex.ID))
			c.want("1", c.acme, c.acme, c.shop)
		}},
		{"a move beneath a lock shadows what the tenant has set", func(c *configTree) {
			c.set(c.shop, 1)
			c.setLocked(c.globex, 2)
			require.NoError(c, c.f.move(c.ctx, c.shop.ID, c.globex.ID))
			c.want("2", c.globex, c.shop)
			_, err := c.try(c.shop, core.ConfigChange{Value: 3})
			c.wantLocked(c.globex, err)
		}},
		{"a move out from under a lock brings the own value back", func(c *configTree) {
			c.set(c.shop, 1)
			c.setLocked(c.acme, 2)
			require.NoError(c, c.f.move(c.ctx, c.shop.ID, c.globex.ID))
			c.want("1", c.shop, c.shop)
		}},
		{"a tenant that becomes a root inherits nothing", func(c *configTree) {
			c.setLocked(c.root, 1)
			require.NoError(c, c.f.move(c.ctx, c.acme.ID, uuid.Nil))
			c.wantNothing(c.acme, c.shop)
		}},
	}
}

func statusCases() []configCase {
	return []configCase{
		{"a suspended ancestor still has its say", func(c *configTree) {
			c.set(c.acme, 1)
			_, err := c.f.SuspendSubtree(c.ctx, c.acme.ID)
			require.NoError(c, err)
			c.want("1", c.acme, c.shop)
		}},
		{"a suspended tenant is not served its own config", func(c *configTree) {
			c.set(c.shop, 1)
			require.NoError(c, c.f.Suspend(c.ctx, c.shop.ID))
			_, err := c.st.Config.Get(core.WithTenant(c.Context(), c.shop.ID), c.shop.ID, key)
			require.ErrorIs(c, err, core.ErrTenantNotActive)
			c.want("1", c.shop, c.shop)
		}},
		{"the config of an unknown tenant is not found", func(c *configTree) {
			_, err := c.st.Config.Get(c.ctx, unknownID, key)
			require.ErrorIs(c, err, core.ErrTenantNotFound)
			_, err = c.st.Config.Set(c.ctx, unknownID, core.ConfigChange{Key: key})
			require.ErrorIs(c, err, core.ErrTenantNotFound)
		}},
	}
}

func keysOf(values []core.ConfigValue) []string {
	keys := make([]string, len(values))
	for i, v := range values {
		keys[i] = v.Key
	}
	return keys
}

func (c *configTree) resolve(at core.Tenant) []core.ConfigValue {
	c.Helper()
	values, err := c.st.Config.Resolve(c.ctx, at.ID)
	require.NoError(c, err)
	return values
}
