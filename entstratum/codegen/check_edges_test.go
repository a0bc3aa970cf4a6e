package codegen_test

import (
	"testing"

	"entgo.io/ent/entc/load"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/entstratum"
)

const cannotTell = ", whose rows are a tenant's or everyone's, and a foreign key cannot tell which"

func TestRefuseEdges(t *testing.T) {
	t.Parallel()
	const crossing = "rows of the global schema Country would refer to a tenant's rows of Ticket"
	refuse(t, []refusal{
		{
			name: "from everyone's row to a tenant's: many to one",
			schemas: []*load.Schema{
				global(t, "Country", edge.To("first", Ticket.Type).Unique()), owned(t, "Ticket"),
			},
			findings: []string{"Country.first: " + crossing},
		},
		{
			name: "one to one",
			schemas: []*load.Schema{
				global(t, "Country", edge.From("ticket", Ticket.Type).Ref("country").Unique()),
				owned(t, "Ticket", edge.To("country", Country.Type).Unique()),
			},
			findings: []string{"Ticket.country: " + crossing},
		},
		{
			name: "one to many",
			schemas: []*load.Schema{
				global(t, "Country"), owned(t, "Ticket", edge.To("countries", Country.Type)),
			},
			findings: []string{"Ticket.countries: " + crossing},
		},
		{
			name: "both ways round, where the tenant's row refers to everyone's, and a join table",
			schemas: []*load.Schema{
				global(t, "Country",
					edge.To("tickets", Ticket.Type), edge.To("badge", Ticket.Type).Unique().StorageKey(edge.Column("b")),
					edge.From("watched", Ticket.Type).Ref("watchers"), edge.To("neighbours", Country.Type)),
				owned(t, "Ticket",
					edge.From("country", Country.Type).Ref("tickets").Unique(),
					edge.From("of", Country.Type).Ref("badge").Unique(),
					edge.To("watchers", Country.Type), edge.To("related", Ticket.Type)),
			},
		},
		{
			name:     "to what may be everyone's: many to one",
			schemas:  []*load.Schema{mixed(t, "Template"), owned(t, "Ticket", edge.To("template", Template.Type).Unique())},
			findings: []string{"Ticket.template: its foreign key would refer to Template" + cannotTell},
		},
		{
			name: "one to one and one to many",
			schemas: []*load.Schema{
				mixed(t, "Template", edge.To("tickets", Ticket.Type), edge.To("first", Ticket.Type).Unique()),
				owned(t, "Ticket", edge.From("template", Template.Type).Ref("first").Unique()),
			},
			findings: []string{
				"Template.tickets: its foreign key would refer to Template" + cannotTell,
				"Template.first: its foreign key would refer to Template" + cannotTell,
			},
		},
	})
}

func TestRefuseJoins(t *testing.T) {
	t.Parallel()
	toTemplate := "its foreign key would refer to Template" + cannotTell
	refuse(t, []refusal{
		{
			name: "to what may be everyone's",
			schemas: []*load.Schema{
				mixed(t, "Template", edge.To("tickets", Ticket.Type), edge.To("alike", Template.Type)),
				owned(t, "Ticket", edge.From("templates", Template.Type).Ref("tickets")),
			},
			findings: []string{"Template.tickets: " + toTemplate, "Template.alike: " + toTemplate},
		},
		{
			name: "a column of the tenant column's name",
			schemas: []*load.Schema{
				owned(t, "Ticket", edge.To("related", Ticket.Type).StorageKey(edge.Columns("ticket_id", "tenant_id"))),
				global(t, "Country", edge.To("near", Country.Type).StorageKey(edge.Columns("tenant_id", "country_id"))),
			},
			findings: []string{"Ticket.related: a column of its join table is called tenant_id, as the tenant column is"},
		},
	})
}

// watches are tickets and people with an edge schema between them.
func watches(t *testing.T, person, ticket, watcher func(*testing.T, string, ...any) *load.Schema, link ...any) []*load.Schema {
	t.Helper()
	link = append(link,
		field.UUID("person_id", uuid.UUID{}), field.UUID("ticket_id", uuid.UUID{}),
		edge.To("person", Person.Type).Unique().Required().Field("person_id"),
		edge.To("ticket", Ticket.Type).Unique().Required().Field("ticket_id"))
	return []*load.Schema{
		person(t, "Person", edge.To("watched", Ticket.Type).Through("watches", Watcher.Type)),
		ticket(t, "Ticket", edge.From("watchers", Person.Type).Ref("watched").Through("watches", Watcher.Type)),
		watcher(t, "Watcher", link...),
	}
}

func TestRefuseThrough(t *testing.T) {
	t.Parallel()
	key := field.ID("person_id", "ticket_id")
	refuse(t, []refusal{
		{
			name:    "everyone's rows that join a tenant's",
			schemas: watches(t, owned, owned, global),
			findings: []string{
				"Person.watched: its edge schema Watcher is not tenant-owned, and joins a tenant's rows",
				"Watcher.person: rows of the global schema Watcher would refer to a tenant's rows of Person",
				"Watcher.ticket: rows of the global schema Watcher would refer to a tenant's rows of Ticket",
			},
		},
		{
			name:     "a tenant's or everyone's rows that join a tenant's",
			schemas:  watches(t, global, owned, mixed),
			findings: []string{"Person.watched: its edge schema Watcher is not tenant-owned, and joins a tenant's rows"},
		},
		{
			name:    "no class",
			schemas: watches(t, owned, owned, of),
			findings: []string{
				"Person.watched: its edge schema Watcher is not tenant-owned, and joins a tenant's rows",
				"Watcher: it is neither tenant-owned nor global",
			},
		},
		{
			name:     "a tenant's rows that join everyone's, with a key that tenants would share",
			schemas:  watches(t, global, global, owned, key),
			findings: []string{"Watcher: its key of two global rows tells one tenant of another's"},
		},
		{
			name:    "what may be everyone's",
			schemas: watches(t, owned, mixed, owned),
			findings: []string{
				"Person.watched: its foreign key would refer to Ticket" + cannotTell,
				"Watcher.ticket: its foreign key would refer to Ticket" + cannotTell,
			},
		},
		{name: "a tenant's rows that join everyone's", schemas: watches(t, global, global, owned)},
		{name: "a tenant's rows that join a tenant's", schemas: watches(t, owned, owned, owned, key)},
		{name: "a tenant's rows that join a tenant's, with an id", schemas: watches(t, owned, owned, owned)},
		{name: "a tenant's rows that join a tenant's and everyone's", schemas: watches(t, global, owned, owned, key)},
		{name: "everyone's", schemas: watches(t, global, global, global, key)},
	})
}

func TestRefuseThroughNamedOnce(t *testing.T) {
	t.Parallel()
	link := []any{
		entstratum.OwnOrGlobal{},
		field.UUID("person_id", uuid.UUID{}), field.UUID("ticket_id", uuid.UUID{}),
		edge.To("person", Person.Type).Unique().Required().Field("person_id"),
		edge.To("ticket", Ticket.Type).Unique().Required().Field("ticket_id"),
	}
	refuse(t, []refusal{{
		name: "by the side that refers back",
		schemas: []*load.Schema{
			owned(t, "Person", edge.To("watched", Ticket.Type)),
			owned(t, "Ticket", edge.From("watchers", Person.Type).Ref("watched").Through("watches", Watcher.Type)),
			of(t, "Watcher", link...),
		},
		findings: []string{"Person.watched: its edge schema Watcher is not tenant-owned, and joins a tenant's rows"},
	}})
}
