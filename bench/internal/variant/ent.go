package variant

import (
	"context"
	"errors"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	guarded "github.com/stratum-hq/stratum-go/bench/internal/tickets/ent"
	_ "github.com/stratum-hq/stratum-go/bench/internal/tickets/ent/runtime" // the schema's hooks
	guardedticket "github.com/stratum-hq/stratum-go/bench/internal/tickets/ent/ticket"
	plain "github.com/stratum-hq/stratum-go/bench/internal/tickets/plain/ent"
	plainticket "github.com/stratum-hq/stratum-go/bench/internal/tickets/plain/ent/ticket"
	"github.com/stratum-hq/stratum-go/bench/internal/world"
)

// entity is the operations of a generated client. ent has a type of its own for each.
type entity struct {
	read   func(ctx context.Context, pick world.Pick) (owner uuid.UUID, err error)
	list   func(ctx context.Context, pick world.Pick, limit int) (owners []uuid.UUID, err error)
	insert func(ctx context.Context, pick world.Pick) error
	update func(ctx context.Context, pick world.Pick) error
	// within runs fn in a transaction.
	within func(ctx context.Context, fn func(entity) error) error
}

// actions puts the operations of a client into a scope.
func (e entity) actions(scope func(context.Context, world.Pick) context.Context) map[Op]Action {
	one := func(do func(ctx context.Context, pick world.Pick) error) Action {
		return func(ctx context.Context, pick world.Pick) (Seen, error) {
			return Seen{Rows: 1}, do(scope(ctx, pick), pick)
		}
	}
	list := func(limit int) Action {
		return func(ctx context.Context, pick world.Pick) (seen Seen, err error) {
			owners, err := e.list(scope(ctx, pick), pick, limit)
			for _, owner := range owners {
				seen.add(owner, pick.Tenant)
			}
			return seen, err
		}
	}
	return map[Op]Action{
		PointRead: func(ctx context.Context, pick world.Pick) (seen Seen, err error) {
			owner, err := e.read(scope(ctx, pick), pick)
			if err == nil {
				seen.add(owner, pick.Tenant)
			}
			return seen, err
		},
		List: list(listRows), ListOne: list(1), ListMany: list(manyRows),
		Insert: one(e.insert), Update: one(e.update), Transaction: one(e.transaction),
	}
}

func (e entity) transaction(ctx context.Context, pick world.Pick) error {
	return e.within(ctx, func(tx entity) error {
		if _, err := tx.read(ctx, pick); err != nil {
			return err
		}
		if err := tx.update(ctx, pick); err != nil {
			return err
		}
		return tx.insert(ctx, pick)
	})
}

// openPlainEnt is ent on the pool of the other baselines, with the tenant written by hand.
func openPlainEnt(_ context.Context, target Target) (*Variant, error) {
	_, pool, err := openGORM(target)
	if err != nil {
		return nil, err
	}
	client := plain.NewClient(plain.Driver(entsql.OpenDB(dialect.Postgres, pool)))
	scope := func(ctx context.Context, _ world.Pick) context.Context { return ctx }
	return &Variant{actions: plainEntity(client).actions(scope), close: client.Close}, nil
}

func plainEntity(client *plain.Client) entity {
	return entity{
		read: func(ctx context.Context, pick world.Pick) (uuid.UUID, error) {
			row, err := client.Ticket.Query().
				Where(plainticket.ID(pick.Row), plainticket.TenantID(pick.Tenant)).Only(ctx)
			if err != nil {
				return uuid.Nil, err
			}
			return row.TenantID, nil
		},
		list: func(ctx context.Context, pick world.Pick, limit int) (owners []uuid.UUID, err error) {
			rows, err := client.Ticket.Query().Where(plainticket.TenantID(pick.Tenant)).
				Order(plain.Desc(plainticket.FieldCreatedAt)).Limit(limit).All(ctx)
			for _, row := range rows {
				owners = append(owners, row.TenantID)
			}
			return owners, err
		},
		insert: func(ctx context.Context, pick world.Pick) error {
			return client.Ticket.Create().SetTenantID(pick.Tenant).
				SetNumber(1).SetTitle("ticket").SetBody(body).Exec(ctx)
		},
		update: func(ctx context.Context, pick world.Pick) error {
			return client.Ticket.UpdateOneID(pick.Row).Where(plainticket.TenantID(pick.Tenant)).
				SetTitle(newTitle).Exec(ctx)
		},
		within: func(ctx context.Context, fn func(entity) error) error {
			tx, err := client.Tx(ctx)
			if err != nil {
				return err
			}
			return end(fn(plainEntity(tx.Client())), tx)
		},
	}
}

// openEnt is ent with Stratum's extension: nothing by hand.
func openEnt(ctx context.Context, target Target) (*Variant, error) {
	st, err := openStratum(ctx, target)
	if err != nil {
		return nil, err
	}
	rows := guardedEntity(guarded.OpenStratum(st))
	return &Variant{actions: rows.actions(scopes(ctx, target.World)), close: st.Close}, nil
}

func guardedEntity(client *guarded.Client) entity {
	return entity{
		read: func(ctx context.Context, pick world.Pick) (uuid.UUID, error) {
			row, err := client.Ticket.Get(ctx, pick.Row)
			if err != nil {
				return uuid.Nil, err
			}
			return row.TenantID, nil
		},
		list: func(ctx context.Context, _ world.Pick, limit int) (owners []uuid.UUID, err error) {
			rows, err := client.Ticket.Query().Order(guarded.Desc(guardedticket.FieldCreatedAt)).Limit(limit).All(ctx)
			for _, row := range rows {
				owners = append(owners, row.TenantID)
			}
			return owners, err
		},
		insert: func(ctx context.Context, _ world.Pick) error {
			return client.Ticket.Create().SetNumber(1).SetTitle("ticket").SetBody(body).Exec(ctx)
		},
		update: func(ctx context.Context, pick world.Pick) error {
			return client.Ticket.UpdateOneID(pick.Row).SetTitle(newTitle).Exec(ctx)
		},
		within: func(ctx context.Context, fn func(entity) error) error {
			tx, err := client.Tx(ctx)
			if err != nil {
				return err
			}
			return end(fn(guardedEntity(tx.Client())), tx)
		},
	}
}

// ender is a transaction of either client.
type ender interface {
	Commit() error
	Rollback() error
}

// end commits what went well and rolls back the rest.
func end(err error, tx ender) error {
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
