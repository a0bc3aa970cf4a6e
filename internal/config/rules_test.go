package config_test

import (
	"encoding/json"
	"strconv"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/stratum-hq/stratum-go/internal/config"
)

// reference is what holds at the end of a path, or nil.
func reference(path []config.Tenant, entries []config.Entry) *config.Entry {
	byDepth := make([]*config.Entry, len(path))
	for i := range entries {
		if d := entries[i].Depth; d == len(path)-1 || path[d].Status != config.Archived {
			byDepth[d] = &entries[i]
		}
	}
	var nearest *config.Entry
	for _, e := range byDepth {
		if e != nil && e.Locked {
			return e
		}
		if e != nil {
			nearest = e
		}
	}
	return nearest
}

func drawPath(rt *rapid.T) []config.Tenant {
	path := make([]config.Tenant, rapid.IntRange(1, 8).Draw(rt, "levels"))
	for i := range path {
		path[i] = config.Tenant{
			ID: uuid.New(), Label: strconv.Itoa(i),
			Status: rapid.SampledFrom([]string{"active", "active", "suspended", "archived"}).Draw(rt, "status"),
		}
	}
	return path
}

// drawEntries are those of one key, in any order.
func drawEntries(rt *rapid.T, levels int) []config.Entry {
	var entries []config.Entry
	for depth := range levels {
		if rapid.Bool().Draw(rt, "set") {
			entries = append(entries, config.Entry{
				Depth: depth, Key: "k", Locked: rapid.Bool().Draw(rt, "locked"),
				Value: json.RawMessage(strconv.Itoa(depth)), Version: int64(depth),
			})
		}
	}
	return rapid.Permutation(entries).Draw(rt, "order")
}

func TestRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		path := drawPath(rt)
		entries := drawEntries(rt, len(path))
		want := reference(path, entries)
		s := config.New(path, entries)
		got := s.Lookup("k")
		if want == nil {
			require.Nil(rt, got)
		} else {
			require.Equal(rt, *want, got.Entry)
		}
		if want != nil && want.Locked && want.Depth < len(path)-1 {
			require.Equal(rt, want, s.Lock("k"))
		} else {
			require.Nil(rt, s.Lock("k"))
		}
		holds := 0
		for depth, step := range config.Explain(path, entries) {
			require.Equal(rt, step.Entry == nil, step.Outcome == config.Unset)
			if step.Outcome == config.Holds {
				holds++
				require.Equal(rt, want.Depth, depth)
			}
		}
		require.Equal(rt, want != nil, holds == 1)
	})
}

// TestDriftAgreesWithTheRules walks a random tree, and resolves the path of each tenant by itself too.
func TestDriftAgreesWithTheRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		base := drawPath(rt)[:1]
		baseEntries := drawEntries(rt, 1)
		type node struct {
			path    []config.Tenant
			entries []config.Entry
		}
		nodes := []node{{base, baseEntries}}
		var walk []config.Descendant
		for range rapid.IntRange(0, 8).Draw(rt, "tenants") {
			// Beneath the last one or one of its ancestors, which is what a walk does.
			level := rapid.IntRange(1, len(nodes[len(nodes)-1].path)).Draw(rt, "level")
			above := nodes[len(nodes)-1]
			tenant := drawPath(rt)[0]
			d := config.Descendant{Tenant: tenant, Level: level}
			entries := make([]config.Entry, 0, len(above.entries)+1)
			for _, e := range above.entries {
				if e.Depth < level {
					entries = append(entries, e)
				}
			}
			for _, e := range drawEntries(rt, 1) {
				e.Depth, e.Version = level, int64(len(nodes)*100)
				d.Entries, entries = append(d.Entries, e), append(entries, e)
			}
			walk = append(walk, d)
			nodes = append(nodes, node{append(above.path[:level:level], tenant), entries})
		}
		found := make(map[uuid.UUID]config.Drift)
		for _, d := range config.FindDrift(base, baseEntries, walk) {
			require.NotContains(rt, found, d.Tenant.ID, "one key, one line")
			found[d.Tenant.ID] = d
		}
		for _, n := range nodes[1:] {
			tenant := n.path[len(n.path)-1]
			d, differs := found[tenant.ID]
			held := reference(n.path, n.entries)
			switch {
			case tenant.Status == config.Archived:
				require.False(rt, differs)
			case held != nil && held.Depth == len(n.path)-1:
				require.Equal(rt, config.Overrides, d.Kind)
			case differs && d.Kind == config.Shadows:
				require.True(rt, held.Locked)
				require.Equal(rt, n.path[held.Depth].ID, d.From.ID)
			case held != nil && held.Depth > 0:
				require.Equal(rt, config.Misses, d.Kind)
				require.Equal(rt, held.Version, d.Entry.Version)
			default:
				require.False(rt, differs)
			}
		}
	})
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	path := []config.Tenant{{ID: uuid.New(), Label: "a", Slug: "root"}, {ID: uuid.New(), Label: "b", Slug: "leaf"}}
	s := config.New(path, []config.Entry{{Key: "z", Value: json.RawMessage("1")}, {Key: "a", Depth: 1}})
	require.Equal(t, []string{"a", "z"}, s.Keys())
	require.Equal(t, []string{"a", "b"}, s.Labels())
	require.Equal(t, path, s.Path())
	require.Equal(t, path[1], s.Tenant())
	require.Equal(t, path[0], s.Source(&s.Lookup("z").Entry))
	require.Equal(t, 1, s.Depth(path[1].ID))
	require.Equal(t, -1, s.Depth(uuid.New()))
	require.Nil(t, s.Lookup("b"))
	require.Greater(t, s.Size(), config.New(path, nil).Size())
}

func TestSameJSON(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{`1`, `1`, true},
		{`{"a":1,"b":[true,null]}`, `{"b": [true, null], "a": 1}`, true},
		{`12345678901234567890`, `12345678901234567891`, false},
		{`null`, `0`, false},
		{`"1"`, `1`, false},
		{`x`, `y`, false},
	} {
		require.Equal(t, test.same, config.SameJSON(json.RawMessage(test.a), json.RawMessage(test.b)), test.a)
	}
}
