package entstratum_test

import (
	"context"
	"errors"
	"fmt"

	"entgo.io/ent/dialect/sql"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/entstratum/internal/clinic/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/clinic/ent/patient"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// A field is encrypted by an annotation, and found by the predicates that are generated for it:
//
//	field.String("email").Annotations(entstratum.Encrypted(), entstratum.Searchable(fieldcrypt.IndexOptions{
//		Normalize: []fieldcrypt.Normalizer{fieldcrypt.Casefold, fieldcrypt.Trim},
//	}))
//
//nolint:errcheck // st.Close is deferred as in a program's main
func Example_encrypted() {
	ctx := context.Background()
	dsn, stop := exampleDatabase(ctx)
	defer stop()
	kek, err := fieldcrypt.LocalKEK(fieldcrypt.NewKey()) // kept outside of the database
	must(err)
	st, err := core.Open(ctx, core.Options{DSN: dsn, KEK: kek, Logger: quiet()})
	must(err)
	defer st.Close()
	must(st.Migrate(ctx))
	client := ent.OpenStratum(st)
	must(ent.StratumMigrate(ctx, client))
	acme, err := st.Tenants.Create(ctx, core.NewTenant{Name: "Acme", Slug: "acme"})
	must(err)
	ctx = core.WithTenant(ctx, acme.ID)

	must(client.Patient.Create().SetEmail("ann@example.org").SetCard("4000 1234 5678 4242").Exec(ctx))
	ann, err := client.Patient.Query().Where(patient.Email("Ann@Example.org ")).Only(ctx)
	must(err)
	fmt.Println("found", ann.Email)
	ann, err = client.Patient.Query().
		Where(sql.FieldEQ(patient.FieldCard, entstratum.ByIndex("last4", "4242"))).Only(ctx)
	must(err)
	fmt.Println("by the last digits", ann.Card)
	_, err = client.Patient.Query().Where(sql.FieldHasPrefix(patient.FieldEmail, "ann")).All(ctx)
	fmt.Println("refused:", errors.Is(err, entstratum.ErrEncrypted))
	err = client.Patient.Create().SetEmail("ANN@example.org").Exec(ctx)
	fmt.Println("taken:", ent.IsConstraintError(err))

	var stored [][]byte
	must(client.Patient.Query().Select(patient.FieldEmail).Scan(entstratum.AsStored(ctx), &stored))
	fmt.Println("stored are", len(stored[0]), "bytes")

	// Output:
	// found ann@example.org
	// by the last digits 4000 1234 5678 4242
	// refused: true
	// taken: true
	// stored are 49 bytes
}
