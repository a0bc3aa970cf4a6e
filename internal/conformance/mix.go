package conformance

import (
	"cmp"
	"slices"

	"github.com/stratum-hq/stratum-go/core"
)

// Lodging is where a tenant lives. The zero value is in the shared tables of the registry's database.
type Lodging struct {
	Isolation core.Isolation
	// Placement is home, or one that the adapter has registered: see Suite.Placements.
	Placement string
}

func (l Lodging) withDefaults() Lodging {
	return Lodging{
		Isolation: cmp.Or(l.Isolation, core.SharedIsolation), Placement: cmp.Or(l.Placement, home),
	}
}

// Mix is where the three tenants of the suite live. The zero value has all of them in the same tables.
type Mix struct {
	Name                     string
	Target, Other, Suspended Lodging
}

// Away is the placement that adapters register for the mixes.
const Away = "away"

// home is the registry's database.
const home = "home"

// Mixes are those in which the suite is run beside the one in which everything is shared.
func Mixes() []Mix {
	shared := Lodging{}
	schema, database := Lodging{Isolation: core.SchemaIsolation}, Lodging{Isolation: core.DatabaseIsolation}
	away := func(l Lodging) Lodging { return Lodging{Isolation: l.Isolation, Placement: Away} }
	return []Mix{
		{Name: "schemas", Target: schema, Other: schema, Suspended: schema},
		{Name: "databases", Target: database, Other: database, Suspended: database},
		{Name: "schema beside shared", Target: schema, Other: shared, Suspended: database},
		{Name: "database beside schema", Target: database, Other: schema, Suspended: shared},
		{Name: "shared beside schema", Target: shared, Other: schema, Suspended: schema},
		{Name: "shared away beside shared", Target: away(shared), Other: shared, Suspended: away(schema)},
		{
			Name:   "schema away beside database away",
			Target: away(schema), Other: away(database), Suspended: away(shared),
		},
	}
}

// Slice returns every n-th path, from the i-th on. The slices of all i below n are all paths.
func Slice(paths []Path, i, n int) []Path {
	var slice []Path
	for at := i % n; at < len(paths); at += n {
		slice = append(slice, paths[at])
	}
	return slices.Clip(slice)
}
