package gormstratum_test

import (
	"context"
	"fmt"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// Booking is a model of an application that has run for years: the table has an account_id. Tenant is new.
type Booking struct {
	gormstratum.Tenant
	ID        int64
	AccountID int64  `gorm:"not null"`
	Number    string `gorm:"uniqueIndex"`
}

// An application that runs is adopted step by step: its plain version works on until the tables are sealed.
//
//nolint:errcheck // st.Close is deferred as in a program's main
func ExampleAdopt() {
	ctx := context.Background()
	dsn, stop := exampleDatabase(ctx)
	defer stop()
	plain, err := gorm.Open(postgres.Open(dsn), &gorm.Config{Logger: logger.Discard})
	must(err)
	pool, err := plain.DB()
	must(err)
	defer pool.Close()
	must(plain.Exec(`CREATE TABLE bookings (id bigserial PRIMARY KEY, account_id bigint NOT NULL, number text);
		CREATE UNIQUE INDEX idx_bookings_number ON bookings (number);
		INSERT INTO bookings (account_id, number) VALUES (7, 'B-1'), (8, 'B-2')`).Error)

	st, err := core.Open(ctx, core.Options{DSN: dsn, Logger: quiet()})
	must(err)
	defer st.Close()
	must(st.Migrate(ctx))
	seven, err := st.Tenants.Create(ctx, core.NewTenant{Name: "Seven", Slug: "seven", ExternalID: "7"})
	must(err)
	_, err = st.Tenants.Create(ctx, core.NewTenant{Name: "Eight", Slug: "eight", ExternalID: "8"})
	must(err)

	db, err := gorm.Open(gormstratum.Open(st), &gorm.Config{Logger: logger.Discard})
	must(err)
	must(db.Use(gormstratum.New(st, gormstratum.Options{Models: []any{&Booking{}}})))
	options := gormstratum.AdoptOptions{Key: gormstratum.AdoptKey{Column: "account_id"}, To: gormstratum.AdoptSwitched}
	must(gormstratum.Adopt(ctx, db, options))

	// Both versions, side by side.
	must(plain.Exec("INSERT INTO bookings (account_id, number) VALUES (7, 'B-3')").Error)
	var bookings []Booking
	must(db.WithContext(core.WithTenant(ctx, seven.ID)).Order("id").Find(&bookings).Error)
	fmt.Println(len(bookings), bookings[1].Number)

	options.To = gormstratum.AdoptSealed
	must(gormstratum.Adopt(ctx, db, options))
	report, err := gormstratum.AdoptReport(ctx, db, options)
	must(err)
	fmt.Println(report[0].Table, report[0].Step)
	// Output:
	// 2 B-3
	// "public"."bookings" sealed
}

// The way back, too, can be one step or all of them, and be printed instead of run.
func ExampleEjectScript() {
	fmt.Println(gormstratum.AdoptSealed, "->", gormstratum.AdoptSwitched, "->", gormstratum.AdoptPlain)
	// Output: sealed -> switched -> plain
}
