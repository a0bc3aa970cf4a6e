package config

import (
	"slices"
	"sync/atomic"

	"github.com/google/uuid"
)

// Snapshot is what the config of one tenant comes to: for each key that is set on its path the entry that holds, and
// the path itself. It never changes, so that any number of readers may share it.
type Snapshot struct {
	path   []Tenant
	labels []string
	values map[string]*Value
	size   int
}

// Value is the entry that holds for a key.
type Value struct {
	Entry

	// memo is the value as a Go type, which the first reader leaves for those behind it.
	memo atomic.Pointer[any]
}

// New resolves the entries of a path, which leads from a root to the tenant. Neither the slices nor the values may be
// changed afterwards. Entries of one tenant have different keys; their order is of no importance.
func New(path []Tenant, entries []Entry) *Snapshot {
	s := &Snapshot{path: path, labels: make([]string, len(path)), values: make(map[string]*Value, len(entries))}
	for i, t := range path {
		s.labels[i] = t.Label
		s.size += len(t.Label) + len(t.Slug) + tenantOverhead
	}
	room := make([]Value, len(entries)) // one allocation for all
	for i := range entries {
		if s.takesPart(entries[i].Depth) {
			s.add(&entries[i], &room[i])
		}
	}
	for key, v := range s.values {
		s.size += len(key) + len(v.Value) + len(v.Sealed) + valueOverhead
	}
	return s
}

// What a tenant and a value take beside their texts, about.
const (
	tenantOverhead = 96
	valueOverhead  = 160
)

// takesPart reports whether what the tenant on this level has set counts. An archived tenant has no say beneath it;
// its own config is still its own.
func (s *Snapshot) takesPart(depth int) bool {
	return depth == len(s.path)-1 || s.path[depth].Status != Archived
}

// add has an entry hold unless another one does. It takes the room where it is the first for its key.
func (s *Snapshot) add(e *Entry, room *Value) {
	held := s.values[e.Key]
	if held == nil {
		room.Entry = *e
		s.values[e.Key] = room
	} else if beats(e, &held.Entry) {
		held.Entry = *e
	}
}

// Tenant is whose config this is.
func (s *Snapshot) Tenant() Tenant { return s.path[len(s.path)-1] }

// Path leads from the root to the tenant. It must not be changed.
func (s *Snapshot) Path() []Tenant { return s.path }

// Labels are those of Path. They must not be changed.
func (s *Snapshot) Labels() []string { return s.labels }

// Lookup returns the entry that holds for key, or nil where no tenant of the path has set it.
func (s *Snapshot) Lookup(key string) *Value { return s.values[key] }

// Keys returns the keys that have a value, sorted.
func (s *Snapshot) Keys() []string {
	keys := make([]string, 0, len(s.values))
	for key := range s.values {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Size is about how many bytes the snapshot takes.
func (s *Snapshot) Size() int { return s.size }

// Depth returns the depth of the tenant with this id on the path, or -1: who is not on the path of a tenant has nothing
// to do with its config.
func (s *Snapshot) Depth(id uuid.UUID) int {
	for i := len(s.path) - 1; i >= 0; i-- {
		if s.path[i].ID == id {
			return i
		}
	}
	return -1
}

// Source is the tenant that has set the entry.
func (s *Snapshot) Source(e *Entry) Tenant { return s.path[e.Depth] }
