package core_test

import (
	"context"
	"errors"
	"fmt"
	"testing/fstest"

	"github.com/stratum-hq/stratum-go/core"
)

// A file of goose's runs once in the shared tables, in each schema and in each database. Names in it have no schema.
func ExampleFleet_Migrate() {
	ctx := context.Background()
	st, cleanUp := openPlaces(ctx)
	defer cleanUp()
	for slug, isolation := range map[string]core.Isolation{
		"acme": core.SharedIsolation, "bolt": core.SchemaIsolation, "coil": core.DatabaseIsolation,
	} {
		if _, err := st.Tenants.Create(ctx, core.NewTenant{Name: slug, Slug: slug, Isolation: isolation}); err != nil {
			fmt.Println(err)
			return
		}
	}

	files := fstest.MapFS{"migrations/00001_pinned.sql": {Data: []byte( // embed.FS in a program
		"-- +goose Up\nALTER TABLE notes ADD COLUMN pinned boolean NOT NULL DEFAULT false;")}}
	migrations, err := core.Goose(ctx, files, "migrations", core.GooseOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = st.Fleet.Migrate(ctx, core.FleetOptions{Migrations: []core.Migrations{migrations}})
	var failed *core.FleetError
	if errors.As(err, &failed) {
		fmt.Println("call it again when the cause is gone:", failed.Failures)
	}
	fmt.Println(err)
	for drift, err := range st.Fleet.Drift(ctx) {
		fmt.Println(drift.Target.ID, drift.Differences, err)
	}
	// Output:
	// <nil>
}

// What there is to migrate.
func ExampleFleet_Targets() {
	ctx := context.Background()
	st, cleanUp := openPlaces(ctx)
	defer cleanUp()
	if _, err := st.Tenants.Create(ctx, core.NewTenant{
		Name: "Acme", Slug: "acme", Isolation: core.SchemaIsolation,
	}); err != nil {
		fmt.Println(err)
		return
	}

	for target, err := range st.Fleet.Targets(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(target.ID)
	}
	// Output:
	// home/shared
	// home/t_1
}
