package main

import (
	"context"
	"slices"

	"entgo.io/ent/dialect/sql"
	"entgo.io/ent/entql"
	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/examples/ent-app/ent"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/comment"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/ticket"
	"github.com/stratum-hq/stratum-go/examples/internal/attack"
	"github.com/stratum-hq/stratum-go/examples/internal/dataset"
)

// readAttempts look for rows of another tenant, by their ids and by conditions that are too wide.
func (s *scene) readAttempts() []attack.Attempt {
	return slices.Concat([]attack.Attempt{
		attack.Try("Get by another tenant's id", attack.Nothing(), s.getByID),
		attack.Try("Where tenant_id is another's", attack.Nothing(), s.whereTenant),
		attack.Try("Where(Or(...))", attack.OwnRows(), s.orAlways),
		attack.Try("Where with a line break before OR 1=1", attack.OwnRows(), s.orBehindLineBreak),
		attack.Try("a predicate that calls Or on the selector", attack.OwnRows(), s.orOnSelector),
		attack.Try("a condition with a quote injected", attack.OwnRows(), s.injectedQuote),
		attack.Try("Not(...) another tenant", attack.OwnRows(), s.notOwn),
		attack.Try("Exist of another's ticket", attack.Nothing(), s.existByID),
		attack.Try("a sub-query over another tenant", attack.Nothing(), s.subQuery),
		attack.Try("Modify with Or behind everything", attack.OwnRows(), s.modifyOr),
		attack.Try("Modify with a join to another tenant's rows", attack.Nothing(), s.modifyJoin),
		attack.Try("Modify with a UNION ALL", attack.OwnRows(), s.modifyUnion),
		attack.Try("Modify with another FROM", attack.OwnRows(), s.modifyFrom),
		attack.Try("Select and Scan of tenant_id", attack.OwnRows(), s.selectTenant),
		attack.Try("GroupBy tenant_id", attack.OwnRows(), s.groupByTenant),
		attack.Try("a filter of entql", attack.Nothing(), s.filterTenant),
		attack.Try("a filter of entql with Or", attack.OwnRows(), s.filterOr),
		attack.Try("ForUpdate of another's ticket", attack.Nothing(), s.forUpdate),
		attack.Try("Limit and Offset over everything", attack.OwnRows(), s.pages),
	}, s.Reads())
}

func (s *scene) getByID(ctx context.Context) (attack.Reached, error) {
	return tickets(one(s.client.Ticket.Get(ctx, s.Other.Ticket)))
}

func (s *scene) whereTenant(ctx context.Context) (attack.Reached, error) {
	return tickets(s.client.Ticket.Query().Where(ticket.TenantID(s.Other.Tenant.ID)).All(ctx))
}

func (s *scene) orAlways(ctx context.Context) (attack.Reached, error) {
	return tickets(s.client.Ticket.Query().
		Where(ticket.Or(ticket.StatusEQ(dataset.StatusOpen), ticket.NumberNEQ("none"))).All(ctx))
}

// orBehindLineBreak is a text that ent does not see the OR of.
func (s *scene) orBehindLineBreak(ctx context.Context) (attack.Reached, error) {
	return tickets(s.client.Ticket.Query().Where(func(t *sql.Selector) {
		t.Where(sql.ExprP("status = 'none'\nOR\n1=1"))
	}).All(ctx))
}

// orOnSelector has ent join what comes next, which may be the tenant's condition, by OR.
func (s *scene) orOnSelector(ctx context.Context) (attack.Reached, error) {
	return tickets(s.client.Ticket.Query().Where(func(t *sql.Selector) {
		t.Where(sql.NEQ(t.C(ticket.FieldNumber), "none")).Or()
	}).All(ctx))
}

// injectedQuote is what an application does that builds conditions out of input.
func (s *scene) injectedQuote(ctx context.Context) (attack.Reached, error) {
	input := "T-1' OR '1'='1"
	return tickets(s.client.Ticket.Query().Where(func(t *sql.Selector) {
		t.Where(sql.ExprP("number = '" + input + "'"))
	}).All(ctx))
}

func (s *scene) notOwn(ctx context.Context) (attack.Reached, error) {
	return tickets(s.client.Ticket.Query().Where(ticket.Not(ticket.TenantID(s.Other.Tenant.ID))).All(ctx))
}

func (s *scene) existByID(ctx context.Context) (attack.Reached, error) {
	return s.exists(s.client.Ticket.Query().Where(ticket.ID(s.Other.Ticket)).Exist(ctx))
}

// subQuery names the table by itself, which no interceptor sees.
func (s *scene) subQuery(ctx context.Context) (attack.Reached, error) {
	return comments(s.client.Comment.Query().Where(func(c *sql.Selector) {
		t := sql.Table(ticket.Table)
		c.Where(sql.In(c.C(comment.FieldTicketID), sql.Select(t.C(ticket.FieldID)).From(t).
			Where(sql.EQ(t.C(ticket.FieldTenantID), s.Other.Tenant.ID))))
	}).All(ctx))
}

func (s *scene) modifyOr(ctx context.Context) (attack.Reached, error) {
	return tickets(s.client.Ticket.Query().Modify(func(t *sql.Selector) {
		t.Or().Where(sql.ExprP("1 = 1"))
	}).All(ctx))
}

// modifyJoin looks for tickets that have the same number elsewhere; every tenant has a T-1001.
func (s *scene) modifyJoin(ctx context.Context) (attack.Reached, error) {
	return scan(ctx, s.client.Ticket.Query().Modify(func(t *sql.Selector) {
		others := sql.Table(ticket.Table).As("others")
		t.Join(others).OnP(sql.And(
			sql.ColumnsEQ(t.C(ticket.FieldNumber), others.C(ticket.FieldNumber)),
			sql.ColumnsNEQ(t.C(ticket.FieldTenantID), others.C(ticket.FieldTenantID))))
		t.Select(others.C(ticket.FieldTenantID))
	}))
}

func (s *scene) modifyUnion(ctx context.Context) (attack.Reached, error) {
	return scan(ctx, s.client.Ticket.Query().Modify(func(t *sql.Selector) {
		t.Select(t.C(ticket.FieldTenantID))
		t.UnionAll(sql.Select(comment.FieldTenantID).From(sql.Table(comment.Table)))
	}))
}

// modifyFrom reads from something else than the table that the query is about.
func (s *scene) modifyFrom(ctx context.Context) (attack.Reached, error) {
	return scan(ctx, s.client.Ticket.Query().Modify(func(t *sql.Selector) {
		everything := sql.Select().From(sql.Table(ticket.Table)).As(ticket.Table)
		t.From(everything).Select(everything.C(ticket.FieldTenantID))
	}))
}

// scan reads the owners that a modified query selects.
func scan(ctx context.Context, query *ent.TicketSelect) (attack.Reached, error) {
	var got []uuid.UUID
	err := query.Scan(ctx, &got)
	return got, err
}

func (s *scene) selectTenant(ctx context.Context) (attack.Reached, error) {
	return scan(ctx, s.client.Ticket.Query().Select(ticket.FieldTenantID))
}

func (s *scene) filterTenant(ctx context.Context) (attack.Reached, error) {
	query := s.client.Ticket.Query()
	query.Filter().WhereTenantID(entql.ValueEQ(s.Other.Tenant.ID))
	return tickets(query.All(ctx))
}

func (s *scene) filterOr(ctx context.Context) (attack.Reached, error) {
	query := s.client.Ticket.Query()
	number := ticket.FieldNumber
	query.Filter().Where(entql.Or(entql.FieldEQ(number, "none"), entql.FieldNEQ(number, "none")))
	return tickets(query.All(ctx))
}

func (s *scene) forUpdate(ctx context.Context) (attack.Reached, error) {
	return undone(ctx, s.client, func(tx *ent.Client) (attack.Reached, error) {
		return tickets(tx.Ticket.Query().Where(ticket.ID(s.Other.Ticket)).ForUpdate().All(ctx))
	})
}

func (s *scene) pages(ctx context.Context) (got attack.Reached, err error) {
	const size = 50
	for {
		page, err := tickets(s.client.Ticket.Query().Order(ticket.ByID()).Offset(len(got)).Limit(size).All(ctx))
		got = append(got, page...)
		if err != nil || len(page) < size {
			return got, err
		}
	}
}
