package entstratum_test

import (
	"context"

	"entgo.io/ent/dialect/sql"

	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/comment"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/remark"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/tag"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/ticket"
	"github.com/stratum-hq/stratum-go/internal/conformance"
)

// queryPaths read one table, with each method that runs a query.
func queryPaths(c *ent.Client) []conformance.Path {
	byID := func(x target) *ent.TicketQuery { return c.Ticket.Query().Where(ticket.ID(x.Ticket)) }
	return reading(map[string]read{
		"All":   func(ctx context.Context, _ target) (any, error) { return c.Ticket.Query().All(ctx) },
		"Get":   func(ctx context.Context, x target) (any, error) { return found(c.Ticket.Get(ctx, x.Ticket)) },
		"First": func(ctx context.Context, x target) (any, error) { return found(byID(x).First(ctx)) },
		"Only":  func(ctx context.Context, x target) (any, error) { return found(byID(x).Only(ctx)) },
		"FirstID": func(ctx context.Context, x target) (any, error) {
			id, err := byID(x).FirstID(ctx)
			return told(x, id, err)
		},
		"OnlyID": func(ctx context.Context, x target) (any, error) {
			id, err := byID(x).OnlyID(ctx)
			return told(x, id, err)
		},
		"IDs": func(ctx context.Context, x target) (any, error) {
			ids, err := byID(x).IDs(ctx)
			return told(x, len(ids), err)
		},
		"Count": func(ctx context.Context, x target) (any, error) {
			n, err := byID(x).Count(ctx)
			return told(x, n, err)
		},
		"Exist": func(ctx context.Context, x target) (any, error) {
			is, err := byID(x).Exist(ctx)
			return told(x, is, err)
		},
		"AllX, recovered": func(ctx context.Context, x target) (seen any, err error) {
			defer func() {
				if reason, ok := recover().(error); ok {
					err = reason
				}
			}()
			return byID(x).AllX(ctx), nil
		},
		"Limit, Offset, Unique": func(ctx context.Context, _ target) (any, error) {
			return c.Ticket.Query().Unique(true).Offset(0).Limit(5).All(ctx)
		},
		"edge schema": func(ctx context.Context, _ target) (any, error) { return c.Watcher.Query().All(ctx) },
		"Debug": func(ctx context.Context, x target) (any, error) {
			return c.Debug().Ticket.Query().Where(ticket.ID(x.Ticket)).All(ctx)
		},
		"soft delete by hand": func(ctx context.Context, _ target) (any, error) {
			return c.Remark.Query().Where(remark.DeletedAtIsNil()).All(ctx)
		},
	})
}

// againPaths use what the owner of the rows has used before: the same query, its clones, and the entities it got.
func againPaths(c *ent.Client) []conformance.Path {
	return reading(map[string]read{
		"query of the owner, run again": func(ctx context.Context, x target) (any, error) {
			q := c.Ticket.Query().Where(ticket.ID(x.Ticket))
			if _, err := q.All(owner(ctx, x)); err != nil {
				return nil, err
			}
			return q.All(ctx)
		},
		"clone of a query that the owner has run": func(ctx context.Context, x target) (any, error) {
			q := c.Ticket.Query().Where(ticket.ID(x.Ticket))
			if _, err := q.Count(owner(ctx, x)); err != nil {
				return nil, err
			}
			return q.Clone().All(ctx)
		},
		"traversal that the owner has run": func(ctx context.Context, x target) (any, error) {
			q := c.Ticket.Query().Where(ticket.ID(x.Ticket)).QueryComments()
			if _, err := q.All(owner(ctx, x)); err != nil {
				return nil, err
			}
			return q.Clone().Where(comment.BodyNEQ("")).Select(comment.FieldBody).Strings(ctx)
		},
		"eager loading that the owner has run": func(ctx context.Context, x target) (any, error) {
			q := c.Ticket.Query().Where(ticket.ID(x.Ticket)).WithTags()
			if _, err := q.Clone().All(owner(ctx, x)); err != nil {
				return nil, err
			}
			return q.Clone().All(ctx)
		},
		"entity of the owner, QueryComments": func(ctx context.Context, x target) (any, error) {
			v, err := owned(ctx, c, x)
			if err != nil {
				return nil, err
			}
			return v.QueryComments().All(ctx)
		},
		"entity of the owner, QueryTags": func(ctx context.Context, x target) (any, error) {
			v, err := owned(ctx, c, x)
			if err != nil {
				return nil, err
			}
			return c.Ticket.QueryTags(v).WithTickets().All(ctx)
		},
		"entity of the owner, QueryWatchers": func(ctx context.Context, x target) (any, error) {
			v, err := owned(ctx, c, x)
			if err != nil {
				return nil, err
			}
			return v.QueryWatchers().QueryBadge().All(ctx)
		},
		"entity of the owner, UpdateOne without a change": func(ctx context.Context, x target) (any, error) {
			v, err := owned(ctx, c, x)
			if err != nil {
				return nil, err
			}
			return found(v.Update().Save(ctx))
		},
	})
}

// columnPaths select, group and aggregate.
func columnPaths(c *ent.Client) []conformance.Path {
	return reading(map[string]read{
		"Select, Strings": func(ctx context.Context, _ target) (any, error) {
			return c.Ticket.Query().Select(ticket.FieldTitle).Strings(ctx)
		},
		"Select, Scan": func(ctx context.Context, x target) (any, error) {
			var rows []struct{ Title string }
			err := c.Ticket.Query().Where(ticket.ID(x.Ticket)).Select(ticket.FieldTitle).Scan(ctx, &rows)
			return rows, err
		},
		"Select, All": func(ctx context.Context, x target) (any, error) {
			return c.Ticket.Query().Where(ticket.ID(x.Ticket)).Select(ticket.FieldTitle).All(ctx)
		},
		"GroupBy, Strings": func(ctx context.Context, _ target) (any, error) {
			return c.Ticket.Query().GroupBy(ticket.FieldTitle).Strings(ctx)
		},
		"GroupBy, Aggregate": func(ctx context.Context, _ target) (any, error) {
			var rows []struct {
				Number, Title, Max string
				Count              int
			}
			err := c.Ticket.Query().Where(ticket.TitleNEQ("")).GroupBy(ticket.FieldNumber, ticket.FieldTitle).
				Aggregate(ent.As(ent.Max(ticket.FieldTitle), "max"), ent.Count()).Scan(ctx, &rows)
			return rows, err
		},
		"Aggregate": func(ctx context.Context, x target) (any, error) {
			return c.Ticket.Query().Where(ticket.ID(x.Ticket)).Aggregate(ent.Max(ticket.FieldTitle)).Strings(ctx)
		},
		"Aggregate of one's own that widens": func(ctx context.Context, _ target) (any, error) {
			return c.Ticket.Query().Aggregate(func(s *sql.Selector) string {
				s.Or().Where(sql.ExprP("true"))
				return "string_agg(" + s.C(ticket.FieldTitle) + ", ',')"
			}).Strings(ctx)
		},
		"Select and Aggregate": func(ctx context.Context, _ target) (any, error) {
			var rows []struct {
				Name string
				All  string
			}
			err := c.Tag.Query().Modify(func(s *sql.Selector) { s.GroupBy(s.C(tag.FieldName)) }).Select(tag.FieldName).
				Aggregate(func(s *sql.Selector) string { return sql.As("string_agg("+s.C(tag.FieldTitle)+", ',')", "all") }).
				Scan(ctx, &rows)
			return rows, err
		},
		"GroupBy of a traversal": func(ctx context.Context, _ target) (any, error) {
			return c.Ticket.Query().QueryComments().GroupBy(comment.FieldBody).Strings(ctx)
		},
		"Count of a traversal": func(ctx context.Context, x target) (any, error) {
			n, err := c.Ticket.Query().Where(ticket.ID(x.Ticket)).QueryTags().Where(tag.ID(x.Tag)).Count(ctx)
			return told(x, n, err)
		},
	})
}

// orderPaths order by what other tables have.
func orderPaths(c *ent.Client) []conformance.Path {
	return reading(map[string]read{
		"Order by a field": func(ctx context.Context, _ target) (any, error) {
			return c.Ticket.Query().Order(ticket.ByTitle(sql.OrderDesc())).All(ctx)
		},
		"Order by the number of neighbours": func(ctx context.Context, _ target) (any, error) {
			return c.Ticket.Query().Order(ticket.ByTagsCount(sql.OrderDesc()), ticket.ByCommentsCount()).All(ctx)
		},
		"Order by terms of neighbours, which are returned": func(ctx context.Context, x target) (any, error) {
			rows, err := c.Ticket.Query().Where(ticket.ID(x.Ticket)).Order(ticket.ByComments(&sql.OrderExprTerm{
				OrderTermOptions: *sql.NewOrderTermOptions(sql.OrderSelectAs("said")),
				Expr:             func(s *sql.Selector) sql.Querier { return sql.Raw(sql.Max(s.C(comment.FieldBody))) },
			})).All(ctx)
			return each(rows, err, func(v *ent.Ticket) any { said, _ := v.Value("said"); return said })
		},
		"Order by a neighbour's field": func(ctx context.Context, x target) (any, error) {
			rows, err := c.Comment.Query().Where(comment.ID(x.Comment)).Order(comment.ByTicketField(ticket.FieldTitle,
				sql.OrderSelectAs("heading"))).All(ctx)
			return each(rows, err, func(v *ent.Comment) any { heading, _ := v.Value("heading"); return heading })
		},
		"Order with a condition that widens": func(ctx context.Context, _ target) (any, error) {
			return c.Ticket.Query().Order(func(s *sql.Selector) { s.Or().Where(sql.ExprP("true")) }).
				Select(ticket.FieldTitle).Strings(ctx)
		},
		"Order by a sub-query": func(ctx context.Context, x target) (any, error) {
			// The place of one's own tag tells whether the ticket is there.
			tags, err := c.Tag.Query().Order(func(s *sql.Selector) {
				s.OrderExpr(sql.ExprFunc(func(b *sql.Builder) {
					b.WriteString("(SELECT count(*) FROM tickets t WHERE t.id = ").Arg(x.Ticket).
						WriteString(") * (CASE name WHEN 'vip' THEN 1 ELSE 0 END) DESC, name")
				}))
			}).All(ctx)
			if err != nil || len(tags) == 0 || tags[0].Name != "vip" {
				return nil, err
			}
			return x.Secret, nil
		},
	})
}

// lockPaths lock rows.
func lockPaths(c *ent.Client) []conformance.Path {
	byID := func(x target) *ent.TicketQuery { return c.Ticket.Query().Where(ticket.ID(x.Ticket)) }
	return reading(map[string]read{
		"ForUpdate": func(ctx context.Context, x target) (any, error) { return byID(x).ForUpdate().All(ctx) },
		"ForShare": func(ctx context.Context, x target) (any, error) {
			return byID(x).ForShare(sql.WithLockTables(ticket.Table)).All(ctx)
		},
		"ForUpdate, SKIP LOCKED": func(ctx context.Context, _ target) (any, error) {
			return c.Ticket.Query().ForUpdate(sql.WithLockAction(sql.SkipLocked)).All(ctx)
		},
		"ForUpdate, NOWAIT, in a transaction": func(ctx context.Context, x target) (seen any, err error) {
			err = withTx(ctx, c, func(tx *ent.Tx) error {
				seen, err = tx.Ticket.Query().Where(ticket.ID(x.Ticket)).ForUpdate(sql.WithLockAction(sql.NoWait)).All(ctx)
				return err
			})
			return seen, err
		},
		"ForUpdate, a clause of one's own": func(ctx context.Context, x target) (any, error) {
			return byID(x).ForUpdate(sql.WithLockClause("FOR NO KEY UPDATE")).All(ctx)
		},
	})
}
