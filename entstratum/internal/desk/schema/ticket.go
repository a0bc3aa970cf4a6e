package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/entstratum"
)

// Ticket has comments and, through ticket_tags, tags. People watch it. Tickets are related to tickets, both ways.
type Ticket struct{ ent.Schema }

// Mixin makes it tenant-owned.
func (Ticket) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.Mixin{}} }

// Fields of the Ticket.
func (Ticket) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("id", uuid.UUID{}).Default(uuid.New),
		field.String("number"),
		field.String("title").Default(""),
		field.String("status").Default("open"),
		field.Int("priority").Default(0),
	}
}

// Edges of the Ticket.
func (Ticket) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("comments", Comment.Type),
		edge.To("tags", Tag.Type).StorageKey(edge.Table("ticket_tags"), edge.Columns("ticket_id", "tag_id")),
		edge.To("related", Ticket.Type).
			StorageKey(edge.Table("ticket_relations"), edge.Columns("ticket_id", "related_id")),
		edge.From("watchers", Person.Type).Ref("watched").Through("watches", Watcher.Type),
	}
}

// Indexes of the Ticket.
func (Ticket) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("tenant_id", "number").Unique(),
		index.Fields("status"),
	}
}

// Comment is on a ticket.
type Comment struct{ ent.Schema }

// Mixin makes it tenant-owned.
func (Comment) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.Mixin{}} }

// Fields of the Comment.
func (Comment) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("id", uuid.UUID{}).Default(uuid.New),
		field.UUID("ticket_id", uuid.UUID{}).Optional().Nillable(),
		field.String("body").Default(""),
	}
}

// Edges of the Comment.
func (Comment) Edges() []ent.Edge {
	return []ent.Edge{edge.From("ticket", Ticket.Type).Ref("comments").Field("ticket_id").Unique()}
}

// Tag is on tickets.
type Tag struct{ ent.Schema }

// Mixin makes it tenant-owned.
func (Tag) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.Mixin{}} }

// Fields of the Tag.
func (Tag) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("id", uuid.UUID{}).Default(uuid.New),
		field.String("name"),
		field.String("title").Default(""),
	}
}

// Edges of the Tag.
func (Tag) Edges() []ent.Edge {
	return []ent.Edge{edge.From("tickets", Ticket.Type).Ref("tags")}
}

// Indexes of the Tag.
func (Tag) Indexes() []ent.Index { return []ent.Index{index.Fields("tenant_id", "name").Unique()} }
