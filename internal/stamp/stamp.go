// Package stamp decides whose a new row is. Both adapters ask it for each row that they are about to insert.
package stamp

import (
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/internal/guard"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// ErrTenantID is returned for a new row whose tenant is missing as the system, or not the tenant of ctx.
var ErrTenantID = errors.New("stratum: tenant id of a new row")

// Settle returns the tenant of a new row that the application has given id, or uuid.Nil: the one of the scope, or, as
// the system, the one that the application must have given. Where everyone is true a row may be everyone's, and the
// system gives it none.
func Settle(s scope.Scope, id uuid.UUID, everyone bool) (uuid.UUID, error) {
	switch {
	case s.Kind == scope.System && id == uuid.Nil && everyone:
		return id, nil
	case s.Kind == scope.System && id == uuid.Nil:
		return id, fmt.Errorf("%w is missing (the system says whose a row is: set TenantID)", ErrTenantID)
	case s.Kind == scope.System || id == s.Tenant:
		return id, nil
	case id == uuid.Nil:
		return s.Tenant, nil
	}
	return id, fmt.Errorf("%w is not the tenant of ctx (leave it empty): %w", ErrTenantID, guard.ErrCrossTenant)
}
