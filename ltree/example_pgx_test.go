package ltree_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stratum-hq/stratum-go/ltree"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// A pool registers the type on each of its connections.
func ExampleRegister() {
	err := withExampleDatabase(func(ctx context.Context, dsn string) error {
		config, err := pgxpool.ParseConfig(dsn)
		if err != nil {
			return err
		}
		config.AfterConnect = ltree.Register
		pool, err := pgxpool.NewWithConfig(ctx, config)
		if err != nil {
			return err
		}
		defer pool.Close()

		folders := []ltree.Path{ltree.MustParse("acme.emea"), ltree.MustParse("acme.apac")}
		var found []ltree.Path
		err = pool.QueryRow(ctx, `SELECT array_agg(path) FROM unnest($1::ltree[]) AS path WHERE path <@ $2`,
			folders, ltree.MustParse("acme.emea")).Scan(&found)
		fmt.Println(found)
		return err
	})
	fmt.Println(err)
	// Output:
	// [acme.emea]
	// <nil>
}

// withExampleDatabase calls use with a database that has the extension. An example has no testing.TB to give to
// stratumtest.EmptyDatabase, hence a server of its own.
func withExampleDatabase(use func(ctx context.Context, dsn string) error) (err error) {
	ctx := context.Background()
	server, err := stratumtest.Start(ctx, stratumtest.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close(ctx)) }()
	database, err := server.CreateDatabase(ctx, "")
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, database.AdminDSN)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, `CREATE EXTENSION ltree`)
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return err
	}
	return use(ctx, database.AdminDSN)
}
