package main

import (
	"context"
	"slices"

	"entgo.io/ent/dialect/sql"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/comment"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent/tag"
	"github.com/stratum-hq/stratum-go/examples/internal/attack"
)

// upsertAttempts take another tenant's row for an own one that is to be updated. No hook sees what becomes of it.
func (s *scene) upsertAttempts() []attack.Attempt {
	refused := attack.Refused(core.ErrCrossTenant)
	return slices.Concat([]attack.Attempt{
		attack.Try("upsert on another's primary key", refused, s.upsertKey),
		attack.Try("upsert with Ignore", refused, s.upsertIgnore),
		attack.Try("upsert with DoNothing", attack.Refused(core.ErrDuplicateKey), s.upsertNothing),
		attack.Try("upsert with an update of its own", refused, s.upsertUpdate),
		attack.Try("upsert with a WHERE on another's row", refused, s.upsertWhere),
		attack.Try("CreateBulk as an upsert", refused, s.upsertBulk),
		attack.Try("upsert on a name that another has, too", attack.OwnRows(), s.upsertName),
		attack.Try("upsert on a name, whoever has it", attack.OwnRows(), s.upsertNameOfAnyone),
		attack.Try("upsert that gives a row away", refused, s.upsertGiveAway),
	}, s.Upserts())
}

func (s *scene) forgedComment() *ent.CommentCreate { return s.newOwnComment().SetID(s.Other.Comment) }

func (s *scene) upsertKey(ctx context.Context) (attack.Reached, error) {
	return nil, s.forgedComment().OnConflictColumns(comment.FieldID).UpdateNewValues().Exec(ctx)
}

func (s *scene) upsertIgnore(ctx context.Context) (attack.Reached, error) {
	return nil, s.forgedComment().OnConflictColumns(comment.FieldID).Ignore().Exec(ctx)
}

// upsertNothing would leave the caller with the id of a row that is not there for it.
func (s *scene) upsertNothing(ctx context.Context) (attack.Reached, error) {
	return nil, s.forgedComment().OnConflictColumns(comment.FieldID).DoNothing().Exec(ctx)
}

func (s *scene) upsertUpdate(ctx context.Context) (attack.Reached, error) {
	return nil, s.forgedComment().OnConflictColumns(comment.FieldID).
		Update(func(u *ent.CommentUpsert) { u.SetBody("changed") }).Exec(ctx)
}

// upsertWhere would tell by its success whether the other's row has this author.
func (s *scene) upsertWhere(ctx context.Context) (attack.Reached, error) {
	return nil, s.forgedComment().OnConflict(
		sql.ConflictColumns(comment.FieldID), sql.ResolveWithNewValues(),
		sql.UpdateWhere(sql.EQ(comment.FieldAuthor, "nobody@example.org")),
	).Exec(ctx)
}

func (s *scene) upsertBulk(ctx context.Context) (attack.Reached, error) {
	return nil, s.client.Comment.CreateBulk(s.newOwnComment(), s.forgedComment(), s.newOwnComment()).
		OnConflictColumns(comment.FieldID).UpdateNewValues().Exec(ctx)
}

// upsertName makes a row of its own, or updates it: names are unique per tenant.
func (s *scene) upsertName(ctx context.Context) (attack.Reached, error) {
	return s.upsertTag(ctx, tag.FieldTenantID, tag.FieldName)
}

// upsertNameOfAnyone leaves out the tenant, as code does that is older than the tenants.
func (s *scene) upsertNameOfAnyone(ctx context.Context) (attack.Reached, error) {
	return s.upsertTag(ctx, tag.FieldName)
}

func (s *scene) upsertTag(ctx context.Context, columns ...string) (attack.Reached, error) {
	return undone(ctx, s.client, func(tx *ent.Client) (attack.Reached, error) {
		id, err := tx.Tag.Create().SetName(s.other.tag.Name).OnConflictColumns(columns...).Ignore().ID(ctx)
		if err != nil {
			return nil, err
		}
		return tags(one(tx.Tag.Get(ctx, id)))
	})
}

func (s *scene) upsertGiveAway(ctx context.Context) (attack.Reached, error) {
	return nil, s.client.Tag.Create().SetName(s.me.tag.Name).OnConflictColumns(tag.FieldTenantID, tag.FieldName).
		Update(func(u *ent.TagUpsert) { u.Set(tag.FieldTenantID, s.Other.Tenant.ID) }).Exec(ctx)
}
