package gormstratum_test

import (
	"context"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// Three tenants, three isolations, one *gorm.DB.
//
//nolint:errcheck // st.Close is deferred as in a program's main
func Example_isolation() {
	ctx := context.Background()
	dsn, stop := exampleDatabase(ctx)
	defer stop()

	st, err := core.Open(ctx, core.Options{DSN: dsn, Logger: quiet()})
	must(err)
	defer st.Close()
	must(st.Migrate(ctx))
	db, err := gorm.Open(gormstratum.Open(st), &gorm.Config{Logger: logger.Discard})
	must(err)
	must(db.Use(gormstratum.New(st, gormstratum.Options{Models: []any{&Invoice{}, &Country{}}})))
	must(gormstratum.Migrate(ctx, db, gormstratum.MigrateOptions{}))

	acme, err := st.Tenants.Create(ctx, core.NewTenant{Name: "Acme", Slug: "acme"}) // in the shared tables
	must(err)
	bolt, err := st.Tenants.Create(ctx, core.NewTenant{
		Name: "Bolt", Slug: "bolt", Isolation: core.SchemaIsolation,
	})
	must(err)
	coil, err := st.Tenants.Create(ctx, core.NewTenant{
		Name: "Coil", Slug: "coil", Isolation: core.DatabaseIsolation,
	})
	must(err)

	for _, tenant := range []core.Tenant{acme, bolt, coil} {
		as := core.WithTenant(ctx, tenant.ID)
		must(db.WithContext(as).Create(&Invoice{Number: "A-1", Cents: 1200}).Error)

		var invoices []Invoice
		must(db.WithContext(as).Find(&invoices).Error)
		fmt.Println(tenant.Name, "sees", len(invoices), "invoice:", tenant.Isolation)
	}

	// Output:
	// Acme sees 1 invoice: shared
	// Bolt sees 1 invoice: schema
	// Coil sees 1 invoice: database
}

// PaidInvoice is the next version of Invoice: it has a column more.
type PaidInvoice struct {
	Invoice
	Paid bool `gorm:"not null;default:false"`
}

// TableName is that of Invoice.
func (PaidInvoice) TableName() string { return "invoices" }

// The next version of the models, everywhere: in the shared tables, in each schema and in each database.
func ExampleMigrations() {
	ctx := context.Background()
	st, stop := exampleStratum(ctx)
	defer stop()
	db, err := gorm.Open(gormstratum.Open(st), &gorm.Config{Logger: logger.Discard})
	must(err)
	must(db.Use(gormstratum.New(st, gormstratum.Options{Models: []any{&Invoice{}}})))
	must(gormstratum.Migrate(ctx, db, gormstratum.MigrateOptions{}))
	for _, isolation := range []core.Isolation{core.SharedIsolation, core.SchemaIsolation, core.DatabaseIsolation} {
		_, err := st.Tenants.Create(ctx, core.NewTenant{
			Name: string(isolation), Slug: string(isolation), Isolation: isolation,
		})
		must(err)
	}

	// The next version of the program.
	next, err := gorm.Open(gormstratum.Open(st), &gorm.Config{Logger: logger.Discard})
	must(err)
	must(next.Use(gormstratum.New(st, gormstratum.Options{Models: []any{&PaidInvoice{}}})))

	_, err = st.Fleet.Migrate(ctx, core.FleetOptions{ // instead of gormstratum.Migrate
		Migrations: []core.Migrations{gormstratum.Migrations(next, gormstratum.MigrateOptions{})},
		Progress:   func(p core.FleetProgress) { _ = p.Ended() }, // of p.Targets: draw a bar
	})
	must(err)
	for drift, err := range st.Fleet.Drift(ctx) {
		must(err)
		fmt.Println(drift.Target.ID, "differs:", drift.Differences)
	}
	fmt.Println("all alike")

	// Output:
	// all alike
}
