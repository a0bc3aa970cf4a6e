package codegen_test

import (
	"os"
	"path/filepath"
	"testing"

	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/entc/load"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

func TestRefuseEncrypted(t *testing.T) {
	t.Parallel()
	sealed := entstratum.Encrypted()
	refuse(t, []refusal{
		{
			name: "what cannot be",
			schemas: []*load.Schema{
				owned(t, "Ticket",
					field.String("id").Annotations(sealed),
					field.String("email").Annotations(entstratum.Searchable()),
					field.String("token").Unique().Annotations(sealed, entstratum.GlobalUnique("a token")),
					field.UUID("person_id", uuid.UUID{}).Annotations(sealed),
					field.String("phone").Annotations(sealed), index.Fields("tenant_id", "phone").Unique(),
					edge.To("person", Person.Type).Unique().Required().Field("person_id"),
				),
				owned(t, "Person"),
				global(t, "Country", field.String("email").Annotations(entstratum.Searchable())),
			},
			findings: []string{
				"Country.email: a field that is not encrypted is declared as searchable",
				"Ticket.id: it is compared by the database, and cannot be encrypted",
				"Ticket.email: a field that is not encrypted is declared as searchable",
				"Ticket.token: an encrypted field is declared as unique, and equal values are stored differently",
				"Ticket.person_id: it is compared by the database, and cannot be encrypted",
				"Ticket.phone: an encrypted field has an index, which finds nothing in sealed values",
			},
		},
		{
			name: "whose keys there are not",
			schemas: []*load.Schema{
				global(t, "Country", field.String("code").Annotations(sealed)),
				mixed(t, "Template", field.String("body").Annotations(sealed)),
				viewOf(t, "Report", entstratum.SecurityInvoker(), field.String("email").Annotations(sealed)),
			},
			findings: []string{
				"Country.code: it is encrypted with keys of its row's tenant, and not all rows have one",
				"Report.email: a view cannot tell from which column its values are",
				"Template.body: it is encrypted with keys of its row's tenant, and not all rows have one",
			},
		},
		{
			name: "what the database would know",
			schemas: []*load.Schema{owned(t, "Ticket",
				field.String("a").Annotations(sealed, entsql.Default("x")),
				field.String("b").Annotations(sealed, entsql.DefaultExpr("lower('X')")),
				field.String("c").Annotations(sealed, entsql.Annotation{Check: "c <> ''"}),
			)},
			findings: []string{
				"Ticket.a: its default would be stored in the clear",
				"Ticket.b: its default would be stored in the clear",
				"Ticket.c: its check would be done on the sealed value",
			},
		},
		{
			name: "declarations",
			schemas: []*load.Schema{
				of(t, "Ticket", entstratum.Mixin{},
					field.String("a").Annotations(entstratum.Encrypted(entstratum.EncryptedOptions{Alg: 9})),
					field.String("b").Annotations(sealed, entstratum.Searchable(fieldcrypt.IndexOptions{Bits: 999})),
					field.Bool("c").Annotations(sealed, entstratum.Searchable()),
					field.Strings("d").Annotations(sealed, entstratum.Searchable()),
					field.Int("e").Annotations(sealed, entstratum.Searchable(fieldcrypt.IndexOptions{
						Normalize: []fieldcrypt.Normalizer{fieldcrypt.Digits},
					})),
					field.String("f").Annotations(sealed, entstratum.Searchable()), field.String("f_bidx"),
					field.String("g").Annotations(entstratum.Encrypted(entstratum.EncryptedOptions{Label: "f"})),
				),
			},
			findings: []string{
				`Ticket.a: stratum: invalid encrypted column (correct its declaration): "tickets"."a" has an unknown algorithm`,
				`Ticket.b: stratum: invalid encrypted column (correct its declaration): "tickets"."b" has an index of 999 bits (1 to 256)`,
				"Ticket.c: a blind index of a bool field finds nothing, or tells everything",
				"Ticket.d: a blind index of a json field finds nothing, or tells everything",
				"Ticket.e: normalizers are for texts",
				`Ticket.f: the column "f_bidx" of its blind index is another field's`,
				"Ticket.g: its values are bound to the same label as those of f",
			},
		},
		{
			name: "indexes",
			schemas: []*load.Schema{owned(t, "Ticket",
				field.String("a").Annotations(sealed, entstratum.Searchable(fieldcrypt.IndexOptions{Bits: 12})),
				field.String("b").Annotations(sealed, entstratum.Searchable()),
				field.String("c").Annotations(sealed, entstratum.Searchable()),
				index.Fields("tenant_id", "a").Unique(),
				index.Fields("b").Unique().Annotations(entstratum.GlobalUnique("a reason")),
				index.Fields("c").Annotations(entsql.IndexType("HASH")),
			)},
			findings: []string{
				"Ticket.a: an encrypted field is unique, and so few bits of a blind index are not",
				"Ticket.b: an encrypted field cannot be unique across tenants, whose keys differ",
				"Ticket.c: an index of a blind index has no types, operators, conditions or orders",
			},
		},
		{
			name: "all is well",
			schemas: []*load.Schema{owned(t, "Ticket",
				field.String("id").Annotations(entstratum.Personal()),
				field.String("email").Annotations(sealed, entstratum.Searchable(), entstratum.Personal()),
				index.Fields("email"), index.Fields("tenant_id", "email").Unique(),
			)},
		},
	})
}

// A key that the database assigns is not there when a value is sealed.
func TestRefuseBoundToAnAssignedKey(t *testing.T) {
	t.Parallel()
	schema := loaded(t, "Ticket", assemble(t, "Ticket", []any{entstratum.Mixin{}, field.String("a").Annotations(
		entstratum.Encrypted(entstratum.EncryptedOptions{PrimaryKey: true}))}))
	require.Equal(t, []string{"Ticket.a: it is bound to the primary key, which the database assigns"},
		findings(t, target{}.check(t, schema)))
}

// Predicates and orders of an encrypted field are not generated, but for those that its blind index answers.
func TestPredicatesOfEncryptedFields(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(checkout(t), "entstratum/internal/clinic/ent/patient", name))
		require.NoError(t, err)
		return string(text)
	}
	where, orders := read("where.go"), read("patient.go")
	for _, there := range []string{
		"NameGT(", "NameContains(", "EmailEQ(", "EmailNEQ(", "EmailIn(", "EmailNotIn(", "Email(", "PhoneIsNil(", "PhoneNotNil(",
		"BornEQ(", "BornIn(", "StateEQ(", "ScanIsNil(",
	} {
		require.Contains(t, where, "func "+there)
	}
	for _, missing := range []string{
		"EmailGT(", "EmailLTE(", "EmailContains(", "EmailHasPrefix(", "EmailEqualFold(", "BornGT(", "VisitsGTE(", "Notes",
		"WeightEQ(", "Weight(", "Insured", "ScanEQ(", "Scan(", "HomeEQ(",
	} {
		require.NotContains(t, where, "func "+missing)
	}
	require.Contains(t, orders, "func ByName(")
	for _, missing := range []string{"ByEmail(", "ByNotes(", "ByBorn(", "ByVisits(", "ByState("} {
		require.NotContains(t, orders, "func "+missing)
	}
}
