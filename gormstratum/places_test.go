package gormstratum_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// Bill is a table with what a schema of a tenant's own needs beside tables: a sequence, and a type in public.
type Bill struct {
	gormstratum.Tenant
	ID   uint   `gorm:"primaryKey"`
	Mood string `gorm:"type:public.mood;default:'fine'"`
	Note string
}

// newPlaces makes a desk with bills, an external table, and a function in public.
func newPlaces(t *testing.T) desk {
	t.Helper()
	d := newStratum(t)
	d.exec(t, d.OwnerDSN, `
		CREATE TYPE public.mood AS ENUM ('fine', 'sour');
		CREATE TABLE public.river_job (id bigint);
		CREATE FUNCTION public.shout(what text) RETURNS text LANGUAGE sql IMMUTABLE RETURN upper(what)`)
	var err error
	d.db, err = gorm.Open(gormstratum.Open(d.st), &gorm.Config{Logger: logger.Discard})
	require.NoError(t, err)
	require.NoError(t, d.db.Use(gormstratum.New(d.st, gormstratum.Options{
		Models: append(deskModels(), &Bill{}), External: []string{"river_job: SELECT, INSERT"},
	})))
	require.NoError(t, gormstratum.Migrate(t.Context(), d.db, gormstratum.MigrateOptions{}))
	require.NoError(t, d.db.WithContext(asSystemContext(t)).Create(&Country{Code: "NL"}).Error)
	return d
}

// resident is a tenant with a place.
type resident struct {
	core.Tenant

	//nolint:containedctx // a tenant of a test is used by its ctx
	ctx    context.Context
	schema string // its own, or public
}

// lodge makes a tenant with rows. The rows of a tenant elsewhere are in the shared tables too, as leftovers of a move.
func (d desk) lodge(t *testing.T, slug string, isolation core.Isolation) resident {
	t.Helper()
	tenant, err := d.st.Tenants.Create(t.Context(), core.NewTenant{Name: slug, Slug: slug, Isolation: isolation})
	require.NoError(t, err)
	r := resident{Tenant: tenant, ctx: core.WithTenant(t.Context(), tenant.ID), schema: "public"}
	if isolation == core.SchemaIsolation {
		r.schema = "t_" + tenant.Label.String()
	}
	require.NoError(t, d.db.WithContext(r.ctx).Create(&Ticket{Number: "T-1", Title: "of " + slug}).Error)
	require.NoError(t, d.db.WithContext(r.ctx).Create(&Bill{Note: "of " + slug}).Error)
	if isolation != core.SharedIsolation {
		d.exec(t, d.AdminDSN, fmt.Sprintf("INSERT INTO public.tickets (tenant_id, number, title) VALUES (%[1]s, 'T-1', 'left')"+
			"; INSERT INTO public.bills (tenant_id, note) VALUES (%[1]s, 'left')", "'"+tenant.ID.String()+"'"))
	}
	return r
}

// databases are those that belong to the owner of the desk's, and that answer.
func (d desk) databases(t *testing.T) []string {
	t.Helper()
	return d.texts(t, `SELECT d.datname::text FROM pg_database d JOIN pg_database h ON h.datdba = d.datdba
		WHERE h.datname = current_database() AND d.datallowconn ORDER BY 1`)
}

// in is the desk in another database of the server.
func (d desk) in(t *testing.T, database string) desk {
	t.Helper()
	copied := *d.Database
	copied.Name = database
	for _, dsn := range []*string{&copied.DSN, &copied.SystemDSN, &copied.OwnerDSN, &copied.AdminDSN} {
		require.Contains(t, *dsn, "/"+d.Name+"?")
		*dsn = strings.Replace(*dsn, "/"+d.Name+"?", "/"+database+"?", 1)
	}
	return desk{Database: &copied, st: d.st, db: d.db}
}

// databaseOf is the desk in the database that a tenant has of its own.
func (d desk) databaseOf(t *testing.T, r resident) desk {
	t.Helper()
	for _, database := range d.databases(t) {
		if strings.HasSuffix(database, "_t_"+r.Label.String()) {
			return d.in(t, database)
		}
	}
	require.FailNow(t, "the tenant has no database")
	return desk{}
}

// truth is every row of every table in every schema of every database, past all policies.
func (d desk) truth(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, database := range d.databases(t) {
		for _, row := range d.in(t, database).texts(t, truthSQL) {
			all = append(all, database+"."+row)
		}
	}
	return all
}

const truthSQL = `SELECT c.oid::regclass::text || ' ' || query_to_xml('SELECT x::text AS row FROM ' || c.oid::regclass ||
		' x ORDER BY 1', true, false, '')::text
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind = 'r' AND (n.nspname = 'public' OR n.nspname LIKE 't\_%') ORDER BY 1`

// sequences are where all sequences stand.
func (d desk) sequences(t *testing.T) []string {
	t.Helper()
	return d.texts(t, `SELECT concat_ws(' ', schemaname, sequencename, last_value) FROM pg_sequences
		WHERE schemaname = 'public' OR schemaname LIKE 't\_%' ORDER BY 1`)
}

// plain runs a statement past GORM.
func (d desk) plain(ctx context.Context, text string) error {
	_, err := d.st.DB().ExecContext(ctx, text)
	return err
}

// inTx runs a statement past GORM, in a transaction.
func (d desk) inTx(ctx context.Context, text string) error {
	tx, err := d.st.DB().BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it has nothing to do
	if _, err := tx.ExecContext(ctx, text); err != nil {
		return err
	}
	return tx.Commit()
}

// ticketWays are the ways to a tenant's tickets.
func (d desk) ticketWays() map[string]func(ctx context.Context) error {
	const insert = "INSERT INTO tickets (number) VALUES ('T-2')"
	return map[string]func(ctx context.Context) error{
		"Find":   func(ctx context.Context) error { return d.db.WithContext(ctx).Find(&[]Ticket{}).Error },
		"Create": func(ctx context.Context) error { return d.db.WithContext(ctx).Create(&Ticket{Number: "T-2"}).Error },
		"Update": func(ctx context.Context) error {
			return d.db.WithContext(ctx).Model(&Ticket{}).Where("true").Update("title", "taken").Error
		},
		"Delete": func(ctx context.Context) error { return d.db.WithContext(ctx).Delete(&Ticket{}, "true").Error },
		"Raw": func(ctx context.Context) error {
			return d.db.WithContext(ctx).Raw("TABLE tickets").Scan(&[]map[string]any{}).Error
		},
		"plain":          func(ctx context.Context) error { return d.plain(ctx, insert) },
		"plain, in a tx": func(ctx context.Context) error { return d.inTx(ctx, insert) },
		"pgx": func(ctx context.Context) error {
			return d.st.BeginFunc(ctx, func(tx *core.Tx) error {
				_, err := tx.Exec(ctx, insert)
				return err
			})
		},
		"pgx, batch": func(ctx context.Context) error {
			return d.st.BeginFunc(ctx, func(tx *core.Tx) error {
				batch := &pgx.Batch{}
				batch.Queue(insert)
				return tx.SendBatch(ctx, batch).Close()
			})
		},
	}
}
