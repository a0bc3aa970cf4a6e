// Package schema holds the schema of plain ent.
package schema

import (
	"time"

	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"github.com/google/uuid"
)

// Ticket is a row of the table that no policy acts on. Whoever writes the WHERE by hand writes the tenant by hand.
type Ticket struct{ ent.Schema }

// Annotations names the table.
func (Ticket) Annotations() []schema.Annotation {
	return []schema.Annotation{entsql.Annotation{Table: "plain_tickets"}}
}

// Fields of the Ticket.
func (Ticket) Fields() []ent.Field {
	return append([]ent.Field{field.UUID("tenant_id", uuid.UUID{}).Immutable()}, Row()...)
}

// Row are the fields that the tables of both clients have.
func Row() []ent.Field {
	return []ent.Field{
		field.UUID("id", uuid.UUID{}).Default(uuid.New),
		field.Int64("number"),
		field.String("title"),
		field.String("body"),
		field.Time("created_at").Default(time.Now),
		field.Time("updated_at").Default(time.Now),
	}
}
