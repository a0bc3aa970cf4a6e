package core

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/copies"
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
func (b *builder) refresh(ctx context.Context, p Placement, database string, model shape.Model) error {
	return b.copy(ctx, model, copies.Destination{
		Tables: copied(model), Connect: func(ctx context.Context) (*pgx.Conn, error) { return b.connect(ctx, p, database) },
	})
}

// refreshSchema is refresh for a tenant's own schema, which has everyone's rows of mixed tables.
func (b *builder) refreshSchema(ctx context.Context, p Placement, label string, model shape.Model) error {
	d := b.st.mixedIn(FleetTarget{Isolation: SchemaIsolation, Label: label}, model)
	d.Connect = func(ctx context.Context) (*pgx.Conn, error) { return b.connect(ctx, p, "") }
	return b.copy(ctx, model, d)
}

func (b *builder) copy(ctx context.Context, model shape.Model, to copies.Destination) error {
	if len(to.Tables) == 0 {
		return nil
	}
	if err := b.watch(ctx, model); err != nil {
		return err
	}
	source, err := b.connect(ctx, Placement{Name: homePlacement}, "")
	if err != nil {
		return err
	}
	defer func() { _ = source.Close(context.WithoutCancel(ctx)) }() // it was read from
	target, err := to.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = target.Close(context.WithoutCancel(ctx)) }() // what it did is committed
	_, err = copies.Refresh(ctx, source, copies.Target{Conn: target, Schemas: to.Schemas}, to.Tables)
	return err
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
