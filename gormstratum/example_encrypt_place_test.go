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

// Subscriber is a model in three versions of a program: in the clear, on the way, and encrypted.
type (
	Subscriber struct {
		gormstratum.Tenant
		ID    uint
		Email string `gorm:"uniqueIndex"`
	}
	SubscriberOnTheWay struct {
		gormstratum.Tenant
		ID    uint
		Email string `gorm:"serializer:encrypted;uniqueIndex" stratum:"searchable,plain"`
	}
	SubscriberEncrypted struct {
		gormstratum.Tenant
		ID    uint
		Email string `gorm:"serializer:encrypted;uniqueIndex" stratum:"searchable"`
	}
)

// TableName is Subscriber's.
func (SubscriberOnTheWay) TableName() string { return "subscribers" }

// TableName is Subscriber's.
func (SubscriberEncrypted) TableName() string { return "subscribers" }

// A column that has values is encrypted while the application goes on. What is in one program here are three versions of
// it, one after the other.
//
//nolint:errcheck // st.Close is deferred as in a program's main
func ExampleEncryptInPlace() {
	ctx := context.Background()
	dsn, stop := exampleDatabase(ctx)
	defer stop()
	kek, err := fieldcrypt.LocalKEK(fieldcrypt.NewKey())
	must(err)
	st, err := core.Open(ctx, core.Options{DSN: dsn, KEK: kek, Logger: quiet()})
	must(err)
	defer st.Close()
	must(st.Migrate(ctx))
	version := func(model any) (*gorm.DB, error) {
		db, err := gorm.Open(gormstratum.Open(st), &gorm.Config{Logger: logger.Discard})
		must(err)
		must(db.Use(gormstratum.New(st, gormstratum.Options{Models: []any{model}})))
		return db, gormstratum.Migrate(ctx, db, gormstratum.MigrateOptions{})
	}
	plain, err := version(&Subscriber{})
	must(err)
	acme, err := st.Tenants.Create(ctx, core.NewTenant{Name: "Acme", Slug: "acme"})
	must(err)
	as := core.WithTenant(ctx, acme.ID)
	must(plain.WithContext(as).Create([]Subscriber{{Email: "ann@example.org"}, {Email: "bob@example.org"}}).Error)

	_, err = version(&SubscriberEncrypted{})
	fmt.Println("refused:", errors.Is(err, gormstratum.ErrPlain))

	onTheWay, err := version(&SubscriberOnTheWay{})
	must(err)
	var s SubscriberOnTheWay
	must(onTheWay.WithContext(as).Where("email = ?", "ann@example.org").First(&s).Error)
	fmt.Println("found before:", s.Email)
	report, err := gormstratum.EncryptInPlace(ctx, onTheWay, gormstratum.EncryptOptions{DryRun: true})
	must(err)
	fmt.Println("to be sealed:", report.Rows, "that do not fit:", report.Failed)
	report, err = gormstratum.EncryptInPlace(ctx, onTheWay, gormstratum.EncryptOptions{})
	must(err)
	fmt.Println("sealed:", report.Rows)

	encrypted, err := version(&SubscriberEncrypted{})
	must(err)
	var found SubscriberEncrypted
	must(encrypted.WithContext(as).Where("email = ?", "bob@example.org").First(&found).Error)
	fmt.Println("found afterwards:", found.Email)

	// Output:
	// refused: true
	// found before: ann@example.org
	// to be sealed: 2 that do not fit: 0
	// sealed: 2
	// found afterwards: bob@example.org
}
