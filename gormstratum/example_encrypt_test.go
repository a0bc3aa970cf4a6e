package gormstratum_test

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// Contact has an address that the database does not know, and that is found all the same.
type Contact struct {
	gormstratum.Tenant
	ID    uint
	Email string `gorm:"serializer:encrypted;uniqueIndex" stratum:"searchable,normalize=casefold;trim"`
}

// A field is encrypted by a tag. The KEK is kept outside of the database.
//
//nolint:errcheck // st.Close is deferred as in a program's main
func Example_encrypted() {
	ctx := context.Background()
	dsn, stop := exampleDatabase(ctx)
	defer stop()
	kek, err := fieldcrypt.LocalKEK(fieldcrypt.NewKey())
	must(err)
	st, err := core.Open(ctx, core.Options{DSN: dsn, KEK: kek, Logger: quiet()})
	must(err)
	defer st.Close()
	must(st.Migrate(ctx))
	db, err := gorm.Open(gormstratum.Open(st), &gorm.Config{Logger: logger.Discard})
	must(err)
	must(db.Use(gormstratum.New(st, gormstratum.Options{Models: []any{&Contact{}}})))
	must(gormstratum.Migrate(ctx, db, gormstratum.MigrateOptions{}))
	acme, err := st.Tenants.Create(ctx, core.NewTenant{Name: "Acme", Slug: "acme"})
	must(err)
	db = db.WithContext(core.WithTenant(ctx, acme.ID))

	must(db.Create(&Contact{Email: "ann@example.org"}).Error)
	var contact Contact
	must(db.Where("email = ?", "Ann@Example.org ").First(&contact).Error)
	fmt.Println("found", contact.Email)
	var emails []string
	must(db.Model(&Contact{}).Pluck("email", &emails).Error)
	fmt.Println("read", emails)
	err = db.Where("email LIKE ?", "ann%").First(&contact).Error
	fmt.Println("refused:", errors.Is(err, gormstratum.ErrEncrypted))
	fmt.Println("taken:", errors.Is(db.Create(&Contact{Email: "ANN@example.org"}).Error, core.ErrDuplicateKey))

	var stored []byte
	asStored := gormstratum.AsStored(core.WithTenant(ctx, acme.ID))
	must(db.WithContext(asStored).Model(&Contact{}).Select("email").Row().Scan(&stored))
	fmt.Println("stored are", len(stored), "bytes")

	// Output:
	// found ann@example.org
	// read [ann@example.org]
	// refused: true
	// taken: true
	// stored are 49 bytes
}
