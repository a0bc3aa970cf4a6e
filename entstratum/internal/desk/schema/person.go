package schema

import (
	"time"

	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/entstratum"
)

// Person has a badge and watches tickets.
type Person struct{ ent.Schema }

// Mixin makes it tenant-owned.
func (Person) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.Mixin{}} }

// Annotations names the table.
func (Person) Annotations() []schema.Annotation {
	return []schema.Annotation{entsql.Annotation{Table: "people"}}
}

// Fields of the Person.
func (Person) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("id", uuid.UUID{}).Default(uuid.New),
		field.String("title").Default("").Annotations(entstratum.Personal()),
	}
}

// Edges of the Person.
func (Person) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("badge", Badge.Type).Unique(),
		edge.To("watched", Ticket.Type).Through("watches", Watcher.Type),
	}
}

// Badge is a person's, and nobody else's.
type Badge struct{ ent.Schema }

// Mixin makes it tenant-owned.
func (Badge) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.Mixin{}} }

// Fields of the Badge.
func (Badge) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("id", uuid.UUID{}).Default(uuid.New),
		field.UUID("person_id", uuid.UUID{}).Optional().Nillable(),
		field.String("title").Default(""),
		field.String("serial").Optional().Nillable().Unique().
			Annotations(entstratum.GlobalUnique("a serial number is printed on one badge")),
	}
}

// Edges of the Badge.
func (Badge) Edges() []ent.Edge {
	return []ent.Edge{edge.From("person", Person.Type).Ref("badge").Field("person_id").Unique()}
}

// Remark is on whatever its owner is, and may reply to another.
type Remark struct{ ent.Schema }

// Mixin makes it tenant-owned.
func (Remark) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.Mixin{}} }

// Fields of the Remark.
func (Remark) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("id", uuid.UUID{}).Default(uuid.New),
		field.UUID("owner_id", uuid.UUID{}).Optional().Nillable(),
		field.String("owner_type").Default(""),
		field.UUID("parent_id", uuid.UUID{}).Optional().Nillable(),
		field.String("title").Default(""),
		field.Time("deleted_at").Optional().Nillable(),
	}
}

// Edges of the Remark.
func (Remark) Edges() []ent.Edge {
	return []ent.Edge{edge.To("replies", Remark.Type).From("parent").Field("parent_id").Unique()}
}

// Watcher joins a person and a ticket.
type Watcher struct{ ent.Schema }

// Mixin makes it tenant-owned.
func (Watcher) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.Mixin{}} }

// Annotations names the key.
func (Watcher) Annotations() []schema.Annotation {
	return []schema.Annotation{field.ID("person_id", "ticket_id")}
}

// Fields of the Watcher.
func (Watcher) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("ticket_id", uuid.UUID{}),
		field.UUID("person_id", uuid.UUID{}),
		field.String("title").Default(""),
		field.Time("since").Default(time.Now),
	}
}

// Edges of the Watcher.
func (Watcher) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("ticket", Ticket.Type).Field("ticket_id").Unique().Required(),
		edge.To("person", Person.Type).Field("person_id").Unique().Required(),
	}
}

// Country is the same for every tenant.
type Country struct{ ent.Schema }

// Annotations makes it global.
func (Country) Annotations() []schema.Annotation { return []schema.Annotation{entstratum.Global()} }

// Fields of the Country.
func (Country) Fields() []ent.Field {
	return []ent.Field{field.String("code").Unique(), field.String("name")}
}

// Template is a tenant's, or everyone's.
type Template struct{ ent.Schema }

// Mixin gives rows to a tenant or to everyone.
func (Template) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.OwnOrGlobal{}} }

// Fields of the Template.
func (Template) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("id", uuid.UUID{}).Default(uuid.New),
		field.String("code"),
		field.String("body").Default(""),
	}
}

// Indexes of the Template.
func (Template) Indexes() []ent.Index {
	return []ent.Index{index.Fields("tenant_id", "code").Unique()}
}
