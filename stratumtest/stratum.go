package stratumtest

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// stratumTemplate is the name of the template with Stratum's schema in it.
const stratumTemplate = "stratum"

// NewDatabase gives the test a fresh database as EmptyDatabase does, with Stratum's schema installed and its logins
// ready for core.Open. The roles of Stratum belong to the server and stay there.
func NewDatabase(tb testing.TB) *Database {
	tb.Helper()
	database := shared.database(tb, stratumTemplate, migrate)
	ctx, cancel := context.WithTimeout(tb.Context(), stepTimeout)
	defer cancel()
	// Rights on the database and memberships of logins are not copied with a template.
	if err := migrate(ctx, database); err != nil {
		tb.Fatal(err)
	}
	if err := shared.settle(ctx, database); err != nil {
		tb.Fatal(err)
	}
	return database
}

// settle makes the copy of a template a registry of its own, whose owner may make databases for tenants.
func (s *sharedServer) settle(ctx context.Context, database *Database) error {
	server, err := s.get(ctx)
	if err != nil {
		return err
	}
	return server.administer(ctx, database.Name, func(conn *pgx.Conn) error {
		return execute(ctx, conn, "UPDATE stratum.site SET registry = gen_random_uuid(), home = current_database()",
			"ALTER ROLE "+sqltext.Quote(loginsOf(database.Name).owner)+" CREATEDB")
	})
}

// Open gives the test a handle on a database of NewDatabase, with a login for each part, closed when the test ends:
//
//	st, database := stratumtest.Open(t)
//	acme, err := st.Tenants.Create(ctx, core.NewTenant{Name: "Acme", Slug: "acme"})
func Open(tb testing.TB) (*core.Stratum, *Database) {
	tb.Helper()
	database := NewDatabase(tb)
	st, err := core.Open(tb.Context(), database.Options())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := st.Close(); err != nil {
			tb.Error(err)
		}
	})
	return st, database
}

// Options are what core.Open needs for this database: the three logins, and a logger that says nothing.
func (d *Database) Options() core.Options {
	return core.Options{
		DSN:       d.DSN,
		OwnerDSN:  d.OwnerDSN,
		SystemDSN: d.SystemDSN,
		Logger:    slog.New(slog.DiscardHandler),
	}
}

// migrate installs Stratum's schema, or what is missing of it. It goes before core.Open, which refuses a login that
// nobody has given the roles to.
func migrate(ctx context.Context, database *Database) (err error) {
	config, err := pgx.ParseConfig(database.OwnerDSN)
	if err != nil {
		return err
	}
	owner := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, owner.Close()) }()
	roles := loginsOf(database.Name)
	return install.Migrate(ctx, install.Options{Owner: owner, DataLogin: roles.app, SystemLogin: roles.system})
}
