package config

import (
	"maps"
	"slices"
	"strings"
)

// Descendant is a tenant beneath another one, with what it has set itself.
type Descendant struct {
	Tenant  Tenant
	Level   int // beneath the other one: 1 for a child
	Entries []Entry
}

// Kind is how a descendant differs from the tenant above it.
type Kind string

// The kinds of drift.
const (
	Overrides Kind = "overrides" // its own value holds
	Shadows   Kind = "shadowed"  // its own value is there, and a lock above keeps it from holding
	Misses    Kind = "misses"    // a tenant in between has set the key, and this one inherits that
)

// Drift is one key in which a descendant is not like the tenant above it.
type Drift struct {
	Tenant Tenant
	Kind   Kind
	Entry  Entry  // its own, or for Misses the one it inherits
	From   Tenant // who has set Entry, and for Shadows who has locked the key
}

// FindDrift compares descendants with the tenant at the end of a path, on which the entries are. They come as in a walk
// of the tree: each right behind its parent or behind an earlier sibling's descendants. Archived ones are passed over,
// and have no say beneath.
func FindDrift(path []Tenant, entries []Entry, descendants []Descendant) []Drift {
	// What a child without entries inherits, which is not what holds for an archived parent itself.
	w := walk{base: New(append(path[:len(path):len(path)], Tenant{}), entries), held: []map[string]holder{{}}}
	for i := range descendants {
		w.visit(&descendants[i])
	}
	return w.found
}

// holder is an entry of a descendant that holds for those beneath it.
type holder struct {
	entry *Entry
	from  Tenant
}

// walk is where FindDrift is: held has, for each level from the base to the last descendant, what holds on it by the
// say of descendants. What is not in there holds as in the base.
type walk struct {
	base  *Snapshot
	held  []map[string]holder
	found []Drift
}

func (w *walk) visit(d *Descendant) {
	above := w.held[d.Level-1]
	w.held = append(w.held[:d.Level], above)
	if d.Tenant.Status == Archived {
		return
	}
	first := len(w.found)
	own := make(map[string]bool, len(d.Entries))
	here := maps.Clone(above)
	for i := range d.Entries {
		e := &d.Entries[i]
		own[e.Key] = true
		if lock, locked := w.lockOn(above, e.Key); locked {
			w.found = append(w.found, Drift{Tenant: d.Tenant, Kind: Shadows, Entry: *e, From: lock})
			continue
		}
		here[e.Key] = holder{e, d.Tenant}
		w.found = append(w.found, Drift{Tenant: d.Tenant, Kind: Overrides, Entry: *e, From: d.Tenant})
	}
	w.held[d.Level] = here
	for key, h := range above {
		if !own[key] {
			w.found = append(w.found, Drift{Tenant: d.Tenant, Kind: Misses, Entry: *h.entry, From: h.from})
		}
	}
	slices.SortFunc(w.found[first:], func(a, b Drift) int { return strings.Compare(a.Entry.Key, b.Entry.Key) })
}

// lockOn returns who above has locked key.
func (w *walk) lockOn(above map[string]holder, key string) (Tenant, bool) {
	if h, ok := above[key]; ok {
		return h.from, h.entry.Locked
	}
	if v := w.base.values[key]; v != nil && v.Locked {
		return w.base.path[v.Depth], true
	}
	return Tenant{}, false
}
