package attack

import (
	"context"

	"github.com/stratum-hq/stratum-go/core"
)

// Reads look for rows of another tenant with SQL.
func (s *Scene) Reads() []Attempt {
	return []Attempt{
		{"raw SELECT by another tenant's id", Nothing(), s.rawByID},
		{"raw SELECT of everything", OwnRows(), s.rawEverything},
		{"raw UNION ALL", OwnRows(), s.rawUnion},
		{"raw SELECT in a CTE", Nothing(), s.rawCTE},
		{"raw correlated sub-query", Nothing(), s.rawCorrelated},
		{"ctid of all rows", OwnRows(), s.rawTID},
	}
}

// Changes change or delete rows of another tenant with SQL.
func (s *Scene) Changes() []Attempt {
	return []Attempt{
		{"raw UPDATE", Nothing(), s.rawUpdate},
		{"raw UPDATE ... FROM", Nothing(), s.rawUpdateFrom},
		{"raw DELETE", Nothing(), s.rawDelete},
		{"raw DELETE in a CTE", Nothing(), s.rawDeleteCTE},
	}
}

// Upserts take another tenant's row for an own one with SQL.
func (s *Scene) Upserts() []Attempt {
	return []Attempt{{"raw INSERT ... ON CONFLICT DO UPDATE", Refused(core.ErrCrossTenant), s.rawUpsert}}
}

// Forgeries write, with SQL, rows that would be another tenant's.
func (s *Scene) Forgeries() []Attempt {
	return []Attempt{
		{"raw INSERT with such a tenant_id", Refused(core.ErrCrossTenant), s.rawInsert},
		{"raw INSERT ... SELECT of another's rows", Nothing(), s.rawInsertSelect},
	}
}

// Gifts give a row away with SQL.
func (s *Scene) Gifts() []Attempt {
	return []Attempt{{"raw UPDATE of tenant_id", Refused(core.ErrCrossTenant), s.rawGiveAway}}
}

// Comments refer to another tenant's ticket with SQL. PostgreSQL checks foreign keys past every policy, so it is the
// tenant's id in each key that refuses them.
func (s *Scene) Comments() []Attempt {
	return []Attempt{{"raw INSERT of such a comment", Refused(core.ErrForeignKey), s.rawCommentOnOther}}
}

// Joins link a ticket and a tag of two tenants with SQL.
func (s *Scene) Joins() []Attempt {
	return []Attempt{
		{"raw row in the join table", Refused(core.ErrForeignKey), s.rawJoinRow},
		{"raw row in the join table in another's name", Refused(core.ErrCrossTenant), s.rawForeignJoinRow},
	}
}

func (s *Scene) rawByID(ctx context.Context) (Reached, error) {
	return s.owners(ctx, "SELECT tenant_id FROM tickets WHERE id = $1", s.Other.Ticket)
}

func (s *Scene) rawEverything(ctx context.Context) (Reached, error) {
	return s.owners(ctx, "SELECT tenant_id FROM tickets")
}

func (s *Scene) rawUnion(ctx context.Context) (Reached, error) {
	return s.owners(ctx, "SELECT tenant_id FROM tags WHERE tenant_id = $1 UNION ALL SELECT tenant_id FROM tickets",
		s.Me.Tenant.ID)
}

func (s *Scene) rawCTE(ctx context.Context) (Reached, error) {
	return s.owners(ctx,
		"WITH theirs AS MATERIALIZED (SELECT * FROM comments WHERE tenant_id = $1) SELECT tenant_id FROM theirs",
		s.Other.Tenant.ID)
}

func (s *Scene) rawCorrelated(ctx context.Context) (Reached, error) {
	return s.owners(ctx, `SELECT t.tenant_id FROM countries c
		CROSS JOIN LATERAL (SELECT tenant_id FROM tickets WHERE tenant_id = $1 AND country_code = c.code) t`,
		s.Other.Tenant.ID)
}

// rawTID looks by the place of a row in the table's file.
func (s *Scene) rawTID(ctx context.Context) (Reached, error) {
	return s.owners(ctx, "SELECT tenant_id FROM tickets WHERE ctid > '(0,0)'")
}

func (s *Scene) rawUpdate(ctx context.Context) (Reached, error) {
	return s.change(ctx, s.Other, "UPDATE tickets SET status = 'closed' WHERE id = $1", s.Other.Ticket)
}

func (s *Scene) rawUpdateFrom(ctx context.Context) (Reached, error) {
	return s.change(ctx, s.Other, `UPDATE tickets SET subject = mine.subject FROM tickets mine
		WHERE mine.id = $1 AND tickets.tenant_id <> mine.tenant_id`, s.Me.Ticket)
}

func (s *Scene) rawDelete(ctx context.Context) (Reached, error) {
	return s.change(ctx, s.Other, "DELETE FROM ticket_tags WHERE tenant_id = $1", s.Other.Tenant.ID)
}

func (s *Scene) rawDeleteCTE(ctx context.Context) (Reached, error) {
	return s.owners(ctx,
		"WITH gone AS (DELETE FROM comments WHERE tenant_id = $1 RETURNING tenant_id) SELECT tenant_id FROM gone",
		s.Other.Tenant.ID)
}

func (s *Scene) rawUpsert(ctx context.Context) (Reached, error) {
	return s.change(ctx, s.Other,
		"INSERT INTO tags (id, name) VALUES ($1, 'forged') ON CONFLICT (id) DO UPDATE SET name = excluded.name",
		s.Other.Tag)
}

func (s *Scene) rawInsert(ctx context.Context) (Reached, error) {
	return s.change(ctx, s.Other, "INSERT INTO tags (tenant_id, name) VALUES ($1, 'forged')", s.Other.Tenant.ID)
}

func (s *Scene) rawInsertSelect(ctx context.Context) (Reached, error) {
	return s.change(ctx, s.Other,
		"INSERT INTO tags (name) SELECT 'stolen from ' || id FROM tickets WHERE tenant_id = $1", s.Other.Tenant.ID)
}

func (s *Scene) rawGiveAway(ctx context.Context) (Reached, error) {
	return s.change(ctx, s.Other, "UPDATE tags SET tenant_id = $1 WHERE id = $2", s.Other.Tenant.ID, s.Me.Tag)
}

func (s *Scene) rawCommentOnOther(ctx context.Context) (Reached, error) {
	return s.change(ctx, s.Other,
		"INSERT INTO comments (ticket_id, author, body, written_at) VALUES ($1, 'mallory', 'hello', now())",
		s.Other.Ticket)
}

func (s *Scene) rawJoinRow(ctx context.Context) (Reached, error) {
	return s.change(ctx, s.Other, "INSERT INTO ticket_tags (ticket_id, tag_id) VALUES ($1, $2)",
		s.Other.Ticket, s.Me.Tag)
}

func (s *Scene) rawForeignJoinRow(ctx context.Context) (Reached, error) {
	return s.change(ctx, s.Other, "INSERT INTO ticket_tags (tenant_id, ticket_id, tag_id) VALUES ($1, $2, $3)",
		s.Other.Tenant.ID, s.Other.Ticket, s.Me.Tag)
}
