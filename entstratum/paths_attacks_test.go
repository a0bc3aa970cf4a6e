package entstratum_test

import (
	"context"
	"testing"

	"entgo.io/ent/dialect/sql"
	"entgo.io/ent/dialect/sql/sqlgraph"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/comment"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/ticket"
	"github.com/stratum-hq/stratum-go/internal/conformance"
)

// attackPaths use what ent has for other purposes to get at the tenant of a connection.
func attackPaths(c *ent.Client) []conformance.Path {
	paths := refusing(core.ErrTenantMismatch, append(reading(map[string]read{
		"transaction of the owner, query of the caller": func(ctx context.Context, x target) (any, error) {
			tx, err := c.Tx(owner(ctx, x))
			if err != nil {
				return nil, err
			}
			defer func() { _ = tx.Rollback() }()
			return tx.Ticket.Query().All(ctx)
		},
		"entity of the owner's transaction, query of the caller": func(ctx context.Context, x target) (any, error) {
			tx, err := c.Tx(owner(ctx, x))
			if err != nil {
				return nil, err
			}
			defer func() { _ = tx.Rollback() }()
			v, err := tx.Ticket.Get(owner(ctx, x), x.Ticket)
			if err != nil {
				return nil, err
			}
			return v.QueryComments().All(ctx)
		},
	}), writing(map[string]write{
		"transaction of the owner, change of the caller": func(ctx context.Context, x target) error {
			return withTx(owner(ctx, x), c, func(tx *ent.Tx) error {
				return tx.Ticket.Update().Where(ticket.ID(x.Ticket)).SetTitle("taken").Exec(ctx)
			})
		},
	})...))
	// ent sets a variable on the connection before a statement, and resets it afterwards.
	for name, key := range map[string]string{
		"variable, the tenant": "stratum.tenant", "variable, the role": "role", "variable, the path": "search_path",
		"variable, two commands": "application_name = 'x'; SET LOCAL stratum.tenant",
	} {
		paths = append(paths, conformance.Path{
			Name: name, Effect: conformance.Reads, Tenant: core.ErrCommand, System: core.ErrCommand,
			Run: func(ctx context.Context, x target) (any, error) {
				return c.Ticket.Query().All(sql.WithVar(ctx, key, x.Tenant.String()))
			},
		})
	}
	return append(paths, writing(map[string]write{
		"upsert, the tenant": func(ctx context.Context, x target) error {
			return c.Ticket.Create().SetTenantID(x.Tenant).SetID(x.Ticket).SetNumber(x.Number).
				OnConflictColumns(ticket.FieldID).Update(func(u *ent.TicketUpsert) {
				u.Set(ticket.FieldTenantID, x.Tenant).Set(ticket.FieldTitle, "taken")
			}).Exec(ctx)
		},
		"Update, Modify with a CTE that deletes": func(ctx context.Context, x target) error {
			return c.Ticket.Update().Where(ticket.ID(x.Ticket)).Modify(func(u *sql.UpdateBuilder) {
				u.Prefix(sql.ExprFunc(func(b *sql.Builder) {
					b.WriteString("WITH gone AS (DELETE FROM comments WHERE id = ").Arg(x.Comment).WriteString(")")
				})).Set(ticket.FieldTitle, "taken")
			}).Exec(ctx)
		},
		"mutation by hand": func(ctx context.Context, x target) error {
			m := c.Comment.UpdateOneID(x.Comment).Mutation()
			m.WhereP(func(s *sql.Selector) { s.Where(sql.ExprP("true")).Or() })
			if err := m.SetField(comment.FieldBody, "taken"); err != nil {
				return err
			}
			_, err := c.Mutate(ctx, m)
			return err
		},
	})...)
}

// A tenant does not give its rows to another one, in whatever way the tenant column is written.
func TestRowsStay(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx, other := d.tenant(t, "acme"), tenantOf(t, d.tenant(t, "globex"))
	mine := d.client.Ticket.Create().SetNumber("1").SaveX(ctx)
	for name, move := range map[string]func(ctx context.Context) error{
		"Modify": func(ctx context.Context) error {
			return d.client.Ticket.Update().Modify(func(u *sql.UpdateBuilder) { u.Set(ticket.FieldTenantID, other) }).Exec(ctx)
		},
		"Modify of one": func(ctx context.Context) error {
			return mine.Update().Modify(func(u *sql.UpdateBuilder) { u.Set(ticket.FieldTenantID, other) }).Exec(ctx)
		},
		"upsert": func(ctx context.Context) error {
			return d.client.Ticket.Create().SetID(mine.ID).SetNumber("1").OnConflictColumns(ticket.FieldID).
				Update(func(u *ent.TicketUpsert) { u.Set(ticket.FieldTenantID, other) }).Exec(ctx)
		},
		"ExecContext": func(ctx context.Context) error {
			_, err := d.client.ExecContext(ctx, "UPDATE tickets SET tenant_id = $1", other)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorIs(t, move(ctx), core.ErrCrossTenant)
			require.ErrorIs(t, move(withoutHooks(ctx)), core.ErrCrossTenant, "without hooks")
			require.Zero(t, value[int](t, d, "SELECT count(*) FROM tickets WHERE tenant_id = $1", other))
		})
	}
}

// The WHERE of an upsert says nothing of a row that is another tenant's: it is evaluated before the policies look at it.
func TestUpsertWhereTellsNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	victim, thief := d.tenant(t, "acme"), d.tenant(t, "globex")
	theirs := d.client.Ticket.Create().SetNumber("1").SetTitle("secret").SaveX(victim)
	for _, ctx := range []context.Context{thief, withoutHooks(thief)} {
		for _, title := range []string{"secret", "wrong"} {
			err := d.client.Ticket.Create().SetID(theirs.ID).SetNumber("2").OnConflict(
				sql.ConflictColumns(ticket.FieldID), sql.ResolveWithNewValues(),
				sql.UpdateWhere(sql.EQ(ticket.FieldTitle, title)),
			).Exec(ctx)
			require.ErrorIs(t, err, core.ErrCrossTenant, title)
		}
	}
	require.Equal(t, "secret", value[string](t, d, "SELECT title FROM tickets"))
}

// What an application asks ent of an error is answered as without Stratum.
func TestErrorsOfEnt(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx := d.tenant(t, "acme")
	mine := d.client.Ticket.Create().SetNumber("1").SaveX(ctx)
	theirs := d.client.Ticket.Create().SetNumber("1").SaveX(d.tenant(t, "globex"))

	err := d.client.Ticket.Create().SetNumber("1").Exec(ctx)
	require.ErrorIs(t, err, core.ErrDuplicateKey)
	require.True(t, ent.IsConstraintError(err), err)
	require.True(t, sqlgraph.IsUniqueConstraintError(err), err)

	err = d.client.Ticket.CreateBulk(d.client.Ticket.Create().SetNumber("1")).Exec(ctx)
	require.ErrorIs(t, err, core.ErrDuplicateKey)
	require.True(t, ent.IsConstraintError(err), err)

	for _, id := range []uuid.UUID{theirs.ID, uuid.New()} {
		err = d.client.Comment.Create().SetTicketID(id).Exec(ctx)
		require.ErrorIs(t, err, core.ErrForeignKey)
		require.True(t, ent.IsConstraintError(err), err)
		require.True(t, sqlgraph.IsForeignKeyConstraintError(err), err)
		err = d.client.Ticket.UpdateOneID(id).SetTitle("x").Exec(ctx)
		require.True(t, ent.IsNotFound(err), err)
		err = d.client.Ticket.DeleteOneID(id).Exec(ctx)
		require.True(t, ent.IsNotFound(err), err)
		err = d.client.Watcher.UpdateOne(&ent.Watcher{PersonID: id, TicketID: mine.ID}).SetTitle("x").Exec(ctx)
		require.True(t, ent.IsNotFound(err), err)
	}
}

// A modifier may put another table in the place of the query's own, one without a tenant column too.
func TestModifiedTable(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx := d.tenant(t, "acme")
	d.client.Country.Create().SetCode("CH").SetName("Switzerland").ExecX(asSystem(t))
	d.client.Ticket.Create().SetNumber("1").SetTitle("mine").ExecX(ctx)
	d.client.Ticket.Create().SetNumber("1").SetTitle("theirs").ExecX(d.tenant(t, "globex"))
	for want, modify := range map[string]func(s *sql.Selector){
		"Switzerland": func(s *sql.Selector) { s.From(sql.Table("countries")).Select("name") },
		"mine": func(s *sql.Selector) {
			with := sql.With("w").As(sql.Select(ticket.FieldTitle).From(sql.Table(ticket.Table)))
			s.Prefix(with).From(sql.Table("w").As("w")).Select("title")
		},
	} {
		got, err := d.client.Ticket.Query().Modify(modify).Strings(ctx)
		require.NoError(t, err)
		require.Equal(t, []string{want}, got)
	}
}
