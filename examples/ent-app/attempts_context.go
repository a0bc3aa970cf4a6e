package main

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/comment"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/tag"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/ticket"
	"github.com/stratum-hq/stratum-go/examples/internal/attack"
	"github.com/stratum-hq/stratum-go/examples/internal/dataset"
)

// tenantlessAttempts forget the tenant, or name one that may not reach any data. An empty result would be wrong, too:
// it would look as if there were no rows.
func (s *scene) tenantlessAttempts() []attack.Attempt {
	return slices.Concat([]attack.Attempt{
		attack.Try("All", attack.Refused(core.ErrNoTenant), s.Tickets),
		attack.Try("Count", attack.Refused(core.ErrNoTenant), s.countWithoutTenant),
		attack.Try("Exist", attack.Refused(core.ErrNoTenant), s.existWithoutTenant),
		attack.Try("GroupBy", attack.Refused(core.ErrNoTenant), s.groupWithoutTenant),
		attack.Try("a traversal from countries", attack.Refused(core.ErrNoTenant), s.traverseWithoutTenant),
		attack.Try("Create", attack.Refused(core.ErrNoTenant), s.createWithoutTenant),
		attack.Try("CreateBulk", attack.Refused(core.ErrNoTenant), s.createBulkWithoutTenant),
		attack.Try("an upsert", attack.Refused(core.ErrNoTenant), s.upsertWithoutTenant),
		attack.Try("Update", attack.Refused(core.ErrNoTenant), s.updateWithoutTenant),
		attack.Try("UpdateOne", attack.Refused(core.ErrNoTenant), s.updateOneWithoutTenant),
		attack.Try("Delete", attack.Refused(core.ErrNoTenant), s.deleteWithoutTenant),
	}, s.Tenantless(), []attack.Attempt{
		attack.Try("Transaction", attack.Refused(core.ErrNoTenant), s.transactionWithoutTenant),
	}, s.Contexts())
}

func (s *scene) countWithoutTenant(ctx context.Context) (attack.Reached, error) {
	return changes(s.Other)(s.client.Ticket.Query().Count(ctx))
}

func (s *scene) existWithoutTenant(ctx context.Context) (attack.Reached, error) {
	return s.exists(s.client.Comment.Query().Exist(ctx))
}

// exists are one row of the other tenant, if there is one.
func (s *scene) exists(there bool, err error) (attack.Reached, error) {
	if there {
		return attack.Changed(1, s.Other), err
	}
	return nil, err
}

func (s *scene) groupWithoutTenant(ctx context.Context) (attack.Reached, error) {
	return s.groupByTenant(ctx)
}

func (s *scene) traverseWithoutTenant(ctx context.Context) (attack.Reached, error) {
	return tickets(s.client.Country.Query().QueryTickets().All(ctx))
}

func (s *scene) createWithoutTenant(ctx context.Context) (attack.Reached, error) {
	return tags(one(s.client.Tag.Create().SetName("nobody's").Save(ctx)))
}

func (s *scene) createBulkWithoutTenant(ctx context.Context) (attack.Reached, error) {
	return tags(s.client.Tag.CreateBulk(s.client.Tag.Create().SetName("nobody's")).Save(ctx))
}

func (s *scene) upsertWithoutTenant(ctx context.Context) (attack.Reached, error) {
	return nil, s.client.Tag.Create().SetName("nobody's").OnConflictColumns(tag.FieldName).Ignore().Exec(ctx)
}

func (s *scene) updateWithoutTenant(ctx context.Context) (attack.Reached, error) {
	return changes(s.Other)(s.client.Ticket.Update().Where(ticket.ID(s.Other.Ticket)).
		SetStatus(dataset.StatusClosed).Save(ctx))
}

func (s *scene) updateOneWithoutTenant(ctx context.Context) (attack.Reached, error) {
	return tickets(one(s.other.ticket.Update().SetSubject("changed").Save(ctx)))
}

func (s *scene) deleteWithoutTenant(ctx context.Context) (attack.Reached, error) {
	return changes(s.Other)(s.client.Comment.Delete().Where(comment.TenantID(s.Other.Tenant.ID)).Exec(ctx))
}

func (s *scene) transactionWithoutTenant(ctx context.Context) (attack.Reached, error) {
	return undone(ctx, s.client, func(tx *ent.Client) (attack.Reached, error) { return tags(tx.Tag.Query().All(ctx)) })
}

// groupByTenant counts the tickets of each tenant.
func (s *scene) groupByTenant(ctx context.Context) (attack.Reached, error) {
	var groups []struct {
		TenantID uuid.UUID `json:"tenant_id"`
		Count    int
	}
	err := s.client.Ticket.Query().GroupBy(ticket.FieldTenantID).Aggregate(ent.Count()).Scan(ctx, &groups)
	got := make(attack.Reached, 0, len(groups))
	for _, group := range groups {
		got = append(got, slices.Repeat(attack.Reached{group.TenantID}, group.Count)...)
	}
	return got, err
}
