package core_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/stratum-hq/stratum-go/core"
)

// resolveConfig is how a test reads the config of a tenant.
type resolveConfig func(ctx context.Context, tenant uuid.UUID) ([]core.ConfigValue, error)

// TestConfigModel runs random sequences of changes to the tree and to config, and compares what holds for every tenant
// with the model after each: from the cache of the handle that changes, and past every cache.
func TestConfigModel(t *testing.T) {
	t.Parallel()
	s := newStrongroom(t)
	past := s.open(t, func(o *core.Options) { o.ConfigCache.Off = true })
	st, f := s.st, s.f
	f.Tenants = st.Tenants
	t.Cleanup(func() { f.checkSound(context.WithoutCancel(t.Context()), t) })
	checkConfigModel(t, f, st, func(ctx context.Context, tenant uuid.UUID) ([]core.ConfigValue, error) {
		values, err := past.Config.Resolve(ctx, tenant)
		if err != nil {
			return nil, err
		}
		kept, err := st.Config.Resolve(ctx, tenant)
		if !reflect.DeepEqual(shown(values), shown(kept)) {
			return nil, fmt.Errorf("the cache has %v where the registry has %v: %w", kept, values, err)
		}
		return kept, err
	})
}

// shown are values without what sensitive ones are opened to, which cannot be compared.
func shown(values []core.ConfigValue) (all []core.ConfigValue) {
	for _, v := range values {
		all = append(all, core.ConfigValue{
			Key: v.Key, Value: v.Value, Source: v.Source, Locked: v.Locked, Sensitive: v.Sensitive, Version: v.Version,
			UpdatedAt: v.UpdatedAt,
		})
	}
	return all
}

// checkConfigModel has the changes made through st and the config read through resolve.
func checkConfigModel(t *testing.T, f forest, st *core.Stratum, resolve resolveConfig) {
	t.Helper()
	start := time.Now()
	rapid.Check(t, func(rt *rapid.T) {
		if time.Since(start) > propertyTime {
			return
		}
		f.tamper(t, "TRUNCATE stratum.tenants CASCADE")
		m := &configMachine{
			machine: machine{ctx: t.Context(), f: f, model: &modelForest{nodes: make(map[uuid.UUID]*modelNode)}},
			st:      st, resolve: resolve, entries: make(map[uuid.UUID]map[string]modelEntry),
		}
		for range rapid.IntRange(1, 3).Draw(rt, "roots") {
			m.create(rt, m.create(rt, m.create(rt, uuid.Nil)))
		}
		rt.Repeat(m.actions())
	})
}

// modelEntry is what a tenant has set for a key.
type modelEntry struct {
	value             string
	locked, sensitive bool
}

// configMachine drives the database and a model of config in step.
type configMachine struct {
	machine

	st      *core.Stratum
	resolve resolveConfig
	entries map[uuid.UUID]map[string]modelEntry
	values  int
}

// held is the reference: what holds for a tenant.
func (m *configMachine) held(tenant uuid.UUID, key string) (held modelEntry, ok bool) {
	for at := tenant; at != uuid.Nil; at = m.model.nodes[at].parent {
		if e, set := m.entries[at][key]; set && (at == tenant || m.model.nodes[at].status != core.StatusArchived) {
			if e.locked || !ok { // going up: the first entry, and then every lock
				held, ok = e, true
			}
		}
	}
	return held, ok
}

// lockedAbove reports whether an ancestor has locked a key.
func (m *configMachine) lockedAbove(tenant uuid.UUID, key string) bool {
	for at := m.model.nodes[tenant].parent; at != uuid.Nil; at = m.model.nodes[at].parent {
		if m.entries[at][key].locked && m.model.nodes[at].status != core.StatusArchived {
			return true
		}
	}
	return false
}

func (m *configMachine) actions() map[string]func(rt *rapid.T) {
	tree := m.machine.actions()
	return map[string]func(rt *rapid.T){
		"":       m.compare,
		"set":    m.set,
		"set 2":  m.set,
		"lock":   m.lock,
		"unlock": m.unlock,
		"delete": m.delete,
		"rotate": m.rotate,
		"move":   tree["move"], "create": tree["create"],
		"suspend subtree": tree["suspend subtree"], "archive": tree["archive"], "restore": tree["restore"], "resume": tree["resume"],
	}
}

// refusal is why the model refuses a change.
func (m *configMachine) refusal(tenant uuid.UUID, key string, needsOwn, needsUnlocked bool) error {
	node := m.model.nodes[tenant]
	_, own := m.entries[tenant][key]
	switch {
	case node == nil:
		return core.ErrTenantNotFound
	case node.status == core.StatusArchived:
		return core.ErrTenantState
	case needsUnlocked && m.lockedAbove(tenant, key):
		return core.ErrConfigLocked
	case needsOwn && !own:
		return core.ErrConfigNotFound
	default:
		return nil
	}
}

func (m *configMachine) draw(rt *rapid.T) (tenant uuid.UUID, key string) {
	return m.any(rt, "tenant"), rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "key")
}

func (m *configMachine) set(rt *rapid.T) {
	tenant, key := m.draw(rt)
	locked := rapid.SampledFrom([]core.Switch{core.Keep, core.Keep, core.On, core.Off}).Draw(rt, "locked")
	sensitive := rapid.SampledFrom([]core.Switch{core.Keep, core.Keep, core.On, core.Off}).Draw(rt, "sensitive")
	keep := rapid.IntRange(0, 3).Draw(rt, "keep") == 0
	change := core.ConfigChange{Key: key, Locked: locked, Sensitive: sensitive, KeepValue: keep}
	e := m.entries[tenant][key]
	if !keep {
		m.values++
		change.Value, e.value = m.values, strconv.Itoa(m.values)
	}
	_, err := m.st.Config.Set(asSystem(m.ctx), tenant, change)
	want := m.refusal(tenant, key, keep, true)
	m.agree(rt, want, err)
	if want != nil {
		return
	}
	e.locked = locked == core.On || locked == core.Keep && e.locked
	e.sensitive = sensitive == core.On || sensitive == core.Keep && e.sensitive
	m.put(tenant, key, e)
}

// rotate is seen by nobody who reads.
func (m *configMachine) rotate(rt *rapid.T) {
	tenant := m.any(rt, "tenant")
	if m.model.nodes[tenant] == nil {
		return
	}
	_, err := m.st.Keys.Rotate(m.ctx, tenant)
	require.NoError(rt, err)
	_, err = m.st.Keys.Reencrypt(m.ctx, core.ReencryptOptions{})
	require.NoError(rt, err)
}

func (m *configMachine) put(tenant uuid.UUID, key string, e modelEntry) {
	if m.entries[tenant] == nil {
		m.entries[tenant] = make(map[string]modelEntry)
	}
	m.entries[tenant][key] = e
}

func (m *configMachine) lock(rt *rapid.T) {
	tenant, key := m.draw(rt)
	shadowed, err := m.st.Config.Lock(asSystem(m.ctx), tenant, key)
	want := m.refusal(tenant, key, true, true)
	m.agree(rt, want, err)
	if want != nil {
		return
	}
	e := m.entries[tenant][key]
	e.locked = true
	m.put(tenant, key, e)
	n := 0
	for id := range m.model.nodes {
		_, own := m.entries[id][key]
		if own && id != tenant && m.beneath(id, tenant) && m.model.nodes[id].status != core.StatusArchived {
			n++
		}
	}
	require.Equal(rt, n, shadowed)
}

func (m *configMachine) beneath(id, above uuid.UUID) bool {
	for at := id; at != uuid.Nil; at = m.model.nodes[at].parent {
		if at == above {
			return true
		}
	}
	return false
}

func (m *configMachine) unlock(rt *rapid.T) {
	tenant, key := m.draw(rt)
	want := m.refusal(tenant, key, true, false)
	m.agree(rt, want, m.st.Config.Unlock(asSystem(m.ctx), tenant, key))
	if want == nil {
		e := m.entries[tenant][key]
		e.locked = false
		m.put(tenant, key, e)
	}
}

func (m *configMachine) delete(rt *rapid.T) {
	tenant, key := m.draw(rt)
	want := m.refusal(tenant, key, true, false)
	m.agree(rt, want, m.st.Config.Delete(asSystem(m.ctx), tenant, key))
	if want == nil {
		delete(m.entries[tenant], key)
	}
}

// compare holds the config of every tenant against the model.
func (m *configMachine) compare(rt *rapid.T) {
	for id := range m.model.nodes {
		values, err := m.resolve(asSystem(m.ctx), id)
		require.NoError(rt, err)
		got := make(map[string]modelEntry)
		for _, v := range values {
			var value json.RawMessage
			require.NoError(rt, v.Decode(&value))
			require.Equal(rt, v.Sensitive, v.Value == nil)
			got[v.Key] = modelEntry{string(value), v.Locked, v.Sensitive}
		}
		want := make(map[string]modelEntry)
		for _, key := range []string{"a", "b"} {
			if held, ok := m.held(id, key); ok {
				want[key] = held
			}
		}
		require.Equal(rt, want, got)
	}
}
