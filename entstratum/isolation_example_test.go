package entstratum_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// A test of the application's own shows that an entity is isolated. There t is the *testing.T.
func ExampleIsolation() {
	ctx := context.Background()
	t := exampleTest{ctx: ctx}
	st, stop := exampleStratum(ctx)
	defer stop()
	client := ent.OpenStratum(st)
	must(ent.StratumMigrate(ctx, client))

	// func TestTicketsAreIsolated(t *testing.T) {
	report := stratumtest.AssertIsolated(t, client, &ent.Ticket{Status: "open"})
	// }

	fmt.Println(report.Model, "is isolated:", report.Isolated())
	for _, path := range report.Paths[:3] {
		fmt.Println(path.Name, "as", path.Callers)
	}

	// Output:
	// Ticket is isolated: true
	// row-level security of tickets as []
	// Get as [own tenant another tenant no tenant]
	// All by primary key as [own tenant another tenant no tenant]
}

// exampleTest stands in for the *testing.T that an example does not have.
type exampleTest struct {
	testing.TB

	ctx context.Context //nolint:containedctx // A test carries its context.
}

func (exampleTest) Helper()                    {}
func (t exampleTest) Context() context.Context { return t.ctx }
func (exampleTest) Log(...any)                 {}
func (exampleTest) Error(args ...any)          { fmt.Println(args...) }
func (exampleTest) Fatal(args ...any)          { panic(fmt.Sprint(args...)) }
