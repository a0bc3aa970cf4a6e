package variant

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/bench/internal/world"
)

// Kind names a variant.
type Kind string

// The variants.
const (
	// PlainSQL is database/sql with a hand-written WHERE: the baseline of Guard.
	PlainSQL Kind = "plain-sql"
	// Guard is Stratum without an ORM: st.DB().
	Guard Kind = "guard"
	// PlainGORM is GORM with a hand-written WHERE: the baseline of all others.
	PlainGORM Kind = "plain-gorm"
	// Plugin is gormstratum.
	Plugin Kind = "plugin"
	// PlainEnt is ent with a hand-written WHERE: the baseline of Ent.
	PlainEnt Kind = "plain-ent"
	// Ent is entstratum.
	Ent Kind = "ent"
	// SetLocal is BEGIN, set_config(..., true), the statement, COMMIT, with a policy on the setting.
	SetLocal Kind = "set-local"
	// SetSession is a setting that is set when a connection is checked out and reset when it is returned.
	SetSession Kind = "set-session"
	// SearchPath is a schema for each tenant: a reserved connection whose search_path is set and reset.
	SearchPath Kind = "search-path"
)

// Kinds returns all variants, baselines first.
func Kinds() []Kind {
	return []Kind{PlainSQL, PlainGORM, PlainEnt, Guard, Plugin, Ent, SetLocal, SetSession, SearchPath}
}

// Baseline returns what a variant is compared with. A baseline's is itself.
func (k Kind) Baseline() Kind {
	switch k { //nolint:exhaustive // the others are compared with GORM
	case Guard, PlainSQL:
		return PlainSQL
	case Ent, PlainEnt:
		return PlainEnt
	default:
		return PlainGORM
	}
}

// Ours reports whether the variant is Stratum's, so that there are goals for it.
func (k Kind) Ours() bool { return k == Guard || k == Plugin || k == Ent }

// NeedsSession reports whether the variant remembers something on its connection from one transaction to the next.
// Behind a pooler in transaction mode that reads other tenants' rows, and there is nothing to measure.
func (k Kind) NeedsSession() bool { return k == SetSession || k == SearchPath }

// Seen is what an operation read.
type Seen struct {
	// Rows is how many rows came back.
	Rows int
	// Foreign is how many of them belong to another tenant.
	Foreign int
}

func (s *Seen) add(owner, want uuid.UUID) {
	s.Rows++
	if owner != want {
		s.Foreign++
	}
}

// Action does an operation for a tenant.
type Action func(ctx context.Context, pick world.Pick) (Seen, error)

// Variant is a way to keep tenants apart, connected to a database. It is safe for concurrent use.
type Variant struct {
	// Kind is which it is.
	Kind Kind

	actions map[Op]Action
	close   func() error
}

// Do does an operation. An operation that reads another tenant's row, or not what it should, fails.
func (v *Variant) Do(ctx context.Context, op Op, pick world.Pick) error {
	seen, err := v.Look(ctx, op, pick)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %s: %w", v.Kind, op, err)
	case seen.Foreign > 0 || seen.Rows == 0:
		return fmt.Errorf("%s: %s: %d rows, %d of them another tenant's", v.Kind, op, seen.Rows, seen.Foreign)
	}
	return nil
}

// Look does an operation and returns what it read. What changes a row counts it as one.
func (v *Variant) Look(ctx context.Context, op Op, pick world.Pick) (Seen, error) {
	action, ok := v.actions[op]
	if !ok {
		return Seen{}, fmt.Errorf("unknown operation %q", op)
	}
	return action(ctx, pick)
}

// Close closes the variant's connections.
func (v *Variant) Close() error { return v.close() }

// Target is a way to the database.
type Target struct {
	// World is what is at its end.
	World *world.World
	// DSN and SystemDSN are the logins by this way.
	DSN, SystemDSN string
	// Conns bounds the connections of a variant.
	Conns int
}

// Open connects a variant.
func Open(ctx context.Context, kind Kind, target Target) (*Variant, error) {
	var open func(context.Context, Target) (*Variant, error)
	switch kind {
	case PlainSQL:
		open = openPlainSQL
	case PlainGORM:
		open = openPlainGORM
	case Guard:
		open = openGuard
	case Plugin:
		open = openPlugin
	case PlainEnt:
		open = openPlainEnt
	case Ent:
		open = openEnt
	case SetLocal:
		open = openSetLocal
	case SetSession:
		open = openSetSession
	case SearchPath:
		open = openSearchPath
	default:
		return nil, fmt.Errorf("unknown variant %q", kind)
	}
	v, err := open(ctx, target)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	v.Kind = kind
	return v, nil
}
