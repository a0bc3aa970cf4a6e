// Package schema has entities of shapes that valid rows must be found for without being told how.
package schema

import (
	"time"

	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/entstratum"
)

// Vendor has columns of many types, a tenant column of another name, and a number for its id.
type Vendor struct{ ent.Schema }

func (Vendor) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.Mixin{Column: "org_id"}} }

func (Vendor) Fields() []ent.Field {
	return []ent.Field{
		field.Enum("status").Values("open", "closed"),
		field.Enum("kind").Values("a", "b").Immutable(),
		field.JSON("labels", []string{}),
		field.JSON("data", map[string]any{}).Optional(),
		field.Time("at"),
		field.Time("updated_at").Default(time.Now).UpdateDefault(time.Now),
		field.Float("rate"),
		field.Bool("on"),
		field.String("password").Sensitive().NotEmpty(),
		field.String("api_url").StorageKey("the_url"),
		field.String("code").MaxLen(5),
		field.Int("number"),
		field.Bytes("raw"),
		field.UUID("ref", uuid.UUID{}).Optional().Nillable(),
		field.Uint8("small"),
		field.Text("note").Optional(),
		field.Strings("words").Optional(),
	}
}

func (Vendor) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("items", Item.Type),
		edge.To("children", Vendor.Type).From("parent").Unique(),
		edge.To("friends", Vendor.Type),
		edge.To("region", Region.Type).Unique().Required(),
		edge.To("card", Card.Type).Unique(),
	}
}

func (Vendor) Indexes() []ent.Index {
	return []ent.Index{index.Fields("tenant_id", "code").Unique(), index.Fields("tenant_id", "number").Unique()}
}

// Item has a text for its id, and must have a vendor, by an edge without a field.
type Item struct{ ent.Schema }

func (Item) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.Mixin{}} }

func (Item) Fields() []ent.Field {
	return []ent.Field{field.String("id").StorageKey("item").MaxLen(10), field.String("name")}
}

func (Item) Edges() []ent.Edge {
	return []ent.Edge{edge.From("vendor", Vendor.Type).Ref("items").Unique().Required()}
}

func (Item) Indexes() []ent.Index {
	return []ent.Index{index.Fields("tenant_id", "name").Edges("vendor").Unique()}
}

// Card is of one vendor for ever.
type Card struct{ ent.Schema }

func (Card) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.Mixin{}} }

func (Card) Fields() []ent.Field {
	return []ent.Field{field.Int64("id"), field.Int("vendor_id").Immutable()}
}

func (Card) Edges() []ent.Edge {
	return []ent.Edge{edge.From("vendor", Vendor.Type).Ref("card").Field("vendor_id").Unique().Required().Immutable()}
}

// Region is the same for every tenant.
type Region struct{ ent.Schema }

func (Region) Annotations() []schema.Annotation { return []schema.Annotation{entstratum.Global()} }

func (Region) Fields() []ent.Field { return []ent.Field{field.String("name")} }

// Lonely has nothing but an id.
type Lonely struct{ ent.Schema }

func (Lonely) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.Mixin{}} }
