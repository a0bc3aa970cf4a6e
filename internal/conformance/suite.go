package conformance

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// Effect is what a path does where it is allowed to.
type Effect uint8

// The effects of a path.
const (
	Reads  Effect = iota // returns the target's rows
	Writes               // changes, adds or removes rows of the target
)

// Path is one way to the database. Run takes it, aimed at the target's rows, and returns what the application got to
// see, in any form that prints.
type Path struct {
	Name   string
	Effect Effect
	Run    func(ctx context.Context, target Target) (seen any, err error)

	// System is the error with which the path is refused as the system. Defaults to none: the path is allowed.
	System error
	// Tenant is the error with which the path is refused to every tenant, by a rule of the set-up under test. Defaults
	// to none.
	Tenant error
	// Qualified is set for a path that names the shared tables by their schema. Where the target has a schema of its
	// own the path does not lead there: tenants are refused, and the system, which may read all, reads the shared
	// tables.
	Qualified bool
}

// Caller is on whose behalf a path is taken.
type Caller uint8

// The callers.
const (
	Own       Caller = iota // the tenant whose rows are aimed at
	Another                 // another tenant
	Nobody                  // a context without a tenant
	System                  // core.AsSystem
	Suspended               // a tenant that is not active, aiming at its own rows
)

// Callers are all callers, in the order of the matrix.
func Callers() []Caller { return []Caller{Own, Another, Nobody, System, Suspended} }

// String returns the caller's name in the matrix.
func (c Caller) String() string {
	return [...]string{"own tenant", "another tenant", "no tenant", "system", "suspended"}[c]
}

// Suite is the matrix for one adapter.
type Suite struct {
	// Stratum is the handle under the adapter.
	Stratum *core.Stratum
	// AdminDSN is a login for the ground truth, on whom no policy acts.
	AdminDSN string
	// Paths are the adapter's ways to the database.
	Paths []Path
	// Mix is where the tenants live. Defaults to the shared tables, all of them.
	Mix Mix
	// Placements are the names of the databases of placements beside home, which the login of AdminDSN reaches too.
	Placements map[string]string
}

// Run takes every path as every caller. The cells run one after the other, each on fresh rows.
func Run(t *testing.T, s Suite) {
	t.Helper()
	ctx := t.Context()
	w := newWorld(t, s)
	w.seed(ctx, t)
	fresh := w.server.read(ctx, t)
	cells, failed := 0, 0
	for _, path := range s.Paths {
		for _, caller := range Callers() {
			cells++
			held := t.Run(fmt.Sprintf("%s/%s", path.Name, caller), func(t *testing.T) {
				o := outcome{world: w, path: path, caller: caller, target: w.aim(caller), before: fresh}
				var seen any
				seen, o.err = path.Run(w.context(ctx, caller), o.target.Target)
				o.seen, o.after = fmt.Sprintf("%+v", seen), w.server.read(ctx, t)
				// Before the verdict, which may end the test: the next cell starts from the same rows.
				if !maps.Equal(fresh, o.after) {
					w.seed(ctx, t)
				}
				o.check(t)
			})
			if !held {
				failed++
			}
		}
	}
	t.Logf("%d paths, %d cells, %d leaks or failures", len(s.Paths), cells, failed)
	w.empty(ctx, t)
	w.server.close(ctx, t)
}

// Visit takes every path once, as the tenant whose rows are aimed at, for what else is to be seen on the way. each is
// called with a path's name before it is taken.
func Visit(t *testing.T, s Suite, each func(path string)) {
	t.Helper()
	ctx := t.Context()
	w := newWorld(t, s)
	for _, path := range s.Paths {
		w.seed(ctx, t)
		each(path.Name)
		_, err := path.Run(w.context(ctx, Own), w.target.Target)
		require.NoError(t, err, path.Name)
	}
	w.server.close(ctx, t)
}

// aim returns the rows that a caller aims at. A suspended tenant is refused its own.
func (w *world) aim(c Caller) resident {
	if c == Suspended {
		return w.suspended
	}
	return w.target
}

// context is the context of a caller.
func (w *world) context(ctx context.Context, c Caller) context.Context {
	const reason = "conformance suite"
	ctx = core.WithActor(ctx, core.Actor{ID: "conformance", Kind: "test"})
	switch c {
	case Own:
		return core.WithTenant(ctx, w.target.Tenant)
	case Another:
		return core.WithTenant(ctx, w.other.Tenant)
	case System:
		if w.target.place != w.base {
			return core.AsSystemAt(ctx, reason, w.target.Tenant)
		}
		return core.AsSystem(ctx, reason)
	case Suspended:
		return core.WithTenant(ctx, w.suspended.Tenant)
	case Nobody:
	}
	return ctx
}
