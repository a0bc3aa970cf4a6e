package core

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/internal/guard"
)

// Limits keep one tenant from taking what all of them share: the connections of Options.MaxConns, and the server's
// time. The zero value limits nothing.
//
// A limit is each tenant's own, in this process; WithTenant and WithSubtree of one tenant count together. AsSystem,
// Tenants and Ping have no limit.
type Limits struct {
	// Tenant is the limit of each tenant.
	Tenant Limit

	// PerTenant, where it is not nil, is asked for the limit of a tenant, with Tenant to start from:
	//
	//	PerTenant: func(tenant uuid.UUID, limit core.Limit) core.Limit {
	//		if plans.Large(tenant) {
	//			limit.Concurrent *= 2
	//		}
	//		return limit
	//	}
	//
	// It is called more than once for each statement, by many goroutines: it must answer from memory. What goes on
	// already is not ended by a lower answer. An answer that Open would not accept as Tenant refuses the statement with
	// ErrConfig.
	PerTenant func(tenant uuid.UUID, limit Limit) Limit
}

// Limit bounds what one tenant may have going on at once. The zero value bounds nothing.
type Limit struct {
	// Concurrent is the most statements and transactions that a tenant has going on at once. A transaction counts as
	// one from its begin to its end, whatever runs in it; a query counts until its rows are read to the end or closed.
	// One more waits for its turn, without a connection, in the order of arrival; see Wait. It helps other tenants only
	// where it is below Options.MaxConns. Defaults to 0, which is no limit.
	//
	// Code that holds a transaction open and begins something beside it needs two turns of its tenant at once. Where
	// all turns are held by such code it waits for itself, until Wait has passed and it gets ErrTenantBusy: run both in
	// the transaction.
	Concurrent int

	// Wait is how long a statement or a transaction waits for its turn before it is refused with ErrTenantBusy. It
	// waits no longer than its ctx in any case; the refusal is then the error of ctx, too. NoWait refuses at once.
	// Defaults to 5 seconds.
	Wait time.Duration

	// StatementTimeout is how long the server works on one statement before it cancels it, in whole milliseconds. It is
	// set with the tenant, for the transaction, and costs no round trip; a transaction may change it for itself with
	// SET LOCAL statement_timeout. Defaults to 0, which leaves what the login has.
	StatementTimeout time.Duration
}

// NoWait is a Limit.Wait of no time at all: a tenant at its limit is refused at once.
const NoWait time.Duration = -1

const defaultTenantWait = 5 * time.Second

// maxStatementTimeout is the most that PostgreSQL's setting holds, a little under 25 days.
const maxStatementTimeout = math.MaxInt32 * time.Millisecond

func (l Limit) withDefaults() Limit {
	if l.Wait == 0 {
		l.Wait = defaultTenantWait
	}
	return l
}

func (l Limit) validate() error {
	switch {
	case l.Concurrent < 0:
		return fmt.Errorf("%w: Limit.Concurrent is negative (use 0 for no limit)", ErrConfig)
	case l.Wait < 0 && l.Wait != NoWait:
		return fmt.Errorf("%w: Limit.Wait is negative (use core.NoWait to refuse at once)", ErrConfig)
	case l.StatementTimeout < 0, l.StatementTimeout%time.Millisecond != 0, l.StatementTimeout > maxStatementTimeout:
		return fmt.Errorf("%w: Limit.StatementTimeout is %s (use whole milliseconds up to %s, or 0 for what "+
			"the login has)", ErrConfig, l.StatementTimeout, maxStatementTimeout)
	}
	return nil
}

// of returns the limit of a tenant.
func (l Limits) of(tenant uuid.UUID) (Limit, error) {
	limit := l.Tenant
	if l.PerTenant != nil {
		limit = l.PerTenant(tenant, limit)
		if err := limit.validate(); err != nil {
			return Limit{}, fmt.Errorf("%w; Limits.PerTenant answered it", err)
		}
	}
	return limit.withDefaults(), nil
}

// apply has the guard ask for limits, where there are any.
func (l Limits) apply(config *guard.Config) {
	if l.PerTenant == nil && l.Tenant.Concurrent == 0 && l.Tenant.StatementTimeout == 0 {
		return
	}
	config.Limit = func(tenant uuid.UUID) (guard.Limit, error) {
		limit, err := l.of(tenant)
		return guard.Limit{Concurrent: limit.Concurrent, Wait: limit.Wait}, err
	}
	if l.PerTenant == nil && l.Tenant.StatementTimeout == 0 {
		return
	}
	config.StatementTimeout = func(tenant uuid.UUID) time.Duration {
		limit, err := l.of(tenant)
		if err != nil {
			// The statement is refused where its turn is taken; until then it gets the least there is.
			return time.Millisecond
		}
		return limit.StatementTimeout
	}
}

// warnLimits says that a limit protects nobody.
func (s *Stratum) warnLimits(ctx context.Context) {
	if n := s.options.Limits.Tenant.Concurrent; n >= s.options.MaxConns {
		s.options.Logger.WarnContext(ctx, "stratum: Limits.Tenant.Concurrent is not below MaxConns; one tenant can "+
			"take all connections", "concurrent", n, "max_conns", s.options.MaxConns)
	}
}
