package entstratum_test

import (
	"context"

	"entgo.io/ent/dialect/sql"
	"entgo.io/ent/entql"

	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/comment"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/predicate"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/tag"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/ticket"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/watcher"
	"github.com/stratum-hq/stratum-go/internal/conformance"
)

// taken is a change of all tickets that the conditions leave.
func taken(c *ent.Client, conditions func(x target) []predicate.Ticket) write {
	return func(ctx context.Context, x target) error {
		return c.Ticket.Update().Where(conditions(x)...).SetTitle("taken").Exec(ctx)
	}
}

// updatePaths change rows by conditions.
func updatePaths(c *ent.Client) []conformance.Path {
	type list = []predicate.Ticket
	return writing(map[string]write{
		"Update": taken(c, func(x target) list { return list{ticket.ID(x.Ticket)} }),
		"Update, Or": taken(c, func(x target) list {
			return list{ticket.Or(ticket.ID(x.Ticket), ticket.Number("none"))}
		}),
		"Update, Or left open": taken(c, func(x target) list {
			return list{ticket.ID(x.Ticket), func(s *sql.Selector) { s.Or() }}
		}),
		"Update, text with OR": taken(c, func(x target) list { return list{text("1 = 0\nOR id = ?", x.Ticket)} }),
		"Update, HasCommentsWith": taken(c, func(x target) list {
			return list{ticket.HasCommentsWith(comment.ID(x.Comment))}
		}),
		"Update, IN a sub-query": taken(c, func(x target) list {
			return list{text("id IN (SELECT ticket_id FROM comments WHERE id = ?)", x.Comment)}
		}),
		"Update, AddPriority": func(ctx context.Context, x target) error {
			return c.Ticket.Update().Where(ticket.ID(x.Ticket)).AddPriority(3).Exec(ctx)
		},
		"Update, Modify": func(ctx context.Context, x target) error {
			return c.Ticket.Update().Modify(func(u *sql.UpdateBuilder) {
				u.Set(ticket.FieldTitle, sql.Expr("(SELECT max(body) FROM comments WHERE ticket_id = tickets.id)")).
					Where(sql.EQ(ticket.FieldID, x.Ticket))
			}).Exec(ctx)
		},
		"Update, Modify with a text": func(ctx context.Context, x target) error {
			return c.Ticket.Update().Where(ticket.ID(x.Ticket)).Modify(func(u *sql.UpdateBuilder) {
				u.Set(ticket.FieldTitle, sql.ExprFunc(func(b *sql.Builder) { b.Ident("title").WriteString(" || ").Arg("!") }))
			}).Exec(ctx)
		},
		"Update, Modify the condition": func(ctx context.Context, x target) error {
			return c.Ticket.Update().SetTitle("taken").Modify(func(u *sql.UpdateBuilder) {
				u.FromSelect(sql.Select().From(sql.Table(ticket.Table)).Where(sql.EQ(ticket.FieldID, x.Ticket)))
			}).Exec(ctx)
		},
		"Update, Modify the tenant": func(ctx context.Context, x target) error {
			return c.Ticket.Update().Where(ticket.ID(x.Ticket)).SetTitle("taken").Modify(func(u *sql.UpdateBuilder) {
				u.Set(ticket.FieldTenantID, x.Tenant)
			}).Exec(ctx)
		},
		"Update, entql": func(ctx context.Context, x target) error {
			update := c.Ticket.Update().SetTitle("taken")
			update.Mutation().Filter().WhereID(entql.ValueEQ(x.Ticket))
			return update.Exec(ctx)
		},
		"Update of a field of an edge": func(ctx context.Context, x target) error {
			return c.Comment.Update().Where(comment.ID(x.Comment)).ClearTicketID().Exec(ctx)
		},
		"Update of an edge schema": func(ctx context.Context, x target) error {
			return c.Watcher.Update().Where(watcher.TicketID(x.Ticket)).SetTitle("taken").Exec(ctx)
		},
		"Update, SaveX, recovered": func(ctx context.Context, x target) (err error) {
			defer func() {
				if reason, ok := recover().(error); ok {
					err = reason
				}
			}()
			c.Ticket.Update().Where(ticket.ID(x.Ticket)).SetTitle("taken").SaveX(ctx)
			return nil
		},
		"Update, Mutate": func(ctx context.Context, x target) error {
			_, err := c.Mutate(ctx, c.Ticket.UpdateOneID(x.Ticket).SetTitle("taken").Mutation())
			return err
		},
	})
}

// updateOnePaths change one row.
func updateOnePaths(c *ent.Client) []conformance.Path {
	paths := writing(map[string]write{
		"UpdateOneID": func(ctx context.Context, x target) error {
			return c.Ticket.UpdateOneID(x.Ticket).SetTitle("taken").Exec(ctx)
		},
		"UpdateOneID, Where": func(ctx context.Context, x target) error {
			return c.Ticket.UpdateOneID(x.Ticket).Where(ticket.Number(x.Number), func(s *sql.Selector) { s.Or() }).
				SetTitle("taken").Exec(ctx)
		},
		"UpdateOneID, Modify": func(ctx context.Context, x target) error {
			return c.Ticket.UpdateOneID(x.Ticket).Modify(func(u *sql.UpdateBuilder) {
				u.Set(ticket.FieldTitle, "taken").Where(sql.ExprP("true OR false"))
			}).Exec(ctx)
		},
		"UpdateOne of a row got just now": func(ctx context.Context, x target) error {
			v, err := c.Ticket.Get(ctx, x.Ticket)
			if err != nil {
				return err
			}
			return c.Ticket.UpdateOne(v).SetTitle("taken").Exec(ctx)
		},
		"UpdateOne of the owner's": func(ctx context.Context, x target) error {
			v, err := owned(ctx, c, x)
			if err != nil {
				return err
			}
			return v.Update().SetTitle("taken").Exec(ctx)
		},
		"UpdateOne of one made by hand": func(ctx context.Context, x target) error {
			return c.Ticket.UpdateOne(&ent.Ticket{ID: x.Ticket, TenantID: x.Tenant}).SetTitle("taken").Exec(ctx)
		},
		"UpdateOne of an edge schema": func(ctx context.Context, x target) error {
			return c.Watcher.UpdateOne(&ent.Watcher{PersonID: x.Person, TicketID: x.Ticket}).SetTitle("taken").Exec(ctx)
		},
	})
	return append(paths, reading(map[string]read{
		"UpdateOneID without a change": func(ctx context.Context, x target) (any, error) {
			return found(c.Ticket.UpdateOneID(x.Ticket).Save(ctx))
		},
		"UpdateOneID without a change, Select": func(ctx context.Context, x target) (any, error) {
			return found(c.Ticket.UpdateOneID(x.Ticket).Select(ticket.FieldTitle).Save(ctx))
		},
		"UpdateOneID to what it is": func(ctx context.Context, x target) (any, error) {
			return found(c.Tag.UpdateOneID(x.Tag).SetName("vip").Save(ctx))
		},
		"UpdateOne of an edge schema, without a change": func(ctx context.Context, x target) (any, error) {
			return found(c.Watcher.UpdateOne(&ent.Watcher{PersonID: x.Person, TicketID: x.Ticket}).Save(ctx))
		},
		"UpdateOneID whose condition fails": func(ctx context.Context, x target) (any, error) {
			v, err := c.Tag.UpdateOneID(x.Tag).Where(tag.Name("none")).SetName("taken").Save(ctx)
			if !ent.IsNotFound(err) {
				return v, err
			}
			return found(c.Tag.Get(ctx, x.Tag))
		},
	})...)
}

// deletePaths remove rows.
func deletePaths(c *ent.Client) []conformance.Path {
	gone := func(conditions func(x target) []predicate.Comment) write {
		return func(ctx context.Context, x target) error {
			_, err := c.Comment.Delete().Where(conditions(x)...).Exec(ctx)
			return err
		}
	}
	type list = []predicate.Comment
	return writing(map[string]write{
		"Delete":     gone(func(x target) list { return list{comment.ID(x.Comment)} }),
		"Delete, Or": gone(func(x target) list { return list{comment.Or(comment.ID(x.Comment), comment.Body("none"))} }),
		"Delete, Or left open": gone(func(x target) list {
			return list{comment.ID(x.Comment), func(s *sql.Selector) { s.Or() }}
		}),
		"Delete, text with OR": gone(func(x target) list { return list{text("1 = 0\nOR id = ?", x.Comment)} }),
		"Delete, HasTicketWith": gone(func(x target) list {
			return list{comment.HasTicketWith(ticket.ID(x.Ticket))}
		}),
		"Delete by an edge's field": gone(func(x target) list { return list{comment.TicketID(x.Ticket)} }),
		"DeleteOneID": func(ctx context.Context, x target) error {
			return c.Comment.DeleteOneID(x.Comment).Exec(ctx)
		},
		"DeleteOneID, Where": func(ctx context.Context, x target) error {
			return c.Comment.DeleteOneID(x.Comment).Where(comment.BodyNEQ("")).Exec(ctx)
		},
		"DeleteOne of the owner's": func(ctx context.Context, x target) error {
			v, err := owned(ctx, c, x)
			if err != nil {
				return err
			}
			return c.Comment.DeleteOne(&ent.Comment{ID: x.Comment, TicketID: &v.ID}).Exec(ctx)
		},
		"Delete, IDIn": gone(func(x target) list { return list{comment.IDIn(x.Comment, x.Ticket)} }),
		"Delete of an edge schema": func(ctx context.Context, x target) error {
			_, err := c.Watcher.Delete().Where(watcher.PersonID(x.Person), watcher.TicketID(x.Ticket)).Exec(ctx)
			return err
		},
		"Delete that cascades": func(ctx context.Context, x target) error {
			return c.Tag.DeleteOneID(x.Tag).Exec(ctx)
		},
		"Delete that unsets": func(ctx context.Context, x target) error {
			return c.Remark.DeleteOneID(x.Remark).Exec(ctx)
		},
	})
}
