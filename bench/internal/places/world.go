package places

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
	"github.com/stratum-hq/stratum-go/stratumtest"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/bench/internal/link"
	"github.com/stratum-hq/stratum-go/bench/internal/world"
)

// realm is a server with a tenant of each kind.
type realm struct {
	link     link.Kind
	server   *stratumtest.Server
	database *stratumtest.Database
	st       *core.Stratum
	db       *gorm.DB
	homes    []*home
}

// home is a tenant's place, and how to work there with Stratum and without.
type home struct {
	kind   core.Isolation
	tenant core.Tenant
	rows   []uuid.UUID
	plain  *gorm.DB
}

func start(ctx context.Context, kind link.Kind, rows int) (_ *realm, err error) {
	server, err := stratumtest.Start(ctx, stratumtest.Options{TCP: kind == link.TCP})
	if err != nil {
		return nil, err
	}
	w := &realm{link: kind, server: server}
	if err := w.build(ctx, rows); err != nil {
		return nil, errors.Join(err, w.close(ctx))
	}
	return w, nil
}

func (w *realm) build(ctx context.Context, rows int) (err error) {
	if w.database, err = w.server.CreateDatabase(ctx, ""); err != nil {
		return err
	}
	if err := w.exec(ctx, w.database.AdminDSN, "ALTER ROLE "+w.login("_owner")+" CREATEDB"); err != nil {
		return err
	}
	if err := world.Install(ctx, w.database); err != nil {
		return err
	}
	if w.st, err = core.Open(ctx, w.database.Options()); err != nil {
		return err
	}
	if w.db, err = gorm.Open(gormstratum.Open(w.st), &gorm.Config{Logger: logger.Discard}); err != nil {
		return err
	}
	if err := w.db.Use(gormstratum.New(w.st, gormstratum.Options{Models: models()})); err != nil {
		return err
	}
	if err := gormstratum.Migrate(ctx, w.db, gormstratum.MigrateOptions{}); err != nil {
		return err
	}
	for _, kind := range []core.Isolation{core.SharedIsolation, core.SchemaIsolation, core.DatabaseIsolation} {
		h, err := w.settle(ctx, kind, rows)
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		w.homes = append(w.homes, h)
	}
	return nil
}

// plainSQL makes the same table with the same rows and indexes, and without policies.
const plainSQL = `SET search_path = %[1]s;
	CREATE TABLE plain_tickets (LIKE tickets INCLUDING ALL);
	ALTER TABLE plain_tickets ALTER tenant_id DROP DEFAULT;
	INSERT INTO plain_tickets SELECT * FROM tickets;
	GRANT USAGE ON SCHEMA %[1]s TO %[2]s;
	GRANT SELECT, INSERT, UPDATE, DELETE ON plain_tickets TO %[2]s;
	ANALYZE tickets; ANALYZE plain_tickets`

const loadSQL = `INSERT INTO %s.tickets (tenant_id, id, number, title, body, created_at, updated_at)
	SELECT '%s', gen_random_uuid(), n, 'ticket ' || n, repeat('lorem ipsum ', 8), now(), now()
	FROM generate_series(1, %d) n`

// settle makes a tenant and fills its tables.
func (w *realm) settle(ctx context.Context, kind core.Isolation, rows int) (h *home, err error) {
	h = &home{kind: kind}
	h.tenant, err = w.st.Tenants.Create(ctx, core.NewTenant{Name: string(kind), Slug: string(kind), Isolation: kind})
	if err != nil {
		return nil, err
	}
	schema, admin, dsn := "public", w.database.AdminDSN, w.database.DSN
	switch kind {
	case core.SchemaIsolation:
		schema = "t_" + h.tenant.Label.String()
	case core.DatabaseIsolation:
		for _, d := range []*string{&admin, &dsn} {
			if *d, err = w.beside(ctx, *d, h.tenant); err != nil {
				return nil, err
			}
		}
	case core.SharedIsolation:
	}
	texts := []string{fmt.Sprintf(loadSQL, schema, h.tenant.ID, rows), fmt.Sprintf(plainSQL, schema, w.login("_app"))}
	for _, text := range texts {
		if err := w.exec(ctx, admin, text); err != nil {
			return nil, err
		}
	}
	if h.rows, err = readIDs(ctx, admin, schema); err != nil {
		return nil, err
	}
	h.plain, err = openPlain(dsn, schema)
	return h, err
}

// openPlain is GORM as its documentation opens it, on the tenant's database, with the tenant's schema in front.
func openPlain(dsn, schema string) (*gorm.DB, error) {
	parsed, err := url.Parse(dsn)
	if err != nil {
		return nil, errors.New("a DSN cannot be read") // the error quotes it
	}
	query := parsed.Query()
	query.Set("search_path", schema)
	parsed.RawQuery = query.Encode()
	db, err := gorm.Open(postgres.Open(parsed.String()), &gorm.Config{Logger: logger.Discard})
	if err != nil {
		return nil, errors.New("open GORM") // the error may quote the DSN
	}
	return db, nil
}

func readIDs(ctx context.Context, dsn, schema string) (ids []uuid.UUID, err error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("connect to read ids: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }() // it was read from
	rows, err := conn.Query(ctx, "SELECT id FROM "+schema+".tickets")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

// beside is a DSN of the tenant's own database.
func (w *realm) beside(ctx context.Context, dsn string, tenant core.Tenant) (string, error) {
	for t, err := range w.st.Fleet.Targets(ctx) {
		if err != nil {
			return "", err
		}
		if t.Label == tenant.Label.String() {
			_, name, _ := strings.Cut(t.ID, "/")
			return strings.Replace(dsn, "/"+w.database.Name+"?", "/"+name+"?", 1), nil
		}
	}
	return "", errors.New("the tenant has no database")
}

// login is the name of a role of the database.
func (w *realm) login(suffix string) string {
	return pgx.Identifier{w.database.Name + suffix}.Sanitize()
}

func (w *realm) exec(ctx context.Context, dsn, text string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	_, err = conn.PgConn().Exec(ctx, text).ReadAll()
	return errors.Join(err, conn.Close(ctx))
}

func (w *realm) close(ctx context.Context) error {
	var errs []error
	for _, h := range w.homes {
		if pool, err := h.plain.DB(); err == nil {
			errs = append(errs, pool.Close())
		}
	}
	if w.st != nil {
		errs = append(errs, w.st.Close())
	}
	return errors.Join(append(errs, w.server.Close(ctx))...)
}
