package main

import (
	"context"
	"slices"

	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/examples/internal/attack"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// treeAttempts go from a tenant to its parent, its child and others without having the right to.
func (s *scene) treeAttempts() []attack.Attempt {
	return slices.Concat([]attack.Attempt{
		attack.Try("a child's rows without WithSubtree", attack.Nothing(), s.childWithoutSubtree),
		attack.Try("the parent's rows with WithSubtree", attack.Nothing(), s.parentWithSubtree),
		attack.Try("another's rows with WithSubtree", attack.Nothing(), s.otherWithSubtree),
		attack.Try("Update of a child's row with WithSubtree", attack.Nothing(), s.updateWithSubtree),
		attack.Try("Delete of a child's row with WithSubtree", attack.Nothing(), s.deleteWithSubtree),
		attack.Try("Create for a child with WithSubtree", attack.Refused(core.ErrCrossTenant), s.createWithSubtree),
	}, s.Subtrees(), s.Tenants())
}

// globalAttempts write what all tenants read, and read what belongs to Stratum.
func (s *scene) globalAttempts() []attack.Attempt {
	return slices.Concat([]attack.Attempt{
		attack.Try("Create of a country", attack.Refused(core.ErrPermission), s.createCountry),
		attack.Try("upsert of a country", attack.Refused(core.ErrPermission), s.upsertCountry),
		attack.Try("Update of a country", attack.Refused(core.ErrPermission), s.updateCountry),
		attack.Try("Delete of a country", attack.Refused(core.ErrPermission), s.deleteCountry),
	}, s.Registry(), []attack.Attempt{
		attack.Try("a table that Stratum does not know", attack.Refused(gormstratum.ErrModel), s.unknownTable),
		attack.Try("AutoMigrate as a tenant", attack.Refused(gormstratum.ErrAutoMigrate), s.autoMigrate),
	})
}

func (s *scene) childWithoutSubtree(ctx context.Context) (attack.Reached, error) {
	return find[Ticket](s.db.WithContext(ctx).Where("tenant_id = ?", s.Child.Tenant.ID))
}

func (s *scene) parentWithSubtree(ctx context.Context) (attack.Reached, error) {
	return find[Ticket](s.db.WithContext(s.Subtree(ctx)).Where("tenant_id = ?", s.Parent.Tenant.ID))
}

func (s *scene) otherWithSubtree(ctx context.Context) (attack.Reached, error) {
	return find[Ticket](s.db.WithContext(s.Subtree(ctx)).Where("tenant_id = ?", s.Other.Tenant.ID))
}

func (s *scene) updateWithSubtree(ctx context.Context) (attack.Reached, error) {
	return change(s.db.WithContext(s.Subtree(ctx)).Model(&Ticket{}).
		Where("id = ?", s.child.ticket.ID).Update("subject", "changed"), s.Child)
}

func (s *scene) deleteWithSubtree(ctx context.Context) (attack.Reached, error) {
	return change(s.db.WithContext(s.Subtree(ctx)).Delete(&Ticket{}, "id = ?", s.child.ticket.ID), s.Child)
}

func (s *scene) createWithSubtree(ctx context.Context) (attack.Reached, error) {
	tag := Tag{Name: "forged"}
	tag.TenantID = s.Child.Tenant.ID
	return change(s.db.WithContext(s.Subtree(ctx)).Create(&tag), s.Child)
}

func (s *scene) createCountry(ctx context.Context) (attack.Reached, error) {
	return nil, s.db.WithContext(ctx).Create(&Country{Code: "XX", Name: "Nowhere"}).Error
}

func (s *scene) upsertCountry(ctx context.Context) (attack.Reached, error) {
	return nil, s.db.WithContext(ctx).Clauses(clause.OnConflict{UpdateAll: true}).
		Create(&Country{Code: "IE", Name: "Nowhere"}).Error
}

func (s *scene) updateCountry(ctx context.Context) (attack.Reached, error) {
	return nil, s.db.WithContext(ctx).Model(&Country{}).Where("code = ?", "IE").Update("name", "Nowhere").Error
}

func (s *scene) deleteCountry(ctx context.Context) (attack.Reached, error) {
	return nil, s.db.WithContext(ctx).Where("1 = 1").Delete(&Country{}).Error
}

func (s *scene) unknownTable(ctx context.Context) (attack.Reached, error) {
	var names []string
	return nil, s.db.WithContext(ctx).Table("customers").Pluck("name", &names).Error
}

func (s *scene) autoMigrate(ctx context.Context) (attack.Reached, error) {
	return nil, s.db.WithContext(ctx).AutoMigrate(&Ticket{})
}
