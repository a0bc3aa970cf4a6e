package schema

import (
	"time"

	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// Lodging is where somebody lives.
type Lodging struct{ Street, City string }

// Patient has fields of all types that can be encrypted.
type Patient struct{ ent.Schema }

// Mixin makes it tenant-owned.
func (Patient) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.Mixin{}} }

// Fields of the Patient.
func (Patient) Fields() []ent.Field {
	sealed := entstratum.Encrypted()
	return []ent.Field{
		field.UUID("id", uuid.UUID{}).Default(uuid.New),
		field.String("name").Default(""),
		field.String("email").Annotations(sealed, entstratum.Searchable(fieldcrypt.IndexOptions{
			Normalize: []fieldcrypt.Normalizer{fieldcrypt.Casefold, fieldcrypt.Trim},
		})),
		field.String("phone").Optional().Nillable().Annotations(
			entstratum.Encrypted(entstratum.EncryptedOptions{Label: "persons.telephone"}), entstratum.Searchable()),
		field.String("blood").Default("").
			Annotations(sealed, entstratum.Searchable(fieldcrypt.IndexOptions{Bits: 1})),
		field.String("notes").Default("").Annotations(sealed, entstratum.Personal()),
		field.String("card").Optional().Annotations(sealed, entstratum.Searchable(
			fieldcrypt.IndexOptions{}, fieldcrypt.IndexOptions{
				Name: "last4", Normalize: []fieldcrypt.Normalizer{fieldcrypt.Digits, fieldcrypt.Last4},
			})),
		field.String("ssn").Optional().StorageKey("social").Annotations(
			entstratum.Encrypted(entstratum.EncryptedOptions{Alg: fieldcrypt.XAES256GCM, PrimaryKey: true}),
			entstratum.Searchable(fieldcrypt.IndexOptions{Bits: 8})),
		field.Bytes("scan").Optional().Annotations(sealed),
		field.Time("born").Optional().Annotations(sealed, entstratum.Searchable()),
		field.Float("weight").Default(0).Annotations(sealed),
		field.Int("visits").Default(0).Annotations(sealed, entstratum.Searchable()),
		field.Bool("insured").Default(false).Annotations(sealed),
		field.Enum("state").Values("well", "ill").Default("ill").Annotations(sealed, entstratum.Searchable()),
		field.UUID("token", uuid.UUID{}).Optional().Nillable().Annotations(sealed, entstratum.Searchable()),
		field.JSON("home", Lodging{}).Optional().Annotations(sealed),
		field.JSON("readings", map[string]float64{}).Optional().Annotations(sealed),
		field.Strings("allergies").Optional().Annotations(sealed),
		field.Time("seen").Default(time.Now).UpdateDefault(time.Now).Annotations(sealed),
		field.UUID("doctor_id", uuid.UUID{}).Optional().Nillable(),
	}
}

// Edges of the Patient.
func (Patient) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("doctor", Doctor.Type).Field("doctor_id").Unique(),
		edge.To("letters", Letter.Type),
		edge.To("friends", Patient.Type),
		edge.To("helpers", Doctor.Type).Through("cares", Care.Type),
	}
}

// Indexes of the Patient.
func (Patient) Indexes() []ent.Index { return []ent.Index{index.Fields("tenant_id", "email").Unique()} }

// Doctor treats patients.
type Doctor struct{ ent.Schema }

// Mixin makes it tenant-owned.
func (Doctor) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.Mixin{}} }

// Fields of the Doctor.
func (Doctor) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("id", uuid.UUID{}).Default(uuid.New),
		field.String("email").Annotations(entstratum.Encrypted(), entstratum.Searchable()),
		field.String("title").Default(""),
	}
}

// Edges of the Doctor.
func (Doctor) Edges() []ent.Edge {
	return []ent.Edge{
		edge.From("patients", Patient.Type).Ref("doctor"),
		edge.From("helped", Patient.Type).Ref("helpers").Through("cares", Care.Type),
	}
}

// Indexes of the Doctor.
func (Doctor) Indexes() []ent.Index { return []ent.Index{index.Fields("tenant_id", "email").Unique()} }

// Care joins a patient and a doctor.
type Care struct{ ent.Schema }

// Mixin makes it tenant-owned.
func (Care) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.Mixin{}} }

// Annotations names the key.
func (Care) Annotations() []schema.Annotation {
	return []schema.Annotation{field.ID("patient_id", "doctor_id")}
}

// Fields of the Care.
func (Care) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("patient_id", uuid.UUID{}),
		field.UUID("doctor_id", uuid.UUID{}),
		field.String("reason").Default("canary reason").
			Annotations(entstratum.Encrypted(), entstratum.Searchable(fieldcrypt.IndexOptions{Bits: 1})),
	}
}

// Edges of the Care.
func (Care) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("patient", Patient.Type).Field("patient_id").Unique().Required(),
		edge.To("doctor", Doctor.Type).Field("doctor_id").Unique().Required(),
	}
}

// Letter is to a patient.
type Letter struct{ ent.Schema }

// Mixin makes it tenant-owned.
func (Letter) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.Mixin{}} }

// Fields of the Letter.
func (Letter) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("id", uuid.UUID{}).Default(uuid.New),
		field.String("body").Annotations(entstratum.Encrypted()),
		field.String("email").Default(""), // in the clear
	}
}

// Edges of the Letter.
func (Letter) Edges() []ent.Edge {
	return []ent.Edge{edge.From("patient", Patient.Type).Ref("letters").Unique()}
}

type (
	// Sealed has the same rows as Plain, with two columns encrypted.
	Sealed struct{ ent.Schema }
	// Plain has them in the clear.
	Plain struct{ ent.Schema }
)

// Mixin makes it tenant-owned.
func (Sealed) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.Mixin{}} }

// Fields of the Sealed.
func (Sealed) Fields() []ent.Field {
	return []ent.Field{
		field.String("name"),
		field.String("email").Annotations(entstratum.Encrypted()),
		field.String("phone").Annotations(entstratum.Encrypted()),
	}
}

// Mixin makes it tenant-owned.
func (Plain) Mixin() []ent.Mixin { return []ent.Mixin{entstratum.Mixin{}} }

// Fields of the Plain.
func (Plain) Fields() []ent.Field {
	return []ent.Field{field.String("name"), field.String("email"), field.String("phone")}
}
