package stratumtest_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/stratumtest"
)

func ExampleStart() {
	ctx := context.Background()
	server, err := stratumtest.Start(ctx, stratumtest.Options{})
	if err != nil {
		fmt.Println(err) // what was tried, and what to install
		return
	}
	defer func() { _ = server.Close(ctx) }()

	database, err := server.CreateDatabase(ctx, "shop")
	if err != nil {
		fmt.Println(err)
		return
	}
	conn, err := pgx.Connect(ctx, database.OwnerDSN)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = conn.Close(ctx) }()
	var login string
	err = conn.QueryRow(ctx, "SELECT current_user").Scan(&login)
	fmt.Println(login, err)
	// Output: shop_owner <nil>
}

func ExampleServer_CreateDatabase() {
	ctx := context.Background()
	server, err := stratumtest.Start(ctx, stratumtest.Options{TCP: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = server.Close(ctx) }()

	database, err := server.CreateDatabase(ctx, "warehouse")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, dsn := range []string{database.DSN, database.SystemDSN, database.OwnerDSN} {
		config, err := pgx.ParseConfig(dsn)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(config.User, "in", config.Database)
	}
	// Output:
	// warehouse_app in warehouse
	// warehouse_system in warehouse
	// warehouse_owner in warehouse
}

func ExampleEmptyDatabase() {
	t := &standIn{ctx: context.Background()} // the *testing.T of a test
	defer t.end()

	database := stratumtest.EmptyDatabase(t)
	conn, err := pgx.Connect(t.Context(), database.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var tables int
	err = conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&tables)
	fmt.Println(tables, err)
	// Output: 0 <nil>
}
