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
		if m.Op().Is(ent.OpCreate) {
			err = t.stamp(s, m)
		} else {
			err = t.keep(s, m)
		}
		if err != nil {
			return nil, err
		}
		return next.Mutate(ctx, m)
	})
}

// stamp sets the tenant of a new row.
func (t tenancy) stamp(s scope.Scope, m ent.Mutation) error {
	var given uuid.UUID
	if value, ok := m.Field(FieldName); ok {
		if given, ok = value.(uuid.UUID); !ok {
			return fmt.Errorf("%w cannot be read from a %T", ErrTenantID, value)
		}
	}
	id, err := stamp.Settle(s, given, t.everyone)
	if err != nil {
		return err
	}
	if id == uuid.Nil {
		return m.ClearField(FieldName)
	}
	return m.SetField(FieldName, id)
}

// narrowed is implemented by the mutations that ent generates.
type narrowed interface {
	WhereP(conditions ...func(*sql.Selector))
}

// keep narrows a change to rows of the tenant. A subtree's changes are for the tenant itself.
func (t tenancy) keep(s scope.Scope, m ent.Mutation) error {
	if s.Kind == scope.System {
		return nil
	}
	mutation, ok := m.(narrowed)
	if !ok {
		return ErrGenerated
	}
	mutation.WhereP(func(selector *sql.Selector) {
		selector.SetP(both(selector.P(), sql.EQ(selector.C(t.column), s.Tenant)))
	})
	return nil
}

// Unencrypted returns the hook of clients without keys: it refuses values of fields that are declared as encrypted. The
// generated OpenStratum adds it.
func Unencrypted(r *Registry) ent.Hook {
	encrypted := make(map[string][]string)
	for _, t := range r.Tables {
		for _, f := range t.Fields {
			if f.Encrypted {
				encrypted[t.Entity] = append(encrypted[t.Entity], f.Name)
			}
		}
	}
	return func(next ent.Mutator) ent.Mutator {
		return ent.MutateFunc(func(ctx context.Context, m ent.Mutation) (ent.Value, error) {
			for _, name := range encrypted[m.Type()] {
				if _, ok := m.Field(name); ok {
					return nil, fmt.Errorf("%w: %s.%s", ErrEncrypted, m.Type(), name)
				}
			}
			return next.Mutate(ctx, m)
		})
	}
}
