package core

import (
	"encoding/json"
	"maps"
	"slices"
)

// Isolation says how far a tenant's rows are kept apart from those of others.
type Isolation string

// The isolations. A tenant's tables have the same shape in all of them, tenant column and policies included.
const (
	// SharedIsolation keeps the tenant's rows in tables that it shares with others, behind row-level security.
	SharedIsolation Isolation = "shared"
	// SchemaIsolation gives the tenant a schema of its own. Global and external tables stay within reach.
	SchemaIsolation Isolation = "schema"
	// DatabaseIsolation gives the tenant a database of its own. Global tables are there as copies to read, external
	// ones are not.
	DatabaseIsolation Isolation = "database"
)

func (i Isolation) known() bool {
	return i == SharedIsolation || i == SchemaIsolation || i == DatabaseIsolation
}

// Residency says where the data of a tenant may be, and of all tenants beneath it: at placements in one of the regions
// and with all of the labels. The zero value is everywhere.
type Residency struct {
	// Regions are the regions that will do, such as "eu". Defaults to all.
	Regions []string `json:"regions,omitempty"`
	// Labels are labels that the placement must have. Defaults to none.
	Labels map[string]string `json:"labels,omitempty"`
}

// admits reports whether a tenant of this residency may be at the placement.
func (r Residency) admits(p Placement) bool {
	if len(r.Regions) > 0 && !slices.Contains(r.Regions, p.Region) {
		return false
	}
	for key, value := range r.Labels {
		if got, ok := p.Labels[key]; !ok || got != value {
			return false
		}
	}
	return true
}

// isZero reports whether every placement will do.
func (r Residency) isZero() bool { return len(r.Regions) == 0 && len(r.Labels) == 0 }

// residencies are those of a tenant and of the tenants above it: all of them must be met.
type residencies []Residency

func (all residencies) admit(p Placement) bool {
	return !slices.ContainsFunc(all, func(r Residency) bool { return !r.admits(p) })
}

// encode returns the residency as JSON. Strings always marshal.
func (r Residency) encode() string {
	text, _ := json.Marshal(r)
	return string(text)
}

// clone returns a copy that shares nothing with r.
func (r Residency) clone() Residency {
	return Residency{Regions: slices.Clone(r.Regions), Labels: maps.Clone(r.Labels)}
}

// location is where the data of a tenant is.
type location struct {
	isolation Isolation
	placement string
	label     string
}

// homePlacement is the registry's own database.
const homePlacement = "home"

// schema is the name of the tenant's own schema, or empty. It comes from the label, which never changes.
func (l location) schema() string {
	if l.isolation == SchemaIsolation {
		return "t_" + l.label
	}
	return ""
}

// home reports whether the data is in the shared tables of the registry's database, where statements go first.
func (l location) home() bool { return l.isolation == SharedIsolation && l.placement == homePlacement }

// satellite reports whether another database than the registry's admits the tenant.
func (l location) satellite() bool {
	return l.isolation == DatabaseIsolation || l.placement != homePlacement
}
