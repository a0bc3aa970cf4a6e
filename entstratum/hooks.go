package entstratum

import (
	"context"
	"fmt"

	"entgo.io/ent"
	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/internal/scope"
	"github.com/stratum-hq/stratum-go/internal/stamp"
)

// hook stamps new rows with the tenant of the context, and keeps updates and deletes to the tenant's rows.
func (t tenancy) hook(next ent.Mutator) ent.Mutator {
	return ent.MutateFunc(func(ctx context.Context, m ent.Mutation) (ent.Value, error) {
		s, err := scope.Check(ctx)
		if err != nil {
			return nil, err
		}
		generated, ok := m.(stated)
		if !ok {
			return nil, ErrGenerated
		}
		state := generated.StratumState()
		*state = Mutation{scope: s} // the same mutation may be run again, for another tenant
		if m.Op().Is(ent.OpCreate) {
			err = t.stamp(state, m)
		} else {
			err = t.keep(state, m)
		}
		if err != nil {
			return nil, err
		}
		value, err := next.Mutate(ctx, m)
		if refused := state.settle(ctx, err); refused != nil {
			return nil, refused
		}
		return value, err
	})
}

// stamp sets the tenant of a new row. ent's mutations know a field by its column.
func (t tenancy) stamp(state *Mutation, m ent.Mutation) error {
	var given uuid.UUID
	if value, ok := m.Field(t.column); ok {
		if given, ok = value.(uuid.UUID); !ok {
			return fmt.Errorf("%w cannot be read from a %T", ErrTenantID, value)
		}
	}
	id, err := stamp.Settle(state.scope, given, t.everyone)
	if err != nil {
		return err
	}
	if state.everyones = id == uuid.Nil; state.everyones {
		return m.ClearField(t.column)
	}
	return m.SetField(t.column, id)
}

// keep narrows a change to rows of the tenant. A subtree's changes are for the tenant itself. ent would leave a tenant
// that is set out of an UPDATE without a word, so that is refused.
func (t tenancy) keep(state *Mutation, m ent.Mutation) error {
	s := state.scope
	if given, ok := m.Field(t.column); m.FieldCleared(t.column) || ok && given != ent.Value(s.Tenant) {
		return ErrTenantChange
	}
	if s.Kind != scope.System {
		state.keep = func(selector *sql.Selector) {
			selector.SetP(both(selector.P(), sql.EQ(selector.C(t.column), s.Tenant)))
		}
	}
	return nil
}
