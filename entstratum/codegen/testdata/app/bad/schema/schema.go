// Package schema has been ent's before Stratum was there.
package schema

import (
	"time"

	"entgo.io/ent"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
)

// Ticket has a number.
type Ticket struct{ ent.Schema }

// Fields of the Ticket. A default makes the generated runtime.go import this package.
func (Ticket) Fields() []ent.Field {
	return []ent.Field{field.String("number").Unique(), field.Time("made_at").Default(time.Now)}
}

// Edges of the Ticket.
func (Ticket) Edges() []ent.Edge { return []ent.Edge{edge.To("tags", Tag.Type)} }

// Tag is on tickets.
type Tag struct{ ent.Schema }
