package main

import (
	"context"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
)

// tenantlessAttempts forget the tenant, or name one that may not reach any data. An empty result would be wrong, too:
// it would look as if there were no rows.
func tenantlessAttempts() []attempt {
	return []attempt{
		{"Find", refused(core.ErrNoTenant), findWithoutTenant},
		{"Count", refused(core.ErrNoTenant), countWithoutTenant},
		{"Pluck", refused(core.ErrNoTenant), pluckWithoutTenant},
		{"Create", refused(core.ErrNoTenant), createWithoutTenant},
		{"Update", refused(core.ErrNoTenant), updateWithoutTenant},
		{"Raw SELECT", refused(core.ErrNoTenant), rawWithoutTenant},
		{"Exec DELETE", refused(core.ErrNoTenant), execWithoutTenant},
		{"Transaction", refused(core.ErrNoTenant), transactionWithoutTenant},
		{"a tenant id that was never set", refused(core.ErrNoTenant), nilTenant},
		{"a tenant that does not exist", refused(core.ErrTenantUnknown), unknownTenant},
		{"a tenant that is suspended", refused(core.ErrTenantNotActive), suspendedTenant},
		{"the system without a reason", refused(core.ErrNoReason), systemWithoutReason},
	}
}

func findWithoutTenant(ctx context.Context, s *scene) (reached, error) {
	return find[Ticket](s.db.WithContext(ctx))
}

func countWithoutTenant(ctx context.Context, s *scene) (reached, error) {
	var n int64
	err := s.db.WithContext(ctx).Model(&Ticket{}).Count(&n).Error
	return make(reached, n), err
}

func pluckWithoutTenant(ctx context.Context, s *scene) (got reached, err error) {
	err = s.db.WithContext(ctx).Model(&Comment{}).Pluck("tenant_id", (*[]uuid.UUID)(&got)).Error
	return got, err
}

func createWithoutTenant(ctx context.Context, s *scene) (reached, error) {
	return nil, s.db.WithContext(ctx).Create(&Tag{Name: "nobody's"}).Error
}

func updateWithoutTenant(ctx context.Context, s *scene) (reached, error) {
	return change(s.db.WithContext(ctx).Model(&s.other.ticket).Update("status", StatusClosed), s.other)
}

func rawWithoutTenant(ctx context.Context, s *scene) (reached, error) {
	return owners(s.db.WithContext(ctx).Raw("SELECT tenant_id FROM tickets"))
}

func execWithoutTenant(ctx context.Context, s *scene) (reached, error) {
	return change(s.db.WithContext(ctx).Exec("DELETE FROM comments"), s.other)
}

func transactionWithoutTenant(ctx context.Context, s *scene) (reached, error) {
	return undone(s.db.WithContext(ctx), func(tx *gorm.DB) (reached, error) { return find[Tag](tx) })
}

func nilTenant(ctx context.Context, s *scene) (reached, error) {
	var forgotten uuid.UUID
	return find[Ticket](s.db.WithContext(core.WithTenant(ctx, forgotten)))
}

func unknownTenant(ctx context.Context, s *scene) (reached, error) {
	return find[Ticket](s.db.WithContext(core.WithTenant(ctx, uuid.New())))
}

// suspendedTenant suspends a tenant for a moment: its data is out of reach from the next statement on.
func suspendedTenant(ctx context.Context, s *scene) (got reached, err error) {
	if err := s.st.Tenants.Suspend(ctx, s.child.tenant.ID); err != nil {
		return nil, err
	}
	got, err = find[Ticket](s.db.WithContext(as(ctx, s.child)))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if resumeErr := s.st.Tenants.Resume(ctx, s.child.tenant.ID); resumeErr != nil {
		return got, resumeErr
	}
	return got, err
}

func systemWithoutReason(ctx context.Context, s *scene) (reached, error) {
	return find[Ticket](s.db.WithContext(core.AsSystem(ctx, "")))
}
