package entstratum_test

import (
	"context"

	"entgo.io/ent/dialect/sql"
	"entgo.io/ent/entql"
	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/badge"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/comment"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/person"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/predicate"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/remark"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/tag"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/ticket"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/watcher"
	"github.com/stratum-hq/stratum-go/internal/conformance"
)

// where is a path that reads the tickets that conditions leave.
func where(c *ent.Client, conditions func(x target) []predicate.Ticket) read {
	return func(ctx context.Context, x target) (any, error) {
		return c.Ticket.Query().Where(conditions(x)...).All(ctx)
	}
}

// predicatePaths read by the conditions that ent generates.
func predicatePaths(c *ent.Client) []conformance.Path {
	one := func(p func(x target) predicate.Ticket) read {
		return where(c, func(x target) []predicate.Ticket { return []predicate.Ticket{p(x)} })
	}
	return reading(map[string]read{
		"IDIn": one(func(x target) predicate.Ticket { return ticket.IDIn(x.Ticket, uuid.New()) }),
		"Or": one(func(x target) predicate.Ticket {
			return ticket.Or(ticket.ID(x.Ticket), ticket.TitleContainsFold(""))
		}),
		"Not":         one(func(target) predicate.Ticket { return ticket.Not(ticket.Number("none")) }),
		"tenant":      one(func(x target) predicate.Ticket { return ticket.TenantID(x.Tenant) }),
		"any tenant":  one(func(target) predicate.Ticket { return ticket.TenantIDNEQ(uuid.Nil) }),
		"tenant, not": one(func(target) predicate.Ticket { return ticket.Not(ticket.TenantIDIsNil()) }),
		"HasComments": one(func(target) predicate.Ticket { return ticket.HasComments() }),
		"HasCommentsWith": one(func(x target) predicate.Ticket {
			return ticket.HasCommentsWith(comment.Or(comment.ID(x.Comment), comment.BodyContains("")))
		}),
		"HasTagsWith": one(func(x target) predicate.Ticket { return ticket.HasTagsWith(tag.ID(x.Tag)) }),
		"HasWatchersWith, nested": one(func(x target) predicate.Ticket {
			return ticket.HasWatchersWith(person.HasBadgeWith(badge.ID(x.Badge)))
		}),
		"HasWatchesWith": one(func(x target) predicate.Ticket {
			return ticket.HasWatchesWith(watcher.PersonID(x.Person))
		}),
		"Not HasTagsWith": one(func(x target) predicate.Ticket { return ticket.Not(ticket.HasTagsWith(tag.ID(x.Spare))) }),
		"HasParentWith": func(ctx context.Context, x target) (any, error) {
			return c.Remark.Query().Where(remark.HasParentWith(remark.ID(x.Remark))).All(ctx)
		},
		"HasPersonWith": func(ctx context.Context, x target) (any, error) {
			return c.Badge.Query().Where(badge.HasPersonWith(person.HasWatchedWith(ticket.ID(x.Ticket)))).All(ctx)
		},
		"HasTicketWith of an edge schema": func(ctx context.Context, x target) (any, error) {
			return c.Watcher.Query().Where(watcher.HasTicketWith(ticket.Number(x.Number))).All(ctx)
		},
	})
}

// widenPaths read by conditions that would let in more than the tenant's rows if they stood beside its condition.
func widenPaths(c *ent.Client) []conformance.Path {
	widen := func(conditions ...predicate.Ticket) read {
		return where(c, func(x target) []predicate.Ticket {
			return append([]predicate.Ticket{ticket.Or(ticket.ID(x.Ticket), ticket.Number("none"))}, conditions...)
		})
	}
	return reading(map[string]read{
		"Or left open": widen(func(s *sql.Selector) { s.Or() }),
		"Or before": where(c, func(x target) []predicate.Ticket {
			return []predicate.Ticket{
				func(s *sql.Selector) { s.Where(sql.False()).Or() }, ticket.ID(x.Ticket),
				func(s *sql.Selector) { s.Or().Where(sql.ExprP("true")) },
			}
		}),
		"Or first of all": where(c, func(target) []predicate.Ticket {
			return []predicate.Ticket{func(s *sql.Selector) { s.Or() }}
		}),
		"Not left open":     widen(func(s *sql.Selector) { s.Where(sql.ExprP("true")).Not() }),
		"condition removed": widen(func(s *sql.Selector) { s.SetP(nil) }),
		"condition replaced": widen(func(s *sql.Selector) {
			s.SetP(sql.Or(sql.ExprP("false"), sql.NotNull(s.C(ticket.FieldID))))
		}),
		"text with OR": widen(func(s *sql.Selector) { s.Or().Where(sql.ExprP("1 = 0 OR 1 = 1")) }),
		"text with OR in lines of its own": widen(func(s *sql.Selector) {
			s.Or().Where(sql.ExprP("1 = 0\nOR\t1 = 1"))
		}),
		"text with a comment": widen(text("1 = 1 --\n")),
		"written by hand": widen(func(s *sql.Selector) {
			s.Or().Where(sql.P(func(b *sql.Builder) { b.WriteString("true or ").Ident("number").WriteString(" <> ''") }))
		}),
		"Or left open in a sub-query": widen(ticket.HasCommentsWith(func(s *sql.Selector) {
			s.Or().Where(sql.ExprP("true")).Or()
		})),
		"Or left open, GroupBy": func(ctx context.Context, _ target) (any, error) {
			return c.Ticket.Query().Where(func(s *sql.Selector) { s.Where(sql.ExprP("1 = 0 OR true")).Or() }).
				GroupBy(ticket.FieldTitle).Strings(ctx)
		},
		"Or left open in a step of a traversal": func(ctx context.Context, _ target) (any, error) {
			open := func(s *sql.Selector) { s.Where(sql.ExprP("true")).Or() }
			return c.Ticket.Query().Where(open).QueryComments().Where(open).QueryTicket().Where(open).All(ctx)
		},
	})
}

// textPaths read by conditions with SQL of the application's own.
func textPaths(c *ent.Client) []conformance.Path {
	return reading(map[string]read{
		"text":           where(c, func(x target) []predicate.Ticket { return []predicate.Ticket{text("id = ?", x.Ticket)} }),
		"text as a type": where(c, func(target) []predicate.Ticket { return []predicate.Ticket{sql.FieldHasPrefix("title", "")} }),
		"fields compared": where(c, func(target) []predicate.Ticket {
			return []predicate.Ticket{sql.FieldsNEQ(ticket.FieldNumber, ticket.FieldTitle)}
		}),
		"IN a sub-query": where(c, func(target) []predicate.Ticket {
			return []predicate.Ticket{func(s *sql.Selector) {
				t := sql.Table(comment.Table)
				s.Where(sql.In(s.C(ticket.FieldID), sql.Select(t.C(comment.FieldTicketID)).From(t)))
			}}
		}),
		"EXISTS a sub-query": where(c, func(x target) []predicate.Ticket {
			return []predicate.Ticket{func(s *sql.Selector) {
				t := sql.Table(comment.Table)
				s.Where(sql.Exists(sql.Select().From(t).Where(sql.And(
					sql.ColumnsEQ(t.C(comment.FieldTicketID), s.C(ticket.FieldID)), sql.EQ(t.C(comment.FieldID), x.Comment),
				))))
			}}
		}),
		"IN a sub-query as a text": where(c, func(x target) []predicate.Ticket {
			return []predicate.Ticket{text("id IN (SELECT ticket_id FROM comments WHERE id = ? OR true)", x.Comment)}
		}),
		"tuple": where(c, func(x target) []predicate.Ticket {
			return []predicate.Ticket{func(s *sql.Selector) {
				s.Where(sql.CompositeGT([]string{s.C(ticket.FieldID), s.C(ticket.FieldNumber)}, uuid.Nil, x.Number))
			}}
		}),
		"error that tells": func(ctx context.Context, x target) (any, error) {
			_, err := c.Ticket.Query().Where(text("id = ? AND title::int > 0", x.Ticket)).All(ctx)
			if isCast(err) {
				return told(x, true, nil) // a row was there to be cast
			}
			return nil, err
		},
	})
}

// filterPaths read by conditions of entql.
func filterPaths(c *ent.Client) []conformance.Path {
	filtered := func(filter func(f *ent.TicketFilter, x target)) read {
		return func(ctx context.Context, x target) (any, error) {
			q := c.Ticket.Query()
			filter(q.Filter(), x)
			return q.All(ctx)
		}
	}
	return reading(map[string]read{
		"entql ID": filtered(func(f *ent.TicketFilter, x target) { f.WhereID(entql.ValueEQ(x.Ticket)) }),
		"entql Or": filtered(func(f *ent.TicketFilter, x target) {
			f.Where(entql.Or(entql.FieldEQ(ticket.FieldID, x.Ticket), entql.FieldNEQ(ticket.FieldNumber, "")))
		}),
		"entql tenant": filtered(func(f *ent.TicketFilter, x target) { f.WhereTenantID(entql.ValueEQ(x.Tenant)) }),
		"entql HasEdge": filtered(func(f *ent.TicketFilter, _ target) {
			f.Where(entql.HasEdgeWith("comments", entql.FieldNEQ(comment.FieldBody, "")))
		}),
		"entql WhereHasTagsWith": filtered(func(f *ent.TicketFilter, x target) { f.WhereHasTagsWith(tag.ID(x.Tag)) }),
		"entql Not": filtered(func(f *ent.TicketFilter, _ target) {
			f.Where(entql.Not(entql.FieldEQ(ticket.FieldNumber, "none")))
		}),
		"entql in a step of a traversal": func(ctx context.Context, x target) (any, error) {
			q := c.Ticket.Query()
			q.Filter().WhereNumber(entql.StringEQ(x.Number))
			return q.QueryComments().All(ctx)
		},
	})
}
