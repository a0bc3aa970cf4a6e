// Package schema has no rows of tenants.
package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"

	"github.com/stratum-hq/stratum-go/entstratum"
)

// everyone's is every schema here.
type everyones struct{ ent.Schema }

func (everyones) Annotations() []schema.Annotation { return []schema.Annotation{entstratum.Global()} }

// Country has an id that ent gives it.
type Country struct{ everyones }

// Fields of the Country. It says which tenant paid for it, whatever that is to mean.
func (Country) Fields() []ent.Field {
	return []ent.Field{field.String("code").Unique(), field.Int("tenant_id").Optional()}
}

// Edges of the Country.
func (Country) Edges() []ent.Edge {
	return []ent.Edge{edge.To("neighbours", Country.Type), edge.To("cities", City.Type)}
}

// City has a name for an id.
type City struct{ everyones }

// Fields of the City.
func (City) Fields() []ent.Field { return []ent.Field{field.String("id"), field.Time("founded")} }
