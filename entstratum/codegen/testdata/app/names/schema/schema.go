// Package schema has entities, edges and tables of names that mean something to Stratum, to Go or to SQL.
package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"

	"github.com/stratum-hq/stratum-go/entstratum"
)

// owned is every schema here that is a tenant's.
type owned struct{ ent.Schema }

func (owned) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.Mixin{}} }

// Stratum is what the earth is made of.
type Stratum struct{ owned }

// Fields of the Stratum.
func (Stratum) Fields() []ent.Field {
	return []ent.Field{
		field.String("id"), field.Int("stratum_at"), field.String("stratum_scope"), field.String("tables"),
		field.String("package").Annotations(entstratum.Personal()),
	}
}

// Edges of the Stratum.
func (Stratum) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("stratum", Stratum.Type).From("stratum_tables").Unique(), edge.To("core", Core.Type),
		edge.To("select", Scope.Type), edge.To("group", Scope.Type).Unique(),
	}
}

// Annotations name the table.
func (Stratum) Annotations() []schema.Annotation { return []schema.Annotation{entsql.Table("order")} }

// Indexes of the Stratum.
func (Stratum) Indexes() []ent.Index { return []ent.Index{index.Fields("tables").Edges("group")} }

// Scope has an id that ent gives it.
type Scope struct{ owned }

// Annotations name the table.
func (Scope) Annotations() []schema.Annotation { return []schema.Annotation{entsql.Table("select")} }

// Edges of the Scope.
func (Scope) Edges() []ent.Edge { return []ent.Edge{edge.From("user", Stratum.Type).Ref("select")} }

// Core is a package of Stratum's.
type Core struct{ owned }

// Fields of the Core.
func (Core) Fields() []ent.Field {
	return []ent.Field{field.Int64("id"), field.String("entstratum").Optional()}
}

// Annotations name the table.
func (Core) Annotations() []schema.Annotation { return []schema.Annotation{entsql.Table("Table")} }

// Entstratum is another.
type Entstratum struct{ owned }

// Registry is a type of Stratum's, and so is Table.
type (
	Registry  struct{ owned }
	Table     struct{ owned }
	Field     struct{ owned }
	Condition struct{ owned }
	Narrow    struct{ owned }
	S         struct{ owned }
)
