package core_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/access"
)

// exampleUsers makes a tenant-owned table by hand, as an adapter's Migrate does, and two tenants.
func exampleUsers(ctx context.Context, st *core.Stratum) (acme, globex core.Tenant) {
	owner, err := st.OwnerDB(access.Token{})
	if err != nil {
		log.Fatal(err)
	}
	roles := st.Roles(access.Token{})
	_, err = owner.ExecContext(ctx, strings.NewReplacer("$tenant", roles.Tenant, "$system", roles.System).Replace(`
		CREATE TABLE users (tenant_id uuid NOT NULL DEFAULT stratum.tenant_id(), email text, name text);
		ALTER TABLE users ENABLE ROW LEVEL SECURITY;
		ALTER TABLE users FORCE ROW LEVEL SECURITY;
		GRANT SELECT, INSERT, UPDATE, DELETE ON users TO $tenant, $system;
		CREATE POLICY tenant ON users TO $tenant USING (tenant_id = stratum.tenant_id());
		CREATE POLICY system ON users TO $system USING (true)`))
	if err != nil {
		log.Fatal(err)
	}
	for _, tenant := range []*core.Tenant{&acme, &globex} {
		slug := map[bool]string{true: "acme", false: "globex"}[tenant == &acme]
		if *tenant, err = st.Tenants.Create(ctx, core.NewTenant{Name: slug, Slug: slug}); err != nil {
			log.Fatal(err)
		}
	}
	return acme, globex
}

// A bulk load, a batch and an export, in one transaction of one tenant.
func ExampleStratum_BeginFunc() {
	ctx := context.Background()
	st, cleanUp := openExample(ctx)
	defer cleanUp()
	acme, globex := exampleUsers(ctx, st)

	load := func(ctx context.Context, rows ...[]any) error {
		return st.BeginFunc(ctx, func(tx *core.Tx) error {
			_, err := tx.CopyFrom(ctx, pgx.Identifier{"users"}, []string{"email", "name"}, pgx.CopyFromRows(rows))
			return err
		})
	}
	fmt.Println(load(core.WithTenant(ctx, acme.ID), []any{"ann@acme.example", "Ann"}, []any{"bob@acme.example", "Bob"}))
	fmt.Println(load(core.WithTenant(ctx, globex.ID), []any{"eve@globex.example", "Eve"}))

	ctx = core.WithTenant(ctx, acme.ID)
	err := st.BeginFunc(ctx, func(tx *core.Tx) error {
		batch := new(pgx.Batch)
		batch.Queue("UPDATE users SET name = upper(name)")
		batch.Queue("SELECT count(*) FROM users").QueryRow(func(row pgx.Row) error {
			var n int
			defer func() { fmt.Println(n, "users") }()
			return row.Scan(&n)
		})
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return err
		}
		_, err := tx.CopyTo(ctx, os.Stdout, core.CopyCSVHeader, "SELECT email, name FROM users ORDER BY email")
		return err
	})
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
	// 2 users
	// email,name
	// ann@acme.example,ANN
	// bob@acme.example,BOB
	// <nil>
}

// Who logs in is found by email, before it is known whose tenant it is.
func ExampleNewLookup() {
	ctx := context.Background()
	st, cleanUp := openExample(ctx)
	defer cleanUp()
	acme, _ := exampleUsers(ctx, st)
	_, err := st.DB().ExecContext(core.WithTenant(ctx, acme.ID), "INSERT INTO users VALUES (DEFAULT, $1, $2)",
		"ann@acme.example", "Ann")
	if err != nil {
		fmt.Println(err)
		return
	}

	type login struct {
		Tenant uuid.UUID `db:"tenant_id"`
		Name   string
	}
	byEmail, err := core.NewLookup[login](st, "login by email", "SELECT tenant_id, name FROM users WHERE email = $1")
	if err != nil {
		fmt.Println(err)
		return
	}
	ann, err := byEmail.One(ctx, "ann@acme.example")
	fmt.Println(ann.Name, ann.Tenant == acme.ID, err)

	_, err = byEmail.One(ctx, "nobody@acme.example")
	fmt.Println(errors.Is(err, core.ErrLookupNotFound))
	_, err = byEmail.One(core.WithTenant(ctx, ann.Tenant), "eve@globex.example")
	fmt.Println(errors.Is(err, core.ErrLookupScope))
	for _, lookup := range st.Lookups() {
		fmt.Println(lookup.Name)
	}
	// Output:
	// Ann true <nil>
	// true
	// true
	// login by email
}

// Two statements at a time for each tenant, and four for a large one.
func ExampleLimits() {
	large := uuid.MustParse("0193a1f0-0000-7000-8000-000000000001")
	options := core.Options{
		DSN:      "postgres://app@localhost:5432/app",
		MaxConns: 20,
		Limits: core.Limits{
			Tenant: core.Limit{Concurrent: 2, Wait: time.Second, StatementTimeout: 30 * time.Second},
			PerTenant: func(tenant uuid.UUID, limit core.Limit) core.Limit {
				if tenant == large {
					limit.Concurrent = 4
				}
				return limit
			},
		},
	}
	fmt.Println(options.Limits.PerTenant(large, options.Limits.Tenant).Concurrent)
	// Output: 4
}
