package schema

import (
	"time"

	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/examples/internal/dataset"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// Ticket is tenant-owned, because it has the Mixin. The rest is ent as ever.
type Ticket struct{ ent.Schema }

// Mixin makes it tenant-owned.
func (Ticket) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.Mixin{}} }

// Fields of the Ticket.
func (Ticket) Fields() []ent.Field {
	return []ent.Field{
		id(),
		field.String("number").NotEmpty(),
		field.String("subject").NotEmpty(),
		field.Enum("status").GoType(dataset.Status("")),
		field.Enum("priority").GoType(dataset.Priority("")),
		// An email address, or empty. The database sees it sealed, and finds it, however it is written.
		field.String("requester").Annotations(entstratum.Encrypted(), entstratum.Searchable(fieldcrypt.IndexOptions{
			Normalize: []fieldcrypt.Normalizer{fieldcrypt.Casefold, fieldcrypt.Trim},
		})),
		field.String("country_code").Optional().Nillable(),
		field.Time("opened_at"),
		field.Time("closed_at").Optional().Nillable(),
	}
}

// Edges of the Ticket.
func (Ticket) Edges() []ent.Edge {
	return []ent.Edge{
		// A plain foreign key: countries belong to nobody.
		edge.To("country", Country.Type).Field("country_code").Unique(),
		edge.To("comments", Comment.Type).Annotations(entsql.OnDelete(entsql.Cascade)),
		// The join table is tenant-owned, too.
		edge.To("tags", Tag.Type).StorageKey(edge.Table("ticket_tags"), edge.Columns("ticket_id", "tag_id")),
	}
}

// Indexes of the Ticket. A unique index begins with the tenant, or no code is generated.
func (Ticket) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("tenant_id", "number").Unique(),
		index.Fields("status"), // tenant_id is put in front
	}
}

// Comment belongs to a ticket of the same tenant: its foreign key becomes (tenant_id, ticket_id).
type Comment struct{ ent.Schema }

// Mixin makes it tenant-owned.
func (Comment) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.Mixin{}} }

// Fields of the Comment.
func (Comment) Fields() []ent.Field {
	return []ent.Field{
		id(),
		field.UUID("ticket_id", uuid.UUID{}).StructTag(`json:"-"`),
		field.String("author").NotEmpty(),
		field.String("body").NotEmpty(),
		field.Time("written_at").Default(time.Now),
	}
}

// Edges of the Comment.
func (Comment) Edges() []ent.Edge {
	return []ent.Edge{edge.From("ticket", Ticket.Type).Ref("comments").Field("ticket_id").Unique().Required()}
}

// Tag is a tenant's own label for tickets. Two tenants may both have one named "network".
type Tag struct{ ent.Schema }

// Mixin makes it tenant-owned.
func (Tag) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.Mixin{}} }

// Fields of the Tag.
func (Tag) Fields() []ent.Field { return []ent.Field{id(), field.String("name").NotEmpty()} }

// Edges of the Tag.
func (Tag) Edges() []ent.Edge { return []ent.Edge{edge.From("tickets", Ticket.Type).Ref("tags")} }

// Indexes of the Tag.
func (Tag) Indexes() []ent.Index { return []ent.Index{index.Fields("tenant_id", "name").Unique()} }

// id is a random uuid, made by the program, or by the database for a row of raw SQL.
func id() ent.Field {
	return field.UUID("id", uuid.UUID{}).Default(uuid.New).Annotations(entsql.DefaultExpr("gen_random_uuid()"))
}
