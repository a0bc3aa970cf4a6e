package entstratum_test

import (
	"context"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/comment"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/tag"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/ticket"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/watcher"
	"github.com/stratum-hq/stratum-go/internal/conformance"
)

// createPaths add rows to the target's.
func createPaths(c *ent.Client) []conformance.Path {
	reply := func(x target) *ent.CommentCreate {
		return c.Comment.Create().SetTenantID(x.Tenant).SetTicketID(x.Ticket).SetBody("new")
	}
	return writing(map[string]write{
		"Create": func(ctx context.Context, x target) error { _, err := reply(x).Save(ctx); return err },
		"Create, Exec": func(ctx context.Context, x target) error {
			return c.Ticket.Create().SetTenantID(x.Tenant).SetNumber("T-2").Exec(ctx)
		},
		"Create, Mutate": func(ctx context.Context, x target) error {
			_, err := c.Mutate(ctx, reply(x).SetID(uuid.New()).Mutation())
			return err
		},
		"Create with an edge to an entity of the owner": func(ctx context.Context, x target) error {
			v, err := owned(ctx, c, x)
			if err != nil {
				return err
			}
			return c.Comment.Create().SetTenantID(v.TenantID).SetTicket(v).Exec(ctx)
		},
		"CreateBulk": func(ctx context.Context, x target) error {
			_, err := c.Comment.CreateBulk(reply(x), reply(x)).Save(ctx)
			return err
		},
		"MapCreateBulk": func(ctx context.Context, x target) error {
			return c.Comment.MapCreateBulk([]string{"a", "b"}, func(create *ent.CommentCreate, _ int) {
				create.SetTenantID(x.Tenant).SetTicketID(x.Ticket)
			}).Exec(ctx)
		},
		"Create of an edge schema": func(ctx context.Context, x target) error {
			return withTx(ctx, c, func(tx *ent.Tx) error {
				p, err := tx.Person.Create().SetTenantID(x.Tenant).Save(ctx)
				if err != nil {
					return err
				}
				return tx.Watcher.Create().SetTenantID(x.Tenant).SetPerson(p).SetTicketID(x.Ticket).Exec(ctx)
			})
		},
	})
}

// stampPaths add rows without saying whose: the tenant is that of the context, and the system has none. As another
// tenant they link rows of its own with the target's.
func stampPaths(c *ent.Client) []conformance.Path {
	return refusing(entstratum.ErrTenantID, writing(map[string]write{
		"stamped child": func(ctx context.Context, x target) error {
			return c.Comment.Create().SetTicketID(x.Ticket).SetBody("new").Exec(ctx)
		},
		"stamped children": func(ctx context.Context, x target) error {
			return c.Comment.CreateBulk(c.Comment.Create(), c.Comment.Create().SetTicketID(x.Ticket)).Exec(ctx)
		},
		"stamped row with the key of another": func(ctx context.Context, x target) error {
			return withTx(ctx, c, func(tx *ent.Tx) error {
				if err := tx.Comment.DeleteOneID(x.Comment).Exec(ctx); err != nil {
					return err
				}
				return tx.Comment.Create().SetID(x.Comment).SetTicketID(x.Ticket).Exec(ctx)
			})
		},
		"stamped row with tags": func(ctx context.Context, x target) error {
			return c.Ticket.Create().SetNumber("T-2").AddTagIDs(x.Spare).Exec(ctx)
		},
		"stamped tag with tickets": func(ctx context.Context, x target) error {
			return c.Tag.Create().SetName("new").AddTicketIDs(x.Ticket).Exec(ctx)
		},
		"stamped rows with tags": func(ctx context.Context, x target) error {
			return c.Ticket.CreateBulk(
				c.Ticket.Create().SetNumber("T-2"), c.Ticket.Create().SetNumber("T-3").AddTagIDs(x.Tag, x.Spare),
			).Exec(ctx)
		},
		"stamped row with watchers": func(ctx context.Context, x target) error {
			return c.Ticket.Create().SetNumber("T-2").AddWatcherIDs(x.Person).Exec(ctx)
		},
		"stamped person with tickets": func(ctx context.Context, x target) error {
			return c.Person.Create().AddWatchedIDs(x.Ticket).Exec(ctx)
		},
		"stamped row with replies": func(ctx context.Context, x target) error {
			return c.Remark.Create().AddReplyIDs(x.Remark).Exec(ctx)
		},
		"stamped reply": func(ctx context.Context, x target) error {
			return c.Remark.Create().SetParentID(x.Reply).Exec(ctx)
		},
		"stamped row of an edge schema": func(ctx context.Context, x target) error {
			return withTx(ctx, c, func(tx *ent.Tx) error {
				p, err := tx.Person.Create().Save(ctx)
				if err != nil {
					return err
				}
				return tx.Watcher.Create().SetPersonID(p.ID).SetTicketID(x.Ticket).Exec(ctx)
			})
		},
		"stamped upsert": func(ctx context.Context, x target) error {
			return c.Ticket.Create().SetID(x.Ticket).SetNumber("T-9").OnConflictColumns(ticket.FieldID).
				UpdateNewValues().Exec(ctx)
		},
		"stamped upsert, Ignore": func(ctx context.Context, x target) error {
			return c.Ticket.CreateBulk(
				c.Ticket.Create().SetID(x.Ticket).SetNumber("T-8"), c.Ticket.Create().SetNumber("T-9").AddTagIDs(x.Spare),
			).OnConflictColumns(ticket.FieldID).Ignore().Exec(ctx)
		},
	}))
}

// upsertPaths write where a row may be there already.
func upsertPaths(c *ent.Client) []conformance.Path {
	again := func(x target) *ent.TicketCreate {
		return c.Ticket.Create().SetTenantID(x.Tenant).SetID(x.Ticket).SetNumber(x.Number).SetTitle("taken")
	}
	same := func(x target) *ent.TicketCreate {
		return c.Ticket.Create().SetTenantID(x.Tenant).SetNumber(x.Number).SetTitle("taken")
	}
	return writing(map[string]write{
		"upsert, UpdateNewValues": func(ctx context.Context, x target) error {
			return again(x).OnConflictColumns(ticket.FieldID).UpdateNewValues().Exec(ctx)
		},
		"upsert, ID": func(ctx context.Context, x target) error {
			_, err := again(x).OnConflictColumns(ticket.FieldID).UpdateNewValues().ID(ctx)
			return err
		},
		"upsert, Update": func(ctx context.Context, x target) error {
			return again(x).OnConflictColumns(ticket.FieldID).Update(func(u *ent.TicketUpsert) {
				u.SetTitle("updated").AddPriority(1)
			}).Exec(ctx)
		},
		"upsert, SetTitle": func(ctx context.Context, x target) error {
			return again(x).OnConflictColumns(ticket.FieldID).SetTitle("updated").Exec(ctx)
		},
		"upsert, an expression": func(ctx context.Context, x target) error {
			return again(x).OnConflictColumns(ticket.FieldID).Update(func(u *ent.TicketUpsert) {
				u.Set(ticket.FieldTitle, sql.Expr("(SELECT max(body) FROM comments) || tickets.title"))
			}).Exec(ctx)
		},
		"upsert, ResolveWith": func(ctx context.Context, x target) error {
			return again(x).OnConflict(sql.ConflictColumns(ticket.FieldID), sql.ResolveWith(func(u *sql.UpdateSet) {
				u.SetExcluded(ticket.FieldTitle).SetIgnore(ticket.FieldNumber)
			})).Exec(ctx)
		},
		"upsert, by the tenant's key": func(ctx context.Context, x target) error {
			return same(x).OnConflict(sql.ConflictColumns(ticket.FieldTenantID, ticket.FieldNumber)).
				Update(func(u *ent.TicketUpsert) { u.UpdateTitle() }).Exec(ctx)
		},
		"upsert, by a constraint": func(ctx context.Context, x target) error {
			return again(x).OnConflict(sql.ConflictConstraint("tickets_pkey")).UpdateNewValues().Exec(ctx)
		},
		"upsert, where": func(ctx context.Context, x target) error {
			return again(x).OnConflict(sql.ConflictColumns(ticket.FieldID), sql.ResolveWithNewValues(),
				sql.UpdateWhere(sql.HasSuffix(ticket.FieldTitle, x.Secret))).Exec(ctx)
		},
		"upsert of a tag": func(ctx context.Context, x target) error {
			return c.Tag.Create().SetTenantID(x.Tenant).SetName("vip").SetTitle("taken").
				OnConflictColumns(tag.FieldTenantID, tag.FieldName).UpdateTitle().Exec(ctx)
		},
		"upsert of an edge schema": func(ctx context.Context, x target) error {
			return c.Watcher.Create().SetTenantID(x.Tenant).SetPersonID(x.Person).SetTicketID(x.Ticket).SetTitle("taken").
				OnConflictColumns(watcher.FieldPersonID, watcher.FieldTicketID).UpdateNewValues().Exec(ctx)
		},
		"upsert with a child": func(ctx context.Context, x target) error {
			return c.Comment.Create().SetTenantID(x.Tenant).SetID(x.Comment).SetTicketID(x.Ticket).SetBody("taken").
				OnConflictColumns(comment.FieldID).UpdateNewValues().Exec(ctx)
		},
	})
}

// upsertBulkPaths do so for many rows.
func upsertBulkPaths(c *ent.Client) []conformance.Path {
	both := func(x target) *ent.TicketCreateBulk {
		return c.Ticket.CreateBulk(
			c.Ticket.Create().SetTenantID(x.Tenant).SetID(x.Ticket).SetNumber(x.Number).SetTitle("taken"),
			c.Ticket.Create().SetTenantID(x.Tenant).SetNumber("T-2").SetTitle("new"),
		)
	}
	return writing(map[string]write{
		"upserts, UpdateNewValues": func(ctx context.Context, x target) error {
			return both(x).OnConflictColumns(ticket.FieldID).UpdateNewValues().Exec(ctx)
		},
		"upserts, Update": func(ctx context.Context, x target) error {
			return both(x).OnConflictColumns(ticket.FieldID).Update(func(u *ent.TicketUpsert) { u.UpdateTitle() }).Exec(ctx)
		},
		"upserts, DoNothing": func(ctx context.Context, x target) error {
			return both(x).OnConflict(sql.ConflictColumns(ticket.FieldID)).DoNothing().Exec(ctx)
		},
		"upserts, DoNothing of all": func(ctx context.Context, x target) error {
			return both(x).OnConflict(sql.DoNothing()).Exec(ctx)
		},
		"upserts, Ignore": func(ctx context.Context, x target) error {
			return both(x).OnConflictColumns(ticket.FieldID).Ignore().Exec(ctx)
		},
		"upserts, by the tenant's key": func(ctx context.Context, x target) error {
			return c.Tag.MapCreateBulk([]string{"vip", "new"}, func(create *ent.TagCreate, i int) {
				create.SetTenantID(x.Tenant).SetName([]string{"vip", "new"}[i]).SetTitle("taken")
			}).OnConflictColumns(tag.FieldTenantID, tag.FieldName).UpdateNewValues().Exec(ctx)
		},
	})
}
