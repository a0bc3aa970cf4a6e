package scope

import "errors"

// Refusals that a context causes. Package core gives them to users under the same names.
var (
	// ErrNoTenant is returned for a statement whose context names neither a tenant nor the system.
	ErrNoTenant = errors.New("stratum: no tenant in ctx (set one with core.WithTenant(ctx, id) and pass that ctx to " +
		"the statement, or use core.AsSystem(ctx, reason) for work across tenants)")

	// ErrNoReason is returned for a statement under core.AsSystem with an empty reason.
	ErrNoReason = errors.New("stratum: core.AsSystem needs a reason (say why the boundary is bypassed, for example " +
		`core.AsSystem(ctx, "nightly invoice run"))`)
)
