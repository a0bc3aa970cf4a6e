package main

import (
	"context"

	"github.com/google/uuid"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// treeAttempts go from a tenant to its parent, its child and others without having the right to.
func treeAttempts() []attempt {
	return []attempt{
		{"a child's rows without WithSubtree", nothing(), childWithoutSubtree},
		{"the parent's rows with WithSubtree", nothing(), parentWithSubtree},
		{"another's rows with WithSubtree", nothing(), otherWithSubtree},
		{"Update of a child's row with WithSubtree", nothing(), updateWithSubtree},
		{"Delete of a child's row with WithSubtree", nothing(), deleteWithSubtree},
		{"Create for a child with WithSubtree", refused(core.ErrCrossTenant), createWithSubtree},
		{"raw INSERT for a child with WithSubtree", refused(core.ErrCrossTenant), rawInsertWithSubtree},
		{"Tenants.BySlug of another tenant", refused(core.ErrTenantNotFound), lookUpOther},
		{"Tenants.Children of the root", refused(core.ErrForbidden), listRoots},
		{"Tenants.Move of another beneath oneself", refused(core.ErrTenantNotFound), moveOther},
		{"Tenants.Suspend of one's parent", refused(core.ErrTenantNotFound), suspendParent},
	}
}

// globalAttempts write what all tenants read, and read what belongs to Stratum.
func globalAttempts() []attempt {
	return []attempt{
		{"Create of a country", refused(core.ErrPermission), createCountry},
		{"upsert of a country", refused(core.ErrPermission), upsertCountry},
		{"Update of a country", refused(core.ErrPermission), updateCountry},
		{"Delete of a country", refused(core.ErrPermission), deleteCountry},
		{"raw SELECT of all tenants", refused(core.ErrPermission), readTenants},
		{"raw UPDATE of one's place in the tree", refused(core.ErrPermission), updateTenants},
		{"a table that Stratum does not know", refused(gormstratum.ErrModel), unknownTable},
		{"AutoMigrate as a tenant", refused(gormstratum.ErrAutoMigrate), autoMigrate},
	}
}

func childWithoutSubtree(ctx context.Context, s *scene) (reached, error) {
	return find[Ticket](s.db.WithContext(ctx).Where("tenant_id = ?", s.child.tenant.ID))
}

// subtree widens the scope to all that is beneath the attempting tenant.
func subtree(ctx context.Context, s *scene) context.Context {
	return core.WithSubtree(ctx, s.me.tenant.ID)
}

func parentWithSubtree(ctx context.Context, s *scene) (reached, error) {
	return find[Ticket](s.db.WithContext(subtree(ctx, s)).Where("tenant_id = ?", s.parent.tenant.ID))
}

func otherWithSubtree(ctx context.Context, s *scene) (reached, error) {
	return find[Ticket](s.db.WithContext(subtree(ctx, s)).Where("tenant_id = ?", s.other.tenant.ID))
}

func updateWithSubtree(ctx context.Context, s *scene) (reached, error) {
	return change(s.db.WithContext(subtree(ctx, s)).Model(&Ticket{}).
		Where("id = ?", s.child.ticket.ID).Update("subject", "changed"), s.child)
}

func deleteWithSubtree(ctx context.Context, s *scene) (reached, error) {
	return change(s.db.WithContext(subtree(ctx, s)).Delete(&Ticket{}, "id = ?", s.child.ticket.ID), s.child)
}

func createWithSubtree(ctx context.Context, s *scene) (reached, error) {
	tag := Tag{Name: "forged"}
	tag.TenantID = s.child.tenant.ID
	return change(s.db.WithContext(subtree(ctx, s)).Create(&tag), s.child)
}

func rawInsertWithSubtree(ctx context.Context, s *scene) (reached, error) {
	return change(s.db.WithContext(subtree(ctx, s)).Exec("INSERT INTO tags (tenant_id, name) VALUES (?, 'forged')",
		s.child.tenant.ID), s.child)
}

func lookUpOther(ctx context.Context, s *scene) (reached, error) {
	_, err := s.st.Tenants.BySlug(ctx, s.other.tenant.Slug)
	return nil, err
}

func listRoots(ctx context.Context, s *scene) (reached, error) {
	_, err := s.st.Tenants.Children(ctx, uuid.Nil)
	return nil, err
}

func moveOther(ctx context.Context, s *scene) (reached, error) {
	_, err := s.st.Tenants.Move(ctx, s.other.tenant.ID, s.me.tenant.ID)
	return nil, err
}

func suspendParent(ctx context.Context, s *scene) (reached, error) {
	return nil, s.st.Tenants.Suspend(ctx, s.parent.tenant.ID)
}

func createCountry(ctx context.Context, s *scene) (reached, error) {
	return nil, s.db.WithContext(ctx).Create(&Country{Code: "XX", Name: "Nowhere"}).Error
}

func upsertCountry(ctx context.Context, s *scene) (reached, error) {
	return nil, s.db.WithContext(ctx).Clauses(clause.OnConflict{UpdateAll: true}).
		Create(&Country{Code: "IE", Name: "Nowhere"}).Error
}

func updateCountry(ctx context.Context, s *scene) (reached, error) {
	return nil, s.db.WithContext(ctx).Model(&Country{}).Where("code = ?", "IE").Update("name", "Nowhere").Error
}

func deleteCountry(ctx context.Context, s *scene) (reached, error) {
	return nil, s.db.WithContext(ctx).Where("1 = 1").Delete(&Country{}).Error
}

func readTenants(ctx context.Context, s *scene) (reached, error) {
	return owners(s.db.WithContext(ctx).Raw("SELECT id FROM stratum.tenants"))
}

func updateTenants(ctx context.Context, s *scene) (reached, error) {
	return nil, s.db.WithContext(ctx).Exec("UPDATE stratum.tenants SET parent_id = NULL WHERE id = ?",
		s.me.tenant.ID).Error
}

func unknownTable(ctx context.Context, s *scene) (reached, error) {
	var names []string
	return nil, s.db.WithContext(ctx).Table("customers").Pluck("name", &names).Error
}

func autoMigrate(ctx context.Context, s *scene) (reached, error) {
	return nil, s.db.WithContext(ctx).AutoMigrate(&Ticket{})
}
