package codegen_test

import (
	"testing"

	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/entc/load"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/entstratum"
)

// mixinWith is the mixin with another field for the tenant, as somebody might make it who wants to change it.
type mixinWith struct {
	entstratum.Mixin

	field ent.Field
}

func (m mixinWith) Fields() []ent.Field { return []ent.Field{m.field} }

// The mixin without what works at run time.
type (
	withoutHooks        struct{ entstratum.Mixin }
	withoutInterceptors struct{ entstratum.Mixin }
	withoutPolicy       struct{ entstratum.Mixin }
	withoutField        struct{ entstratum.Mixin }
)

func (withoutHooks) Hooks() []ent.Hook                      { return nil }
func (withoutInterceptors) Interceptors() []ent.Interceptor { return nil }
func (withoutPolicy) Policy() ent.Policy                    { return nil }
func (withoutField) Fields() []ent.Field                    { return nil }

func TestRefuseTenant(t *testing.T) {
	t.Parallel()
	const notMixedIn = "it is not the mixin's, whose hook stamps rows and whose interceptor and policy narrow statements"
	said := entstratum.Annotation{Classes: []entstratum.Class{entstratum.ClassOwned}, Column: "tenant_id"}
	refuse(t, []refusal{
		{
			name:     "no field",
			schemas:  []*load.Schema{of(t, "Ticket", said)},
			findings: []string{"Ticket: it has no field tenant_id"},
		},
		{
			name: "a field of another make",
			schemas: []*load.Schema{
				of(t, "Ticket", said, field.UUID("tenant_id", uuid.UUID{}).Immutable()),
				of(t, "Person", withoutField{}, field.UUID("tenant_id", uuid.UUID{}).Immutable()),
			},
			findings: []string{"Person.tenant_id: " + notMixedIn, "Ticket.tenant_id: " + notMixedIn},
		},
		{
			name:     "a mixin without hooks",
			schemas:  []*load.Schema{of(t, "Ticket", withoutHooks{})},
			findings: []string{"Ticket.tenant_id: " + notMixedIn},
		},
		{
			name:     "a mixin without interceptors",
			schemas:  []*load.Schema{of(t, "Ticket", withoutInterceptors{})},
			findings: []string{"Ticket.tenant_id: " + notMixedIn},
		},
		{
			name:     "a mixin without a policy",
			schemas:  []*load.Schema{of(t, "Ticket", withoutPolicy{})},
			findings: []string{"Ticket.tenant_id: " + notMixedIn},
		},
		{
			name:     "mutable",
			schemas:  []*load.Schema{of(t, "Ticket", mixinWith{field: field.UUID("tenant_id", uuid.UUID{})})},
			findings: []string{"Ticket.tenant_id: the tenant of a row could be changed"},
		},
		{
			name:     "a string",
			schemas:  []*load.Schema{of(t, "Ticket", mixinWith{field: field.String("tenant_id").Immutable()})},
			findings: []string{"Ticket.tenant_id: the tenant is not a uuid"},
		},
		{
			name: "unique, mutable, of another type and in another column",
			schemas: []*load.Schema{
				of(t, "Ticket", mixinWith{field: field.Int("tenant_id").Unique().StorageKey("org")}),
			},
			findings: []string{
				"Ticket.tenant_id: the tenant is not a uuid",
				"Ticket.tenant_id: the tenant of a row could be changed",
				"Ticket.tenant_id: a tenant could have one row only",
				"Ticket.tenant_id: its column is not the one that the mixin names",
			},
		},
		{
			name:     "a second way to the column",
			schemas:  []*load.Schema{owned(t, "Ticket", field.UUID("owner", uuid.UUID{}).StorageKey("tenant_id"))},
			findings: []string{"Ticket.owner: it is stored in the tenant column"},
		},
		{
			name:     "the id in the column",
			schemas:  []*load.Schema{of(t, "Ticket", entstratum.Mixin{Column: "id"})},
			findings: []string{"Ticket.id: it is stored in the tenant column"},
		},
		{
			name: "an edge in the column",
			schemas: []*load.Schema{
				owned(t, "Ticket", edge.To("country", Country.Type).Unique().StorageKey(edge.Column("tenant_id"))),
				global(t, "Country"),
			},
			findings: []string{
				"Ticket.country: changing it would move rows of Ticket to another tenant: its column is the tenant's",
			},
		},
		{
			name: "the tenant's field as that of an edge, which the other side could change",
			schemas: []*load.Schema{
				owned(t, "Ticket", edge.From("country", Country.Type).Ref("tickets").Field("tenant_id").Unique().Immutable()),
				global(t, "Country", edge.To("tickets", Ticket.Type)),
			},
			findings: []string{
				"Country.tickets: changing it would move rows of Ticket to another tenant: its column is the tenant's",
			},
		},
		{
			name: "columns of other names",
			schemas: []*load.Schema{
				of(t, "Ticket", entstratum.Mixin{Column: "org_id"}, index.Fields("tenant_id").Unique()),
				of(t, "Template", entstratum.OwnOrGlobal{Column: "org_id"}),
			},
		},
	})
}

func TestRefuseUnique(t *testing.T) {
	t.Parallel()
	reason := entstratum.GlobalUnique("printed on the device")
	refuse(t, []refusal{
		{
			name: "fields and indexes",
			schemas: []*load.Schema{owned(t, "Ticket",
				field.String("number").Unique(), field.String("serial"),
				index.Fields("serial").Unique(), index.Fields("number", "serial").Unique().StorageKey("both"),
			)},
			findings: []string{
				"Ticket.number: a unique field tells one tenant of another's values",
				"Ticket.ticket_serial: a unique index without the tenant tells one tenant of another's values",
				"Ticket.both: a unique index without the tenant tells one tenant of another's values",
			},
		},
		{
			name:     "of a tenant or of everyone",
			schemas:  []*load.Schema{mixed(t, "Template", field.String("code").Unique())},
			findings: []string{"Template.code: a unique field tells one tenant of another's values"},
		},
		{
			name: "a partial index",
			schemas: []*load.Schema{owned(t, "Ticket", field.String("number"),
				index.Fields("number").Unique().Annotations(entsql.IndexWhere("number <> ''")))},
			findings: []string{"Ticket.ticket_number: a unique index without the tenant tells one tenant of another's values"},
		},
		{
			name: "an index of an edge",
			schemas: []*load.Schema{
				owned(t, "Ticket", edge.To("person", Person.Type).Unique(), index.Edges("person").Unique()), owned(t, "Person"),
			},
			findings: []string{
				"Ticket.ticket_ticket_person: a unique index without the tenant tells one tenant of another's values",
			},
		},
		{
			name: "the field of an edge",
			schemas: []*load.Schema{
				owned(t, "Ticket", field.UUID("person_id", uuid.UUID{}).Unique(),
					edge.To("person", Person.Type).Unique().Required().Field("person_id")),
				owned(t, "Person"),
			},
			findings: []string{"Ticket.person_id: the unique field of an edge tells one tenant of another's values"},
		},
		{
			name: "the field of an edge, with a reason",
			schemas: []*load.Schema{
				owned(t, "Ticket", field.UUID("person_id", uuid.UUID{}).Unique().Annotations(reason),
					edge.To("person", Person.Type).Unique().Required().Field("person_id")),
				owned(t, "Person"),
			},
			findings: []string{"Ticket.person_id: the field of an edge is declared as globally unique"},
		},
		{
			name: "reasons that have no use",
			schemas: []*load.Schema{owned(t, "Ticket",
				field.UUID("id", uuid.UUID{}).Annotations(reason), field.String("a").Annotations(reason), field.String("b"),
				index.Fields("b").Annotations(reason), index.Fields("tenant_id", "b").Unique().Annotations(reason),
			)},
			findings: []string{
				"Ticket.a: a field that is not unique is declared as globally unique",
				"Ticket.id: ids are unique across tenants as they are",
				"Ticket.ticket_b: an index that is not unique is declared as globally unique",
				"Ticket.ticket_tenant_id_b: an index of the tenant is declared as globally unique",
			},
		},
		{
			name: "reasons that say nothing",
			schemas: []*load.Schema{owned(t, "Ticket",
				field.String("a").Unique().Annotations(entstratum.GlobalUnique(" ")),
				field.String("b").Unique().Annotations(entstratum.GlobalUnique("")), field.String("c"),
				index.Fields("c").Unique().Annotations(entstratum.GlobalUnique("one\ntwo")),
			)},
			findings: []string{
				"Ticket.a: the reason of a globally unique index is not one line of text",
				"Ticket.b: a unique field tells one tenant of another's values",
				"Ticket.ticket_c: the reason of a globally unique index is not one line of text",
			},
		},
		{
			name: "without a tenant there is nothing to be unique for",
			schemas: []*load.Schema{
				owned(t, "Ticket"), global(t, "Country", field.String("code").Unique().Annotations(reason)),
				viewOf(t, "Report", entstratum.SecurityInvoker(), field.String("name").Annotations(reason)),
			},
			findings: []string{
				"Country.code: its rows belong to no tenant that they could be unique for",
				"Report.name: its rows belong to no tenant that they could be unique for",
			},
		},
		{
			name: "all is well",
			schemas: []*load.Schema{
				owned(t, "Ticket", field.UUID("id", uuid.UUID{}).Unique(), field.String("number"), field.String("serial"),
					field.String("imei").Unique().Annotations(reason), edge.To("badge", Person.Type).Unique(),
					index.Fields("tenant_id", "number").Unique(), index.Fields("number", "tenant_id").Unique().StorageKey("back"),
					index.Fields("number"), index.Fields("serial").Unique().Annotations(reason)),
				owned(t, "Person", edge.From("ticket", Ticket.Type).Ref("badge").Unique()),
				global(t, "Country", field.String("code").Unique()),
			},
		},
	})
}
