package attack

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/core"
)

// Tenantless are raw statements without a tenant. An empty result would be wrong, too: it would look as if there were
// no rows.
func (s *Scene) Tenantless() []Attempt {
	return []Attempt{
		{"Raw SELECT", Refused(core.ErrNoTenant), s.rawEverything},
		{"Exec DELETE", Refused(core.ErrNoTenant), s.rawDeleteEverything},
	}
}

// Contexts name a tenant that may not reach any data.
func (s *Scene) Contexts() []Attempt {
	return []Attempt{
		{"a tenant id that was never set", Refused(core.ErrNoTenant), s.nilTenant},
		{"a tenant that does not exist", Refused(core.ErrTenantUnknown), s.unknownTenant},
		{"a tenant that is suspended", Refused(core.ErrTenantNotActive), s.suspendedTenant},
		{"the system without a reason", Refused(core.ErrNoReason), s.systemWithoutReason},
	}
}

func (s *Scene) rawDeleteEverything(ctx context.Context) (Reached, error) {
	return s.change(ctx, s.Other, "DELETE FROM comments")
}

func (s *Scene) nilTenant(ctx context.Context) (Reached, error) {
	var forgotten uuid.UUID
	return s.orm.Tickets(core.WithTenant(ctx, forgotten))
}

func (s *Scene) unknownTenant(ctx context.Context) (Reached, error) {
	return s.orm.Tickets(core.WithTenant(ctx, uuid.New()))
}

// suspendedTenant suspends a tenant for a moment: its data is out of reach from the next statement on.
func (s *Scene) suspendedTenant(ctx context.Context) (got Reached, err error) {
	if err := s.st.Tenants.Suspend(ctx, s.Child.Tenant.ID); err != nil {
		return nil, err
	}
	got, err = s.orm.Tickets(As(ctx, s.Child))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if resumeErr := s.st.Tenants.Resume(ctx, s.Child.Tenant.ID); resumeErr != nil {
		return got, resumeErr
	}
	return got, err
}

func (s *Scene) systemWithoutReason(ctx context.Context) (Reached, error) {
	return s.orm.Tickets(core.AsSystem(ctx, ""))
}
