package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"

	"github.com/stratum-hq/stratum-go/entstratum"
)

// Country is global: every tenant reads it, and only the system writes it.
type Country struct{ ent.Schema }

// Annotations makes it global.
func (Country) Annotations() []schema.Annotation { return []schema.Annotation{entstratum.Global()} }

// Fields of the Country. Its id is the code.
func (Country) Fields() []ent.Field {
	return []ent.Field{
		field.String("id").StorageKey("code").MinLen(2).MaxLen(2).Immutable(),
		field.String("name").NotEmpty(),
	}
}

// Edges of the Country.
func (Country) Edges() []ent.Edge {
	return []ent.Edge{edge.From("tickets", Ticket.Type).Ref("country")}
}
