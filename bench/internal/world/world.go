package world

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/stratumtest"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// bigSlug is the tenant with many rows.
const bigSlug = "big"

// Size says how much there is in the database.
type Size struct {
	// Tenants is how many tenants there are, roots all of them. Required.
	Tenants int
	// Rows is how many rows each has but the big one. Required.
	Rows int
	// BigRows is how many rows the big tenant has. Required.
	BigRows int
	// Schemas is how many tenants have a schema of their own, too. Defaults to none.
	Schemas int
}

// Default is what is measured: 1,000 tenants and 102,000 rows.
func Default() Size { return Size{Tenants: 1000, Rows: 100, BigRows: 2100, Schemas: 1000} }

// Tenant is a tenant and the ids of its rows when the world was made.
type Tenant struct {
	ID   uuid.UUID
	rows []uuid.UUID
}

// World is a server with the tables in it.
type World struct {
	// Size is what was asked for.
	Size Size
	// Database has the logins.
	Database *stratumtest.Database
	// Tenants are in the order of their ids, which is that of their schemas.
	Tenants []Tenant
	// Big is the index of the tenant with many rows.
	Big int

	server *stratumtest.Server
	count  int
}

// Pick is one row of one tenant, to do something with.
type Pick struct {
	// Index is the tenant's in World.Tenants.
	Index int
	// Tenant and Row are ids.
	Tenant, Row uuid.UUID
}

// Start makes a server on a unix socket, or on TCP, and fills it.
func Start(ctx context.Context, tcp bool, size Size) (*World, error) {
	server, err := stratumtest.Start(ctx, stratumtest.Options{TCP: tcp})
	if err != nil {
		return nil, err
	}
	w := &World{Size: size, server: server}
	if err := w.build(ctx); err != nil {
		return nil, errors.Join(err, server.Close(ctx))
	}
	return w, nil
}

func (w *World) build(ctx context.Context) (err error) {
	if w.Database, err = w.server.CreateDatabase(ctx, ""); err != nil {
		return err
	}
	if err := Install(ctx, w.Database); err != nil {
		return err
	}
	if err := w.migrate(ctx); err != nil {
		return err
	}
	return w.fill(ctx)
}

// Install puts Stratum's schema into a database and gives its logins the roles. It goes before core.Open, which refuses
// a login without them.
func Install(ctx context.Context, database *stratumtest.Database) (err error) {
	config, err := pgx.ParseConfig(database.OwnerDSN)
	if err != nil {
		return errors.New("the owner's DSN cannot be read") // the error quotes it
	}
	owner := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, owner.Close()) }()
	return install.Migrate(ctx, install.Options{
		Owner: owner, DataLogin: database.Name + "_app", SystemLogin: database.Name + "_system",
	})
}

// migrate makes the tenants, and the table as an application that uses the plugin has it.
func (w *World) migrate(ctx context.Context) (err error) {
	st, err := core.Open(ctx, w.Options(w.Database.DSN, w.Database.SystemDSN))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	tenants := make([]core.NewTenant, w.Size.Tenants)
	for i := range tenants {
		tenants[i] = core.NewTenant{Name: "Tenant", Slug: fmt.Sprintf("tenant-%d", i)}
	}
	tenants[0].Slug = bigSlug
	if _, err := st.Tenants.CreateBatch(ctx, tenants); err != nil {
		return err
	}
	db, err := gorm.Open(gormstratum.Open(st), &gorm.Config{Logger: logger.Discard})
	if err != nil {
		return err
	}
	if err := db.Use(gormstratum.New(st, gormstratum.Options{Models: []any{&Ticket{}}})); err != nil {
		return err
	}
	return gormstratum.Migrate(ctx, db, gormstratum.MigrateOptions{})
}

// Options are those of core.Open for DSNs that lead to the database on whatever way.
func (w *World) Options(dsn, system string) core.Options {
	return core.Options{
		DSN: dsn, SystemDSN: system, OwnerDSN: w.Database.OwnerDSN, Logger: slog.New(slog.DiscardHandler),
	}
}

// Pick takes a tenant and one of its rows.
func (w *World) Pick(random *rand.Rand) Pick {
	return w.PickOf(random.IntN(len(w.Tenants)), random)
}

// PickOf takes a row of the tenant with this index.
func (w *World) PickOf(index int, random *rand.Rand) Pick {
	tenant := w.Tenants[index]
	return Pick{Index: index, Tenant: tenant.ID, Row: tenant.rows[random.IntN(len(tenant.rows))]}
}

// Source tells in a line which PostgreSQL it is.
func (w *World) Source() string { return w.server.Source() }

// Close ends the server.
func (w *World) Close(ctx context.Context) error { return w.server.Close(ctx) }
