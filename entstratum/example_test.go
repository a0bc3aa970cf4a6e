package entstratum_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	entgo "entgo.io/ent"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/privacy"
	_ "github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/runtime"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// A new application: tenants from the first line on. The schemas have entstratum.Mixin{}, and entc.go the extension of
// package codegen.
//
//nolint:errcheck // st.Close is deferred as in a program's main
func Example() {
	ctx := context.Background()
	dsn, stop := exampleDatabase(ctx)
	defer stop()

	st, err := core.Open(ctx, core.Options{DSN: dsn, Logger: quiet()})
	must(err)
	defer st.Close()
	must(st.Migrate(ctx)) // Stratum's own schema

	client := ent.OpenStratum(st)         // one client for every tenant
	must(ent.StratumMigrate(ctx, client)) // instead of client.Schema.Create

	acme, err := st.Tenants.Create(ctx, core.NewTenant{Name: "Acme", Slug: "acme"})
	must(err)
	bolt, err := st.Tenants.Create(ctx, core.NewTenant{Name: "Bolt", Slug: "bolt"})
	must(err)

	asAcme := core.WithTenant(ctx, acme.ID)
	asBolt := core.WithTenant(ctx, bolt.ID)
	printer, err := client.Ticket.Create().SetNumber("T-1").SetTitle("printer").Save(asAcme)
	must(err)
	must(client.Ticket.Create().SetNumber("T-1").SetTitle("door").Exec(asBolt))

	tickets, err := client.Ticket.Query().All(asAcme)
	must(err)
	fmt.Println("Acme sees", len(tickets), "ticket:", tickets[0].Title)

	var title string
	must(st.DB().QueryRowContext(asBolt, "SELECT string_agg(title, ', ') FROM tickets").Scan(&title))
	fmt.Println("raw SQL as Bolt finds:", title)

	err = client.Ticket.UpdateOne(printer).SetTitle("mine").Exec(asBolt)
	fmt.Println("Acme's ticket as Bolt:", err)

	_, err = client.Ticket.Query().All(ctx)
	fmt.Println("no tenant:", errors.Is(err, core.ErrNoTenant))

	// Output:
	// Acme sees 1 ticket: printer
	// raw SQL as Bolt finds: door
	// Acme's ticket as Bolt: ent: ticket not found
	// no tenant: true
}

// Invoice is tenant-owned.
type Invoice struct{ entgo.Schema }

// Mixin is the one line that is new.
func (Invoice) Mixin() []entgo.Mixin { return []entgo.Mixin{entstratum.Mixin{}} }

// Fields of the Invoice.
func (Invoice) Fields() []entgo.Field { return []entgo.Field{field.String("number")} }

// Indexes that are unique are so per tenant.
func (Invoice) Indexes() []entgo.Index {
	return []entgo.Index{index.Fields("tenant_id", "number").Unique()}
}

// A schema becomes tenant-owned with the mixin.
func ExampleMixin() {
	for _, f := range (Invoice{}).Mixin()[0].Fields() {
		fmt.Println(f.Descriptor().Name, f.Descriptor().Immutable)
	}

	// Output:
	// tenant_id true
}

// The driver is for an application that makes its client itself.
func ExampleDriver() {
	ctx := context.Background()
	st, stop := exampleStratum(ctx)
	defer stop()

	client := ent.NewClient(ent.Driver(entstratum.Driver(st)))
	_, err := client.ExecContext(ctx, "SELECT 1")
	fmt.Println(errors.Is(err, core.ErrNoTenant))

	acme, err := st.Tenants.Create(ctx, core.NewTenant{Name: "Acme", Slug: "acme"})
	must(err)
	_, err = client.ExecContext(core.WithTenant(ctx, acme.ID), "SELECT 1")
	fmt.Println(err)

	// Output:
	// true
	// <nil>
}

// The rules go into an application's own policies, with those of ent's package privacy and of the generated one.
func ExampleDenyIfNoTenant() {
	policy := privacy.Policy{Query: privacy.QueryPolicy{
		entstratum.DenyIfNoTenant(),
		entstratum.AllowSystem(),
		privacy.TicketQueryRuleFunc(func(ctx context.Context, _ *ent.TicketQuery) error {
			if core.ActorFrom(ctx).ID == "" {
				return privacy.Denyf("nobody is logged in")
			}
			return privacy.Allow
		}),
	}}
	ctx := context.Background()
	query := &ent.TicketQuery{}
	err := policy.EvalQuery(ctx, query)
	fmt.Println(errors.Is(err, privacy.Deny), errors.Is(err, core.ErrNoTenant))
	err = policy.EvalQuery(core.AsSystem(ctx, "nightly report"), query)
	fmt.Println(errors.Is(err, privacy.Allow))

	ctx = core.WithTenant(ctx, exampleTenant)
	fmt.Println(policy.EvalQuery(ctx, query))
	err = policy.EvalQuery(core.WithActor(ctx, core.Actor{ID: "u-17"}), query)
	fmt.Println(errors.Is(err, privacy.Allow))

	// Output:
	// true true
	// true
	// nobody is logged in: ent/privacy: deny rule
	// true
}

// What StratumMigrate would do, as a file of versioned migrations.
func ExampleScript() {
	ctx := context.Background()
	st, stop := exampleStratum(ctx)
	defer stop()

	files, err := ent.StratumScript(ctx, ent.OpenStratum(st), entstratum.ScriptOptions{
		Format: entstratum.Goose, Version: "20260101120000", Name: "tenants",
	})
	must(err)
	for _, file := range files {
		fmt.Println(file.Name)
		fmt.Println(strings.Count(string(file.Content), "FORCE ROW LEVEL SECURITY"), "tables with policies")
	}

	// Output:
	// 20260101120000_tenants.sql
	// 10 tables with policies
}

var exampleTenant = [16]byte{1}

// withExamples ends the server of the examples after the tests.
type withExamples struct{ tests goleak.TestingM }

// Run is called by stratumtest.Main.
func (w withExamples) Run() int {
	code := w.tests.Run()
	examples.mu.Lock()
	defer examples.mu.Unlock()
	if examples.server == nil {
		return code
	}
	if err := examples.server.Close(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

// examples share a server, which the first of them starts.
var examples struct {
	mu     sync.Mutex
	server *stratumtest.Server
}

// exampleDatabase gives an example a database with nothing but the table that the desk declares as external. A real
// program has a database already.
func exampleDatabase(ctx context.Context) (dsn string, stop func()) {
	examples.mu.Lock()
	defer examples.mu.Unlock()
	if examples.server == nil {
		server, err := stratumtest.Start(ctx, stratumtest.Options{})
		must(err)
		examples.server = server
	}
	database, err := examples.server.CreateDatabase(ctx, "")
	must(err)
	conn, err := pgx.Connect(ctx, database.AdminDSN)
	must(err)
	_, err = conn.Exec(ctx, "CREATE TABLE river_job (id bigint)")
	must(err)
	must(conn.Close(ctx))
	return database.AdminDSN, func() {} // it goes with the server
}

// exampleStratum is a handle on a database of its own.
func exampleStratum(ctx context.Context) (st *core.Stratum, stop func()) {
	dsn, _ := exampleDatabase(ctx)
	st, err := core.Open(ctx, core.Options{DSN: dsn, Logger: quiet()})
	must(err)
	must(st.Migrate(ctx))
	return st, func() { must(st.Close()) }
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
