package main

import (
	"context"
	"errors"
	"slices"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"entgo.io/ent/privacy"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/intercept"
	"github.com/stratum-hq/stratum-go/examples/internal/attack"
)

// sessionAttempts use for one tenant what was made for another, or go around ent.
func (s *scene) sessionAttempts() []attack.Attempt {
	mismatch := attack.Refused(core.ErrTenantMismatch)
	return slices.Concat([]attack.Attempt{
		attack.Try("a transaction begun by another tenant", mismatch, s.foreignTransaction),
		attack.Try("raw SQL in such a transaction", mismatch, s.foreignRaw),
		attack.Try("a row that another's transaction has read", attack.Nothing(), s.foreignRow),
		attack.Try("a transaction, and then no tenant", attack.Refused(core.ErrNoTenant), s.transactionLosesTenant),
	}, s.Prepared(), []attack.Attempt{
		attack.Try("a query that another tenant has run", attack.OwnRows(), s.usedQuery),
		attack.Try("a clone of such a query", attack.OwnRows(), s.clonedQuery),
		attack.Try("that query without a tenant", attack.Refused(core.ErrNoTenant), s.usedQueryNoTenant),
	}, s.UsedConnections(), []attack.Attempt{
		attack.Try("database/sql beneath ent", attack.Nothing(), s.plainSQL),
		attack.Try("database/sql without a context", attack.Refused(core.ErrNoTenant), s.plainSQLNoContext),
	}, s.Goroutines())
}

// clientAttempts bring a client or a context that says something else than Stratum.
func (s *scene) clientAttempts() []attack.Attempt {
	return []attack.Attempt{
		attack.Try("ent's own driver on the pool", attack.OwnRows(), s.ownDriver),
		attack.Try("that driver without a tenant", attack.Refused(core.ErrNoTenant), s.ownDriverNoTenant),
		attack.Try("a debug client", attack.OwnRows(), s.debug),
		attack.Try("a debug client without a tenant", attack.Refused(core.ErrNoTenant), s.debugNoTenant),
		attack.Try("a privacy decision to allow", attack.OwnRows(), s.allow),
		attack.Try("that decision without a tenant", attack.Refused(core.ErrNoTenant), s.allowNoTenant),
		attack.Try("an interceptor that widens queries", attack.OwnRows(), s.widen),
		attack.Try("a hook that sets another's TenantID", attack.Refused(core.ErrCrossTenant), s.hook),
		attack.Try("sql.WithVar of the tenant", attack.Refused(core.ErrCommand), s.withTenantVar),
		attack.Try("sql.WithVar of row_security", attack.Refused(core.ErrCommand), s.withSecurityVar),
		attack.Try("Schema.Create as a tenant", attack.Refused(entstratum.ErrSchemaCreate), s.schemaCreate),
	}
}

func (s *scene) foreignTransaction(ctx context.Context) (got attack.Reached, err error) {
	return undone(attack.As(ctx, s.Other), s.client, func(tx *ent.Client) (attack.Reached, error) {
		return tickets(tx.Ticket.Query().All(ctx))
	})
}

func (s *scene) foreignRaw(ctx context.Context) (got attack.Reached, err error) {
	return undone(attack.As(ctx, s.Other), s.client, func(tx *ent.Client) (attack.Reached, error) {
		return attack.Owners(ctx, tx, "SELECT tenant_id FROM tickets")
	})
}

// foreignRow goes on with a row that belongs to another tenant's transaction, which has ended.
func (s *scene) foreignRow(ctx context.Context) (got attack.Reached, err error) {
	var row *ent.Ticket
	theirs := attack.As(ctx, s.Other)
	err = inTx(theirs, s.client, func(tx *ent.Client) (err error) {
		row, err = tx.Ticket.Get(theirs, s.Other.Ticket)
		return err
	})
	if err != nil {
		return nil, err
	}
	return comments(s.client.Ticket.QueryComments(row.Unwrap()).All(ctx))
}

func (s *scene) transactionLosesTenant(ctx context.Context) (attack.Reached, error) {
	return undone(ctx, s.client, func(tx *ent.Client) (attack.Reached, error) {
		return tickets(tx.Ticket.Query().All(attack.WithoutTenant(ctx)))
	})
}

func (s *scene) usedQuery(ctx context.Context) (attack.Reached, error) {
	query, err := s.queryOfOther(ctx)
	if err != nil {
		return nil, err
	}
	return tickets(query.All(ctx))
}

func (s *scene) clonedQuery(ctx context.Context) (attack.Reached, error) {
	query, err := s.queryOfOther(ctx)
	if err != nil {
		return nil, err
	}
	return tickets(query.Clone().All(ctx))
}

func (s *scene) usedQueryNoTenant(ctx context.Context) (attack.Reached, error) {
	query, err := s.queryOfOther(ctx)
	if err != nil {
		return nil, err
	}
	return tickets(query.All(attack.WithoutTenant(ctx)))
}

// queryOfOther is a query that the other tenant has run.
func (s *scene) queryOfOther(ctx context.Context) (*ent.TicketQuery, error) {
	query := s.client.Ticket.Query()
	found, err := query.All(attack.As(ctx, s.Other))
	if err == nil && len(found) == 0 {
		err = errors.New("the other tenant has found no tickets")
	}
	return query, err
}

func (s *scene) plainSQL(ctx context.Context) (attack.Reached, error) {
	return attack.Owners(ctx, s.st.DB(), "SELECT tenant_id FROM tickets WHERE id = $1", s.Other.Ticket)
}

func (s *scene) plainSQLNoContext(context.Context) (attack.Reached, error) {
	rows, err := s.st.DB().Query("SELECT tenant_id FROM tickets") //nolint:noctx,rowserrcheck // what is attempted
	return attack.ScanOwners(rows, err)
}

// ownDriver leaves out entstratum.Driver.
// ownDriver reads tags: a ticket's requester is encrypted, and such a client has no keys.
func (s *scene) ownDriver(ctx context.Context) (attack.Reached, error) {
	client := ent.NewClient(ent.Driver(sql.OpenDB(dialect.Postgres, s.st.DB())))
	return tags(client.Tag.Query().All(ctx))
}

func (s *scene) ownDriverNoTenant(ctx context.Context) (attack.Reached, error) {
	return s.ownDriver(attack.WithoutTenant(ctx))
}

func (s *scene) debug(ctx context.Context) (attack.Reached, error) {
	client := ent.OpenStratum(s.st, ent.Log(func(...any) {})).Debug()
	return tickets(client.Ticket.Query().All(ctx))
}

func (s *scene) debugNoTenant(ctx context.Context) (attack.Reached, error) {
	return s.debug(attack.WithoutTenant(ctx))
}

// allow has ent skip the policies of the schemas.
func (s *scene) allow(ctx context.Context) (attack.Reached, error) {
	return s.Tickets(privacy.DecisionContext(ctx, privacy.Allow))
}

func (s *scene) allowNoTenant(ctx context.Context) (attack.Reached, error) {
	return s.allow(attack.WithoutTenant(ctx))
}

func (s *scene) widen(ctx context.Context) (attack.Reached, error) {
	client := ent.OpenStratum(s.st)
	client.Intercept(intercept.TraverseFunc(func(_ context.Context, q intercept.Query) error {
		q.WhereP(func(t *sql.Selector) { t.Where(sql.ExprP("1=0\nOR\n1=1")).Or() })
		return nil
	}))
	return tickets(client.Ticket.Query().All(ctx))
}

func (s *scene) hook(ctx context.Context) (attack.Reached, error) {
	client := ent.OpenStratum(s.st)
	client.Tag.Use(func(next ent.Mutator) ent.Mutator {
		return ent.MutateFunc(func(ctx context.Context, m ent.Mutation) (ent.Value, error) {
			if err := m.SetField("tenant_id", s.Other.Tenant.ID); err != nil {
				return nil, err
			}
			return next.Mutate(ctx, m)
		})
	})
	return tags(one(client.Tag.Create().SetName("forged").Save(ctx)))
}

// withTenantVar has ent send a SET on the connection, in front of the statement.
func (s *scene) withTenantVar(ctx context.Context) (attack.Reached, error) {
	return s.Tickets(sql.WithVar(ctx, "stratum.tenant", s.Other.Tenant.ID.String()))
}

func (s *scene) withSecurityVar(ctx context.Context) (attack.Reached, error) {
	return s.Tickets(sql.WithVar(ctx, "row_security", "off"))
}

// schemaCreate is what ent.StratumMigrate takes the place of.
func (s *scene) schemaCreate(ctx context.Context) (attack.Reached, error) {
	return nil, s.client.Schema.Create(ctx)
}
