package entstratum_test

import (
	"context"
	"fmt"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
)

// Three tenants, three isolations, one client.
func Example_isolation() {
	ctx := context.Background()
	st, stop := exampleStratum(ctx)
	defer stop()
	client := ent.OpenStratum(st)
	must(ent.StratumMigrate(ctx, client))

	for _, isolation := range []core.Isolation{core.SharedIsolation, core.SchemaIsolation, core.DatabaseIsolation} {
		tenant, err := st.Tenants.Create(ctx, core.NewTenant{
			Name: string(isolation), Slug: string(isolation), Isolation: isolation,
		})
		must(err)
		as := core.WithTenant(ctx, tenant.ID)
		must(client.Ticket.Create().SetNumber("T-1").SetTitle("printer").Exec(as))
		n, err := client.Ticket.Query().Count(as)
		must(err)
		fmt.Println(tenant.Isolation, "sees", n, "ticket")
	}

	// What the schemas want, everywhere; instead of ent.StratumMigrate once there are such tenants.
	_, err := st.Fleet.Migrate(ctx, core.FleetOptions{Migrations: []core.Migrations{ent.StratumMigrations(st)}})
	fmt.Println("fleet:", err)

	// Output:
	// shared sees 1 ticket
	// schema sees 1 ticket
	// database sees 1 ticket
	// fleet: <nil>
}
