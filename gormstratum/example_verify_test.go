package gormstratum_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// Verify stands after Migrate, at the program's start or in CI.
//
//nolint:errcheck // st.Close is deferred as in a program's main
func ExampleVerify() {
	ctx := context.Background()
	dsn, stop := exampleDatabase(ctx)
	defer stop()
	st, err := core.Open(ctx, core.Options{DSN: dsn, RolePrefix: "billing", Logger: quiet()})
	must(err)
	defer st.Close()
	must(st.Migrate(ctx))
	db, err := gorm.Open(gormstratum.Open(st), &gorm.Config{Logger: logger.Discard})
	must(err)
	must(db.Use(gormstratum.New(st, gormstratum.Options{Models: []any{&Invoice{}, &Country{}}})))
	must(gormstratum.Migrate(ctx, db, gormstratum.MigrateOptions{}))

	report, err := gormstratum.Verify(ctx, db)
	must(err)
	fmt.Println("after Migrate:", report.OK(), report.ThreatModel)

	// Somebody else's migration adds an index as it would be without tenants.
	owner, err := pgx.Connect(ctx, dsn)
	must(err)
	defer owner.Close(ctx)
	_, err = owner.Exec(ctx, "CREATE UNIQUE INDEX one_amount ON invoices (cents)")
	must(err)

	report, err = gormstratum.Verify(ctx, db)
	must(err)
	fmt.Println("in CI:", errors.Is(report.Err(), core.ErrBoundary))
	for _, finding := range report.AtLeast(core.SeverityBreaks) {
		fmt.Println(finding.Code, "of", finding.Object)
		_, err = owner.Exec(ctx, finding.Cure)
		must(err)
	}

	report, err = gormstratum.Verify(ctx, db)
	must(err)
	fmt.Println("cured:", report.OK())
	for _, finding := range report.Findings {
		if finding.Severity == core.SeverityNote {
			fmt.Println(finding)
		}
	}

	// Output:
	// after Migrate: true against mistakes
	// in CI: true
	// unique_across_tenants of index "public"."one_amount" on "public"."invoices"
	// cured: true
	// note [conflict_target] index "public"."idx_invoices_number" on "public"."invoices": a raw ON CONFLICT ("number") must name ("tenant_id", "number")
	// note [conflict_target] index "public"."one_amount" on "public"."invoices": a raw ON CONFLICT ("cents") must name ("tenant_id", "cents")
}
