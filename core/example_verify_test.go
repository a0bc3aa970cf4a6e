package core_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/core"
)

// A program's start, or a step of CI after the migrations: what breaks the boundary ends it, and the rest is for people
// to read.
func ExampleStratum_Verify() {
	ctx := context.Background()
	server, err := exampleServer()
	if err != nil {
		fmt.Println(err)
		return
	}
	database, err := server.CreateDatabase(ctx, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	options := database.Options()
	options.RolePrefix = "shop" // the other applications of the server have roles of their own
	st, err := core.Open(ctx, options)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = st.Close() }()
	if err := st.Migrate(ctx); err != nil {
		fmt.Println(err)
		return
	}

	// Somebody makes it easy for everybody.
	owner, err := pgx.Connect(ctx, database.OwnerDSN)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = owner.Close(ctx) }()
	if _, err := owner.Exec(ctx, "GRANT CREATE ON SCHEMA public TO PUBLIC"); err != nil {
		fmt.Println(err)
		return
	}

	report, err := st.Verify(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(report)

	// A cure with a login to run it as is SQL.
	finding := report.AtLeast(core.SeverityBreaks)[0]
	if _, err := owner.Exec(ctx, finding.Cure); err != nil {
		fmt.Println(err)
		return
	}
	report, err = st.Verify(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.OK(), report.Err(), report.Summary())
	// Output:
	// threat model: none holds until what breaks the boundary is cured (1 found)
	// BREAKS THE BOUNDARY [schema_create_granted] schema "public": CREATE is granted to PUBLIC: a tenant's table is open to all tenants, and a function of theirs may stand in for a real one
	//     cure, as the owner:
	//         REVOKE CREATE ON SCHEMA "public" FROM PUBLIC;
	// 0 tenant-owned tables: 1 findings break the boundary, 0 weaken it, 0 cost speed, 0 notes
	// true <nil> threat model: against mistakes, not against hostile SQL: the database checks no signature of the setting that names the tenant
}
