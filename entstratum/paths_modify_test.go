package entstratum_test

import (
	"context"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"

	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/comment"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/person"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/predicate"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/remark"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/tag"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/ticket"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/watcher"
	"github.com/stratum-hq/stratum-go/internal/conformance"
)

// modifierPaths change the statement that ent writes.
func modifierPaths(c *ent.Client) []conformance.Path {
	modified := func(modify func(s *sql.Selector)) read {
		return func(ctx context.Context, _ target) (any, error) {
			return c.Tag.Query().Modify(modify).Strings(ctx)
		}
	}
	tickets := func() *sql.Selector {
		return sql.Dialect(dialect.Postgres).Select(ticket.FieldTitle).From(sql.Table(ticket.Table))
	}
	return reading(map[string]read{
		"Modify, join": modified(func(s *sql.Selector) {
			t := sql.Table(comment.Table)
			s.Join(t).On(s.C(tag.FieldTenantID), t.C(comment.FieldTenantID)).Select(t.C(comment.FieldBody))
		}),
		"Modify, cross join of all": modified(func(s *sql.Selector) {
			t := sql.Table(ticket.Table)
			s.Join(t).OnP(sql.ExprP("true OR true")).Select(t.C(ticket.FieldTitle))
		}),
		"Modify, left join": modified(func(s *sql.Selector) {
			t := sql.Table(person.Table)
			s.LeftJoin(t).OnP(sql.ExprP("true")).Select(t.C(person.FieldTitle))
		}),
		"Modify, sub-query as a column": modified(func(s *sql.Selector) {
			s.Select("(SELECT string_agg(title, ',') FROM tickets)")
		}),
		"Modify, UNION": modified(func(s *sql.Selector) {
			s.Select(s.C(tag.FieldTitle)).UnionAll(tickets())
		}),
		"Modify, CTE": modified(func(s *sql.Selector) {
			w := sql.Table("w").As("w")
			s.Prefix(sql.With("w").As(tickets())).Join(w).OnP(sql.ExprP("true")).Select(w.C(ticket.FieldTitle))
		}),
		"Modify, window function": modified(func(s *sql.Selector) {
			s.Select("first_value(title) OVER (PARTITION BY tenant_id ORDER BY title)")
		}),
		"Modify, row as JSON": modified(func(s *sql.Selector) { s.Select("row_to_json(tags)::text") }),
		"Modify, condition removed": modified(func(s *sql.Selector) {
			s.SetP(nil).Or().Where(sql.ExprP("true")).Or().Select(s.C(tag.FieldTitle))
		}),
		"Modify, alias": modified(func(s *sql.Selector) {
			s.From(sql.Table(tag.Table).As("x")).Select(sql.Table("x").C(tag.FieldTitle))
		}),
		"Modify, another table": modified(func(s *sql.Selector) {
			s.From(sql.Table(ticket.Table)).Select(ticket.FieldTitle)
		}),
		"Modify, a sub-query as the table": modified(func(s *sql.Selector) {
			s.From(sql.Select().From(sql.Table(tag.Table)).As("x")).Select(sql.Table("x").C(tag.FieldTitle))
		}),
		"Modify, HAVING": modified(func(s *sql.Selector) {
			s.GroupBy(s.C(tag.FieldTitle)).Having(sql.ExprP("count(*) > 0 OR true")).Select(s.C(tag.FieldTitle))
		}),
		"Modify of entities": func(ctx context.Context, x target) (any, error) {
			rows, err := c.Comment.Query().Where(comment.ID(x.Comment)).Modify(func(s *sql.Selector) {
				t := sql.Table(ticket.Table).As("t")
				s.Join(t).On(s.C(comment.FieldTicketID), t.C(ticket.FieldID)).AppendSelectAs(t.C(ticket.FieldTitle), "heading")
			}).All(ctx)
			return each(rows, err, func(v *ent.Comment) any { heading, _ := v.Value("heading"); return heading })
		},
		"Modify of a step of a traversal": func(ctx context.Context, _ target) (any, error) {
			q := c.Ticket.Query()
			q.Modify(func(s *sql.Selector) { s.SetP(nil).Or() })
			return q.QueryComments().All(ctx)
		},
	})
}

// traversalPaths walk edges, in both directions and of all four kinds.
func traversalPaths(c *ent.Client) []conformance.Path {
	return reading(map[string]read{
		"O2M": func(ctx context.Context, x target) (any, error) {
			return c.Ticket.Query().Where(ticket.ID(x.Ticket)).QueryComments().All(ctx)
		},
		"M2O": func(ctx context.Context, x target) (any, error) {
			return c.Comment.Query().Where(comment.ID(x.Comment)).QueryTicket().All(ctx)
		},
		"M2M": func(ctx context.Context, x target) (any, error) {
			return c.Ticket.Query().Where(ticket.ID(x.Ticket)).QueryTags().All(ctx)
		},
		"M2M, back": func(ctx context.Context, x target) (any, error) {
			return c.Tag.Query().Where(tag.ID(x.Tag)).QueryTickets().All(ctx)
		},
		"O2O": func(ctx context.Context, _ target) (any, error) { return c.Person.Query().QueryBadge().All(ctx) },
		"O2O, back": func(ctx context.Context, _ target) (any, error) {
			return c.Badge.Query().QueryPerson().Order(person.ByTitle()).All(ctx)
		},
		"to itself": func(ctx context.Context, x target) (any, error) {
			return c.Remark.Query().Where(remark.ID(x.Remark)).QueryReplies().QueryParent().QueryReplies().All(ctx)
		},
		"Through": func(ctx context.Context, x target) (any, error) {
			return c.Person.Query().Where(person.ID(x.Person)).QueryWatched().All(ctx)
		},
		"edge schema's rows": func(ctx context.Context, x target) (any, error) {
			return c.Ticket.Query().Where(ticket.ID(x.Ticket)).QueryWatches().All(ctx)
		},
		"edge schema's sides": func(ctx context.Context, x target) (any, error) {
			return c.Watcher.Query().Where(watcher.TicketID(x.Ticket)).QueryPerson().QueryBadge().All(ctx)
		},
		"long way round": func(ctx context.Context, x target) (any, error) {
			return c.Comment.Query().Where(comment.ID(x.Comment)).QueryTicket().QueryTags().QueryTickets().
				QueryWatchers().QueryBadge().QueryPerson().QueryWatched().QueryComments().All(ctx)
		},
		"traversal, First": func(ctx context.Context, x target) (any, error) {
			return found(c.Ticket.Query().Where(ticket.ID(x.Ticket)).QueryComments().First(ctx))
		},
		"traversal, IDs": func(ctx context.Context, x target) (any, error) {
			ids, err := c.Ticket.Query().Where(ticket.ID(x.Ticket)).QueryComments().IDs(ctx)
			return told(x, len(ids), err)
		},
		"entity got just now": func(ctx context.Context, x target) (any, error) {
			v, err := c.Person.Get(ctx, x.Person)
			if err != nil {
				return found(v, err)
			}
			return v.QueryWatched().All(ctx)
		},
		"one's own entity with a foreign id": func(ctx context.Context, x target) (any, error) {
			v, err := c.Ticket.Query().First(ctx)
			if err != nil {
				return nil, err
			}
			v.ID, v.TenantID = x.Ticket, x.Tenant
			return v.QueryComments().All(ctx)
		},
		"one's own entity with a foreign id, Through": func(ctx context.Context, x target) (any, error) {
			v, err := c.Person.Query().First(ctx)
			if err != nil {
				return nil, err
			}
			v.ID, v.TenantID = x.Person, x.Tenant
			return v.QueryWatched().All(ctx)
		},
	})
}

// eagerPaths load edges with the entities.
func eagerPaths(c *ent.Client) []conformance.Path {
	loaded := func(with func(*ent.TicketQuery), edge func(*ent.Ticket) any) read {
		return func(ctx context.Context, _ target) (any, error) {
			q := c.Ticket.Query()
			with(q)
			rows, err := q.All(ctx)
			return each(rows, err, edge)
		}
	}
	var widen predicate.Comment = func(s *sql.Selector) { s.Where(sql.ExprP("1 = 0 OR true")).Or() }
	return reading(map[string]read{
		"WithComments": loaded(func(q *ent.TicketQuery) { q.WithComments() },
			func(v *ent.Ticket) any { return v.Edges.Comments }),
		"WithComments, widened": loaded(
			func(q *ent.TicketQuery) { q.WithComments(func(q *ent.CommentQuery) { q.Where(widen) }) },
			func(v *ent.Ticket) any { return v.Edges.Comments }),
		"WithTags": loaded(func(q *ent.TicketQuery) { q.WithTags() },
			func(v *ent.Ticket) any { return v.Edges.Tags }),
		"WithWatchers, nested": loaded(
			func(q *ent.TicketQuery) { q.WithWatchers(func(q *ent.PersonQuery) { q.WithBadge().WithWatched() }) },
			func(v *ent.Ticket) any {
				badges := make([]*ent.Badge, 0, len(v.Edges.Watchers))
				for _, watching := range v.Edges.Watchers {
					badges = append(badges, watching.Edges.Badge)
				}
				return badges
			}),
		"WithWatches": loaded(func(q *ent.TicketQuery) { q.WithWatches() },
			func(v *ent.Ticket) any { return v.Edges.Watches }),
		"WithNamedComments": loaded(
			func(q *ent.TicketQuery) {
				q.WithNamedComments("loud", func(q *ent.CommentQuery) { q.Where(widen) }).WithNamedTags("few")
			},
			func(v *ent.Ticket) any { all, _ := v.NamedComments("loud"); return all }),
		"WithNamedTags, Modify": loaded(
			func(q *ent.TicketQuery) {
				q.WithNamedTags("t", func(q *ent.TagQuery) { q.Modify(func(s *sql.Selector) { s.Or().Where(sql.ExprP("true")) }) })
			},
			func(v *ent.Ticket) any { all, _ := v.NamedTags("t"); return all }),
		"WithTicket": func(ctx context.Context, x target) (any, error) {
			rows, err := c.Comment.Query().Where(comment.ID(x.Comment)).WithTicket().All(ctx)
			return each(rows, err, func(v *ent.Comment) any { return v.Edges.Ticket })
		},
		"WithParent, WithReplies": func(ctx context.Context, x target) (any, error) {
			rows, err := c.Remark.Query().Where(remark.ID(x.Remark)).WithParent().WithReplies().All(ctx)
			return each(rows, err, func(v *ent.Remark) any { return v.Edges.Replies })
		},
		"WithPerson of an edge schema": func(ctx context.Context, x target) (any, error) {
			rows, err := c.Watcher.Query().Where(watcher.TicketID(x.Ticket)).WithPerson().WithTicket().All(ctx)
			return each(rows, err, func(v *ent.Watcher) any { return v.Edges.Person })
		},
	})
}

// oraclePaths learn of the target's rows from the caller's own.
func oraclePaths(c *ent.Client) []conformance.Path {
	return reading(map[string]read{
		"one's own tags, if a ticket exists": func(ctx context.Context, x target) (any, error) {
			is, err := c.Tag.Query().Where(text("EXISTS (SELECT 1 FROM tickets WHERE id = ?)", x.Ticket)).Exist(ctx)
			return told(x, is, err)
		},
		"one's own tags, if a text is anywhere": func(ctx context.Context, x target) (any, error) {
			n, err := c.Tag.Query().Where(tag.HasTicketsWith(ticket.HasCommentsWith(comment.BodyHasSuffix(x.Secret)))).Count(ctx)
			return told(x, n, err)
		},
		"number of one's own tags, with a join": func(ctx context.Context, x target) (any, error) {
			q := c.Tag.Query()
			q.Modify(func(s *sql.Selector) {
				t := sql.Table(ticket.Table)
				s.Join(t).OnP(sql.EQ(t.C(ticket.FieldID), x.Ticket))
			})
			n, err := q.Count(ctx)
			return told(x, n, err)
		},
	})
}
