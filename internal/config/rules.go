package config

import (
	"bytes"
	"encoding/json"
	"reflect"
)

// beats reports whether of two entries for the same key a holds and not b. It is the whole rule of inheritance: the
// lock nearest to the root wins, and where nobody has locked the key, the entry nearest to the tenant.
func beats(a, b *Entry) bool {
	if a.Locked != b.Locked {
		return a.Locked
	}
	if a.Locked {
		return a.Depth < b.Depth
	}
	return a.Depth > b.Depth
}

// The rule once more, for a statement in which l are the tenants of a path, with their depth, and c is what they have
// set. Of the entries for a key whose tenants take part the one with the greatest rank holds. A statement may leave out
// what cannot hold; what does is decided by New.
const (
	// RankSQL has locks above all else, the nearest to the root first, and below them the nearest to the tenant.
	RankSQL = `CASE WHEN c.locked THEN 1000000 - l.depth ELSE l.depth END`
	// DepthSQL is the depth that a rank was made of. No path is half a million long.
	DepthSQL = `CASE WHEN b.rank >= 500000 THEN 1000000 - b.rank ELSE b.rank END`
	// TakesPartSQL is takesPart, but for the tenant itself.
	TakesPartSQL = `l.status <> '` + Archived + `'`
)

// Lock returns the entry by which an ancestor of the tenant has locked key, or nil.
func (s *Snapshot) Lock(key string) *Entry {
	if v := s.values[key]; v != nil && v.Locked && v.Depth < len(s.path)-1 {
		return &v.Entry
	}
	return nil
}

// Outcome is what became of one tenant's say on a key.
type Outcome string

// The outcomes. Exactly one step of an explanation holds, or none where nobody whose say counts has set the key.
const (
	Unset      Outcome = "unset"      // the tenant has not set the key
	Holds      Outcome = "holds"      // this is the value
	Overridden Outcome = "overridden" // a tenant nearer to the one asked about has set it too
	Shadowed   Outcome = "shadowed"   // an ancestor has locked the key
	Ignored    Outcome = "ignored"    // the tenant is archived
)

// Step is one tenant's part in an explanation.
type Step struct {
	Tenant  Tenant
	Entry   *Entry // nil where the outcome is Unset
	Outcome Outcome
}

// Explain returns what became of each tenant's say on a key, from the root to the tenant. The entries are those for the
// key on the path.
func Explain(path []Tenant, entries []Entry) []Step {
	steps := make([]Step, len(path))
	for i, t := range path {
		steps[i] = Step{Tenant: t, Outcome: Unset}
	}
	s := New(path, entries)
	for i := range entries {
		e := &entries[i]
		steps[e.Depth].Entry = e
		steps[e.Depth].Outcome = s.outcome(e)
	}
	return steps
}

func (s *Snapshot) outcome(e *Entry) Outcome {
	winner := s.values[e.Key]
	switch {
	case !s.takesPart(e.Depth):
		return Ignored
	case winner.Depth == e.Depth:
		return Holds
	case winner.Locked && winner.Depth < e.Depth:
		return Shadowed
	default:
		return Overridden
	}
}

// SameJSON reports whether two JSON texts say the same: spaces and the order of fields do not count, and numbers are
// the same where they are written alike.
func SameJSON(a, b json.RawMessage) bool {
	return bytes.Equal(a, b) || reflect.DeepEqual(parse(a), parse(b))
}

func parse(raw json.RawMessage) (value any) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil {
		return raw
	}
	return value
}
