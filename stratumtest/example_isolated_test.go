package stratumtest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// Invoice is a model of the application.
type Invoice struct {
	gormstratum.Tenant
	ID       uuid.UUID `gorm:"type:uuid;primaryKey;default:gen_random_uuid()"`
	Number   string    `gorm:"uniqueIndex"`
	Currency string    `gorm:"size:3"`
}

// In a test t is the *testing.T, and db what the application opens.
func ExampleAssertIsolated() {
	ctx := context.Background()
	t := exampleTest{ctx: ctx}
	db, stop := exampleDB(ctx)
	defer stop()

	// func TestInvoicesAreIsolated(t *testing.T) {
	report := stratumtest.AssertIsolated(t, db, &Invoice{Currency: "CHF"})
	// }

	fmt.Println(report.Model, "is isolated:", report.Isolated())
	for _, path := range report.Paths[:3] {
		fmt.Println(path.Name, "as", path.Callers)
	}
	// Output:
	// Invoice is isolated: true
	// row-level security of invoices as []
	// Find by primary key as [own tenant another tenant no tenant]
	// Find of everything as [own tenant another tenant no tenant]
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

// exampleDB is what an application does when it starts.
func exampleDB(ctx context.Context) (db *gorm.DB, stop func()) {
	server, err := stratumtest.Start(ctx, stratumtest.Options{})
	must(err)
	database, err := server.CreateDatabase(ctx, "")
	must(err)
	st, err := core.Open(ctx, core.Options{DSN: database.AdminDSN})
	must(err)
	must(st.Migrate(ctx))
	db, err = gorm.Open(gormstratum.Open(st), &gorm.Config{Logger: logger.Discard})
	must(err)
	must(db.Use(gormstratum.New(st, gormstratum.Options{Models: []any{&Invoice{}}})))
	must(gormstratum.Migrate(ctx, db, gormstratum.MigrateOptions{}))
	return db, func() {
		must(st.Close())
		must(server.Close(ctx))
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
