package gormstratum_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/google/uuid"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// Invoice is tenant-owned: it embeds Tenant.
type Invoice struct {
	gormstratum.Tenant
	ID     uuid.UUID `gorm:"type:uuid;primaryKey;default:gen_random_uuid()"`
	Number string    `gorm:"uniqueIndex"` // becomes unique per tenant
	Cents  int64
}

// Country is global: every tenant reads it, only the system writes it.
type Country struct {
	gormstratum.Global
	Code string `gorm:"primaryKey;size:2"`
	Name string
}

// A new application: tenants from the first line on.
//
//nolint:errcheck // st.Close is deferred as in a program's main
func Example_newApplication() {
	ctx := context.Background()
	dsn, stop := exampleDatabase(ctx)
	defer stop()

	st, err := core.Open(ctx, core.Options{DSN: dsn, Logger: quiet()})
	must(err)
	defer st.Close()
	must(st.Migrate(ctx)) // Stratum's own schema

	db, err := gorm.Open(gormstratum.Open(st), &gorm.Config{Logger: logger.Discard})
	must(err)
	must(db.Use(gormstratum.New(st, gormstratum.Options{
		Models: []any{&Invoice{}, &Country{}},
	})))
	must(gormstratum.Migrate(ctx, db, gormstratum.MigrateOptions{})) // instead of db.AutoMigrate

	acme, err := st.Tenants.Create(ctx, core.NewTenant{Name: "Acme", Slug: "acme"})
	must(err)
	bolt, err := st.Tenants.Create(ctx, core.NewTenant{Name: "Bolt", Slug: "bolt"})
	must(err)

	asAcme := core.WithTenant(ctx, acme.ID)
	asBolt := core.WithTenant(ctx, bolt.ID)
	must(db.WithContext(asAcme).Create(&Invoice{Number: "A-1", Cents: 1200}).Error)
	must(db.WithContext(asBolt).Create(&Invoice{Number: "A-1", Cents: 9900}).Error)

	var invoices []Invoice
	must(db.WithContext(asAcme).Find(&invoices).Error)
	fmt.Println("Acme sees", len(invoices), "invoice of", invoices[0].Cents, "cents")

	var total int64
	must(db.WithContext(asBolt).Raw("SELECT sum(cents) FROM invoices").Scan(&total).Error)
	fmt.Println("raw SQL as Bolt sums up to", total)

	err = db.Find(&invoices).Error
	fmt.Println("no tenant:", errors.Is(err, core.ErrNoTenant))

	// Output:
	// Acme sees 1 invoice of 1200 cents
	// raw SQL as Bolt sums up to 9900
	// no tenant: true
}

// Customer is a model as an application has it that knows of no tenants.
type Customer struct {
	gormstratum.Tenant           // the one line that is new
	ID                 uuid.UUID `gorm:"type:uuid;primaryKey;default:gen_random_uuid()"`
	Email              string    `gorm:"uniqueIndex"`
}

// An existing application: its rows become the first tenant's.
//
//nolint:errcheck // st.Close is deferred as in a program's main
func Example_existingApplication() {
	ctx := context.Background()
	dsn, stop := exampleDatabase(ctx)
	defer stop()

	// The application as it was: a table with rows, and no tenant anywhere.
	db, err := gorm.Open(postgres.Open(dsn), &gorm.Config{Logger: logger.Discard})
	must(err)
	must(db.Exec(`CREATE TABLE customers (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email text)`).Error)
	must(db.Exec(`CREATE UNIQUE INDEX idx_customers_email ON customers (email)`).Error)
	must(db.Exec(`INSERT INTO customers (email) VALUES ('ann@example.org'), ('bob@example.org')`).Error)

	// What is new.
	st, err := core.Open(ctx, core.Options{DSN: dsn, Logger: quiet()})
	must(err)
	defer st.Close()
	must(st.Migrate(ctx))
	must(db.Use(gormstratum.New(st, gormstratum.Options{Models: []any{&Customer{}}})))

	first, err := st.Tenants.Create(ctx, core.NewTenant{Name: "First", Slug: "first"})
	must(err)
	must(gormstratum.Migrate(ctx, db, gormstratum.MigrateOptions{ExistingRows: first.ID}))

	var count int64
	must(db.WithContext(core.WithTenant(ctx, first.ID)).Model(&Customer{}).Count(&count).Error)
	fmt.Println("the first tenant has", count, "customers")

	second, err := st.Tenants.Create(ctx, core.NewTenant{Name: "Second", Slug: "second"})
	must(err)
	asSecond := core.WithTenant(ctx, second.ID)
	must(db.WithContext(asSecond).Create(&Customer{Email: "ann@example.org"}).Error)
	must(db.WithContext(asSecond).Model(&Customer{}).Count(&count).Error)
	fmt.Println("the second tenant has", count, "with an email that the first has too")

	// Output:
	// the first tenant has 2 customers
	// the second tenant has 1 with an email that the first has too
}

// Open's pool is guarded from the first moment on, before db.Use and without it.
func ExampleOpen() {
	ctx := context.Background()
	st, stop := exampleStratum(ctx)
	defer stop()

	db, err := gorm.Open(gormstratum.Open(st), &gorm.Config{Logger: logger.Discard})
	must(err)
	fmt.Println(errors.Is(db.Exec("SELECT 1").Error, core.ErrNoTenant))

	acme, err := st.Tenants.Create(ctx, core.NewTenant{Name: "Acme", Slug: "acme"})
	must(err)
	var one int
	must(db.WithContext(core.WithTenant(ctx, acme.ID)).Raw("SELECT 1").Scan(&one).Error)
	fmt.Println(one)

	// Output:
	// true
	// 1
}

// A model that is in none of the lists of Options, or in two, is an error at Use.
func ExampleNew() {
	st, stop := exampleStratum(context.Background())
	defer stop()

	type Forgotten struct{ ID uint }
	db, err := gorm.Open(gormstratum.Open(st), &gorm.Config{Logger: logger.Discard})
	must(err)
	fmt.Println(db.Use(gormstratum.New(st, gormstratum.Options{Models: []any{&Forgotten{}}})))
	fmt.Println(db.Use(gormstratum.New(st, gormstratum.Options{
		Models:   []any{&Invoice{}},
		Global:   []any{&Forgotten{}},
		External: []string{"goose_db_version", "river_job: SELECT, INSERT"},
	})))

	// Output:
	// gormstratum: model Forgotten is neither tenant-owned nor global nor external (embed gormstratum.Tenant, or embed gormstratum.Global or name it in Options.Global, or name table "forgottens" in Options.External)
	// <nil>
}

// Migrate stands where db.AutoMigrate stood, at the program's start.
func ExampleMigrate() {
	ctx := context.Background()
	st, stop := exampleStratum(ctx)
	defer stop()

	db, err := gorm.Open(gormstratum.Open(st), &gorm.Config{Logger: logger.Discard})
	must(err)
	must(db.Use(gormstratum.New(st, gormstratum.Options{Models: []any{&Invoice{}}})))
	fmt.Println(db.AutoMigrate(&Invoice{}))
	fmt.Println(gormstratum.Migrate(ctx, db, gormstratum.MigrateOptions{}))
	fmt.Println(gormstratum.Migrate(ctx, db, gormstratum.MigrateOptions{})) // finds nothing to do

	// Output:
	// gormstratum: the schema is changed by its owner, not on a tenant's connection (call gormstratum.Migrate(ctx, db, gormstratum.MigrateOptions{}) instead of db.AutoMigrate)
	// <nil>
	// <nil>
}

// exampleStratum gives an example a handle on a database with Stratum's schema.
func exampleStratum(ctx context.Context) (st *core.Stratum, stop func()) {
	dsn, _ := exampleDatabase(ctx)
	st, err := core.Open(ctx, core.Options{DSN: dsn, Logger: quiet()})
	must(err)
	must(st.Migrate(ctx))
	return st, func() { must(st.Close()) }
}

// quiet keeps the warning about a superuser's DSN out of the examples.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func must(err error) {
	if err != nil {
		panic(err)
	}
}
