package core

import (
	"context"
	"database/sql"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/copies"
	"github.com/stratum-hq/stratum-go/internal/guard"
	"github.com/stratum-hq/stratum-go/internal/shape"
)

// copied are the tables that satellites have copies of: global ones, and of mixed ones the rows of everyone.
func copied(model shape.Model) []copies.Table {
	var tables []copies.Table
	for _, s := range model.Specs {
		switch s.Class {
		case shape.Global:
			tables = append(tables, copies.Table{Schema: s.Schema, Name: s.Name})
		case shape.Mixed:
			tables = append(tables, copies.Table{Schema: s.Schema, Name: s.Name, TenantColumn: s.TenantColumn})
		case shape.Owned:
		}
	}
	return tables
}

// refresh brings the copies of global tables in a database up to date.
func (b *builder) refresh(ctx context.Context, db *sql.DB, model shape.Model) error {
	return b.follow(ctx, db, model, copies.Destination{Tables: copied(model)})
}

// refreshSchema is refresh for a tenant's own schema, which has everyone's rows of mixed tables.
func (b *builder) refreshSchema(ctx context.Context, db *sql.DB, label string, model shape.Model) error {
	return b.follow(ctx, db, model, b.st.mixedIn(FleetTarget{Isolation: SchemaIsolation, Label: label}, model))
}

// follow copies what a place has copies of, after seeing to it that changes from then on are noted.
func (b *builder) follow(ctx context.Context, db *sql.DB, model shape.Model, d copies.Destination) error {
	if len(d.Tables) == 0 {
		return nil
	}
	if err := b.watch(ctx, model); err != nil {
		return err
	}
	return b.copy(ctx, db, d.Schemas, d.Tables)
}

// copy makes copies like the tables in the registry's database.
func (b *builder) copy(ctx context.Context, db *sql.DB, schemas map[string]string, tables []copies.Table) error {
	if len(tables) == 0 {
		return nil
	}
	home, err := b.st.OwnerDB(access.Token{})
	if err != nil {
		return err
	}
	return lend(ctx, home, func(source *pgx.Conn) error {
		return lend(ctx, db, func(target *pgx.Conn) error {
			_, err := copies.Refresh(ctx, source, copies.Target{Conn: target, Schemas: schemas}, tables)
			return err
		})
	})
}

// announce tells whoever keeps copies current that tables have other columns.
func (b *builder) announce(ctx context.Context) error {
	db, err := b.st.OwnerDB(access.Token{})
	if err != nil {
		return err
	}
	return inOwnerTx(ctx, db, func(tx *sql.Tx) error { return copies.Announce(ctx, tx) })
}

// lend runs work on a connection of an owner's pool.
func lend(ctx context.Context, db *sql.DB, work func(conn *pgx.Conn) error) error {
	held, err := db.Conn(ctx)
	if err != nil {
		return guard.RedactConnect(err)
	}
	defer func() { _ = held.Close() }() // work has said what went wrong
	return held.Raw(func(conn any) error { return work(conn.(*stdlib.Conn).Conn()) })
}

func (b *builder) connect(ctx context.Context, p Placement, database string) (*pgx.Conn, error) {
	config, err := b.st.ownerConfig(ctx, p, database)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, connectError("OwnerDSN", err)
	}
	return conn, nil
}
