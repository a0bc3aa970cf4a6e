package core_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// openSealed opens a fresh database with a KEK, and makes a tenant.
func openSealed(ctx context.Context) (st *core.Stratum, acme core.Tenant, cleanUp func()) {
	server, err := exampleServer()
	if err != nil {
		log.Fatal(err)
	}
	var db *stratumtest.Database
	if db, err = server.CreateDatabase(ctx, ""); err != nil {
		log.Fatal(err)
	}
	o := db.Options()
	if o.KEK, err = fieldcrypt.LocalKEK(fieldcrypt.NewKey()); err != nil { // an application keeps its key
		log.Fatal(err)
	}
	if st, err = core.Open(ctx, o); err != nil {
		log.Fatal(err)
	}
	if err = st.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	if acme, err = st.Tenants.Create(ctx, core.NewTenant{Name: "Acme", Slug: "acme"}); err != nil {
		log.Fatal(err)
	}
	return st, acme, func() { _ = st.Close() }
}

// A field that is sealed for a tenant, found by its blind index, and destroyed with the tenant's keys.
func ExampleKeys() {
	ctx := context.Background()
	st, acme, cleanUp := openSealed(ctx)
	defer cleanUp()
	email, err := st.Keys.Column(fieldcrypt.ColumnOptions{
		Table: "people", Column: "email",
		Indexes: []fieldcrypt.IndexOptions{{Normalize: []fieldcrypt.Normalizer{fieldcrypt.Casefold}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	in := core.WithTenant(ctx, acme.ID)
	encoded, _, _ := fieldcrypt.Encode(nil, "ann@example.org")
	sealed, _ := email.Seal(in, acme.ID, nil, encoded, nil)
	opened, _ := email.Open(in, acme.ID, nil, sealed, nil)
	var text string
	fmt.Println(fieldcrypt.Decode(opened, &text), text)

	other, _, _ := fieldcrypt.Encode(nil, "ANN@example.org")
	one, _ := email.Index(in, acme.ID, email.Column().Index(""), nil, encoded)
	two, _ := email.Index(in, acme.ID, email.Column().Index(""), nil, other)
	fmt.Println("found:", string(one) == string(two))

	version, _ := st.Keys.Rotate(ctx, acme.ID)
	fmt.Println("version:", version)
	report, _ := st.Keys.Shred(ctx, acme.ID, core.ShredOptions{})
	fmt.Println("keys destroyed:", len(report.Keys))
	_, err = email.Open(in, acme.ID, nil, sealed, nil)
	fmt.Println(errors.Is(err, core.ErrShredded))
	// Output:
	// <nil> ann@example.org
	// found: true
	// version: 2
	// keys destroyed: 3
	// true
}
