package codegen_test

import (
	"testing"

	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/entc/gen"
	"entgo.io/ent/entc/load"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/entstratum/codegen"
)

func TestRefuseConfig(t *testing.T) {
	t.Parallel()
	gremlin, err := gen.NewStorage("gremlin")
	require.NoError(t, err)
	refuse(t, []refusal{
		{
			name:    "schemaconfig",
			schemas: []*load.Schema{owned(t, "Ticket")},
			at:      target{config: &gen.Config{Features: []gen.Feature{gen.FeatureSchemaConfig}}},
			findings: []string{
				"*: ent's feature sql/schemaconfig names the schema of a table in some statements and not in others",
			},
		},
		{
			name:     "gremlin",
			schemas:  []*load.Schema{owned(t, "Ticket")},
			at:       target{config: &gen.Config{Storage: gremlin}},
			findings: []string{`*: ent's storage is "gremlin"`},
		},
		{
			name:    "every other feature",
			schemas: []*load.Schema{owned(t, "Ticket")},
			at: target{config: &gen.Config{Features: []gen.Feature{
				gen.FeatureEntQL, gen.FeatureUpsert, gen.FeatureModifier, gen.FeatureLock, gen.FeatureNamedEdges,
				gen.FeatureBidiEdgeRefs, gen.FeatureSnapshot, gen.FeatureVersionedMigration, gen.FeatureGlobalID,
			}}},
		},
	})
}

func TestRefuseTables(t *testing.T) {
	t.Parallel()
	refuse(t, []refusal{
		{
			name: "bound to a schema",
			schemas: []*load.Schema{
				owned(t, "Ticket", entsql.Schema("app"), edge.To("related", Ticket.Type)),
				viewOf(t, "Report", entsql.Schema("app"), entstratum.SecurityInvoker(), field.String("name")),
			},
			findings: []string{
				`Report: its table is bound to the schema "app", wherever the tenant is placed`,
				`Ticket: its table is bound to the schema "app", wherever the tenant is placed`,
			},
		},
		{
			name: "a join table bound to a schema",
			schemas: []*load.Schema{
				owned(t, "Ticket", edge.To("related", Ticket.Type).Annotations(entsql.Schema("app"))),
			},
			findings: []string{`Ticket.related: its table is bound to the schema "app", wherever the tenant is placed`},
		},
		{
			name: "left out of the migration",
			schemas: []*load.Schema{
				owned(t, "Ticket", entsql.Skip(), edge.To("related", Ticket.Type)), global(t, "Country", entsql.Skip()),
				viewOf(t, "Report", entsql.Skip(), entstratum.SecurityInvoker(), field.String("name")),
			},
			findings: []string{
				"Country: its table is left out of the migration, and would have no policies",
				"Ticket: its table is left out of the migration, and would have no policies",
			},
		},
		{
			name: "declared twice",
			schemas: []*load.Schema{
				owned(t, "Ticket"), owned(t, "Person", entsql.Table("tickets")), global(t, "Country", entsql.Table("tickets")),
				viewOf(t, "Report", entsql.View("SELECT 1"), entsql.Table("tickets"), entstratum.SecurityInvoker(),
					field.String("name")),
			},
			findings: []string{
				`Person: its table "tickets" is also that of Country`,
				`Report: its table "tickets" is also that of Country`,
				`Ticket: its table "tickets" is also that of Country`,
			},
		},
		{
			name: "join tables declared twice",
			schemas: []*load.Schema{
				owned(t, "Ticket", edge.To("watchers", Person.Type).StorageKey(edge.Table("links"), edge.Columns("a", "b"))),
				owned(t, "Person", edge.From("watched", Ticket.Type).Ref("watchers"), edge.To("friends", Person.Type).
					StorageKey(edge.Table("countries"))),
				global(t, "Country",
					edge.To("near", Country.Type).StorageKey(edge.Table("links"), edge.Columns("a", "b"))),
			},
			findings: []string{
				`Person.friends: its table "countries" is also that of Country`,
				`Ticket.watchers: its table "links" is also that of Country.near`,
			},
		},
		{
			name:     "external as well",
			schemas:  []*load.Schema{owned(t, "Ticket", edge.To("related", Ticket.Type))},
			at:       target{options: []codegen.Option{codegen.External("tickets: SELECT", "job", "audit.tickets")}},
			findings: []string{`*: its table "tickets" is also that of Ticket`},
		},
		{
			name:     "external twice",
			schemas:  []*load.Schema{owned(t, "Ticket")},
			at:       target{options: []codegen.Option{codegen.External("job: SELECT"), codegen.External("job: DELETE")}},
			findings: []string{`*: its table "job" is also that of External`},
		},
		{
			name: "names of the generated client",
			schemas: []*load.Schema{
				owned(t, "OpenStratum"), owned(t, "StratumTable"), owned(t, "StratumClients"),
				owned(t, "Stratum", field.String("stratum_state"), field.String("stratum_scope"),
					edge.To("stratumState", Ticket.Type).Unique()), owned(t, "Ticket"),
				owned(t, "Privacy"), global(t, "Intercept"), owned(t, "Migrate"),
			},
			findings: []string{
				"Intercept: the generated client has a package of its name",
				"Migrate: the generated client has a package of its name",
				"OpenStratum: the generated client has a function of its name, or of its plural",
				"Privacy: the generated client has a package of its name",
				"Stratum.stratum_state: the generated mutation has a method of its name",
				"Stratum.stratumState: the generated mutation has a field of its name",
				"StratumTable: the generated client has a function of its name, or of its plural",
			},
		},
	})
}

func TestRefuseAnnotations(t *testing.T) {
	t.Parallel()
	all := entstratum.Personal().Merge(entstratum.Encrypted()).(entstratum.Annotation).Merge(entstratum.Searchable())
	reason := entstratum.GlobalUnique("a reason")
	refuse(t, []refusal{
		{
			name: "where nobody reads them",
			schemas: []*load.Schema{
				owned(t, "Ticket", all, reason,
					field.String("name").Annotations(entstratum.Global(), entstratum.SecurityInvoker()),
					edge.To("related", Ticket.Type).Annotations(entstratum.Personal()),
					edge.From("people", Person.Type).Ref("tickets").Annotations(reason),
					index.Fields("name").Annotations(all, entstratum.Mixin{}.Annotations()[0]),
				),
				owned(t, "Person", edge.To("tickets", Ticket.Type)),
			},
			findings: []string{
				"Ticket: entstratum.GlobalUnique() says nothing on a schema",
				"Ticket: entstratum.Personal() says nothing on a schema",
				"Ticket: entstratum.Encrypted() says nothing on a schema",
				"Ticket: entstratum.Searchable() says nothing on a schema",
				"Ticket.name: entstratum.Global() says nothing on a field",
				"Ticket.name: entstratum.SecurityInvoker() says nothing on a field",
				"Ticket.ticket_name: entstratum.Mixin{} says nothing on an index",
				"Ticket.ticket_name: entstratum.Personal() says nothing on an index",
				"Ticket.ticket_name: entstratum.Encrypted() says nothing on an index",
				"Ticket.ticket_name: entstratum.Searchable() says nothing on an index",
				"Ticket.related: entstratum.Personal() says nothing on an edge",
				"Ticket.people: entstratum.GlobalUnique() says nothing on an edge",
			},
		},
		{
			name: "of another package",
			schemas: []*load.Schema{
				owned(t, "Ticket", field.String("name").Annotations(foreign{Level: 3}),
					field.String("title").Annotations(foreign{})),
				of(t, "Person", foreign{Level: 3}),
			},
			findings: []string{
				"Person: its annotation named Stratum is not of package entstratum",
				"Person: it is neither tenant-owned nor global",
				"Ticket.name: its annotation named Stratum is not of package entstratum",
			},
		},
	})
}

// foreign is an annotation of another package that has the name of ours.
type foreign struct {
	Level int `json:",omitempty"`
}

func (foreign) Name() string { return entstratum.AnnotationName }

// TestRefuseAnnotationOnce: ent gives the annotations of an edge to the one that leads to its edge schema, too.
func TestRefuseAnnotationOnce(t *testing.T) {
	t.Parallel()
	schemas := watches(t, owned, owned, owned)
	bound := entsql.Schema("app")
	schemas[0].Edges[0].Annotations = map[string]any{
		entstratum.AnnotationName: entstratum.Personal(), bound.Name(): bound,
	}
	refuse(t, []refusal{{
		name: "of an edge with an edge schema", schemas: schemas,
		findings: []string{
			"Person.watched: entstratum.Personal() says nothing on an edge",
			`Person.watched: its table is bound to the schema "app", wherever the tenant is placed`,
		},
	}})
}
