package main

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/examples/internal/attack"
	"github.com/stratum-hq/stratum-go/examples/internal/dataset"
)

// tenantlessAttempts forget the tenant, or name one that may not reach any data. An empty result would be wrong, too:
// it would look as if there were no rows.
func (s *scene) tenantlessAttempts() []attack.Attempt {
	return slices.Concat([]attack.Attempt{
		attack.Try("Find", attack.Refused(core.ErrNoTenant), s.Tickets),
		attack.Try("Count", attack.Refused(core.ErrNoTenant), s.countWithoutTenant),
		attack.Try("Pluck", attack.Refused(core.ErrNoTenant), s.pluckWithoutTenant),
		attack.Try("Create", attack.Refused(core.ErrNoTenant), s.createWithoutTenant),
		attack.Try("Update", attack.Refused(core.ErrNoTenant), s.updateWithoutTenant),
	}, s.Tenantless(), []attack.Attempt{
		attack.Try("Transaction", attack.Refused(core.ErrNoTenant), s.transactionWithoutTenant),
	}, s.Contexts())
}

func (s *scene) countWithoutTenant(ctx context.Context) (attack.Reached, error) {
	var n int64
	err := s.db.WithContext(ctx).Model(&Ticket{}).Count(&n).Error
	return make(attack.Reached, n), err
}

func (s *scene) pluckWithoutTenant(ctx context.Context) (got attack.Reached, err error) {
	err = s.db.WithContext(ctx).Model(&Comment{}).Pluck("tenant_id", (*[]uuid.UUID)(&got)).Error
	return got, err
}

func (s *scene) createWithoutTenant(ctx context.Context) (attack.Reached, error) {
	return nil, s.db.WithContext(ctx).Create(&Tag{Name: "nobody's"}).Error
}

func (s *scene) updateWithoutTenant(ctx context.Context) (attack.Reached, error) {
	return change(s.db.WithContext(ctx).Model(&s.other.ticket).Update("status", dataset.StatusClosed), s.Other)
}

func (s *scene) transactionWithoutTenant(ctx context.Context) (attack.Reached, error) {
	return undone(s.db.WithContext(ctx), func(tx *gorm.DB) (attack.Reached, error) { return find[Tag](tx) })
}
