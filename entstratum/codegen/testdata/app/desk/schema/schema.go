// Package schema has something of everything.
package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"github.com/google/uuid"

	"example.com/app/audit"

	"github.com/stratum-hq/stratum-go/entstratum"
)

// base is a mixin of the application's own, with those of Stratum and of the other extension in it.
type base struct{ entstratum.Mixin }

func (b base) Fields() []ent.Field {
	return append(b.Mixin.Fields(), field.UUID("id", uuid.UUID{}).Default(uuid.New))
}

func (b base) Annotations() []schema.Annotation {
	return append(b.Mixin.Annotations(), audit.Annotation{Level: 1})
}

// Ticket is a tenant's.
type Ticket struct{ ent.Schema }

// Mixin of the Ticket.
func (Ticket) Mixin() []ent.Mixin { return []ent.Mixin{base{}} }

// Annotations of the Ticket.
func (Ticket) Annotations() []schema.Annotation {
	return []schema.Annotation{audit.Annotation{Level: 2}}
}

// Fields of the Ticket.
func (Ticket) Fields() []ent.Field {
	return []ent.Field{
		field.String("number").Annotations(audit.Annotation{Level: 1}, entstratum.Personal()),
		field.String("serial").Unique().
			Annotations(entstratum.GlobalUnique("printed on the device"), entstratum.Personal(), audit.Annotation{}),
		field.String("email").Annotations(entstratum.Encrypted(), entstratum.Searchable(), entstratum.Personal()),
	}
}

// Edges of the Ticket.
func (Ticket) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("related", Ticket.Type).Annotations(audit.Annotation{Level: 5}),
		edge.To("tags", Tag.Type).Through("links", Link.Type),
	}
}

// Indexes of the Ticket.
func (Ticket) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("tenant_id", "number").Unique().Annotations(audit.Annotation{Level: 1}),
		index.Fields("number", "email").Annotations(audit.Annotation{Level: 1}),
	}
}

// Tag is everyone's.
type Tag struct{ ent.Schema }

// Annotations of the Tag.
func (Tag) Annotations() []schema.Annotation { return []schema.Annotation{entstratum.Global()} }

// Edges of the Tag.
func (Tag) Edges() []ent.Edge {
	return []ent.Edge{edge.From("tickets", Ticket.Type).Ref("tags").Through("links", Link.Type)}
}

// Link is a tenant's, between a tenant's row and everyone's.
type Link struct{ ent.Schema }

// Mixin of the Link.
func (Link) Mixin() []ent.Mixin { return []ent.Mixin{base{Mixin: entstratum.Mixin{Column: "org_id"}}} }

// Fields of the Link.
func (Link) Fields() []ent.Field {
	return []ent.Field{field.UUID("ticket_id", uuid.UUID{}), field.Int("tag_id")}
}

// Edges of the Link.
func (Link) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("ticket", Ticket.Type).Unique().Required().Field("ticket_id"),
		edge.To("tag", Tag.Type).Unique().Required().Field("tag_id"),
	}
}

// Template is a tenant's or everyone's.
type Template struct{ ent.Schema }

// Mixin of the Template.
func (Template) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.OwnOrGlobal{}} }

// Report is a view.
type Report struct{ ent.View }

// Fields of the Report.
func (Report) Fields() []ent.Field {
	return []ent.Field{field.String("email").Annotations(entstratum.Personal()), field.Int("tickets")}
}

// Annotations of the Report.
func (Report) Annotations() []schema.Annotation {
	return []schema.Annotation{entstratum.SecurityInvoker()}
}
