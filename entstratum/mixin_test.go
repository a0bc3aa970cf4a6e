package entstratum_test

import (
	"context"
	"testing"

	entgo "entgo.io/ent"
	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
)

// The tenant's field goes by the name of its column.
func TestColumnOfMixin(t *testing.T) {
	t.Parallel()
	own := uuid.New()
	ctx := core.WithTenant(t.Context(), own)
	for name, mixin := range map[string]entgo.Mixin{
		"Mixin": entstratum.Mixin{Column: "org_id"}, "OwnOrGlobal": entstratum.OwnOrGlobal{Column: "org_id"},
	} {
		descriptor := mixin.Fields()[0].Descriptor()
		require.Equal(t, entstratum.FieldName, descriptor.Name, name)
		require.Equal(t, "org_id", descriptor.StorageKey, name)
		require.True(t, descriptor.Immutable, name)
		m := &orgMutation{op: entgo.OpCreate}
		mutate := mixin.Hooks()[0](entgo.MutateFunc(func(context.Context, entgo.Mutation) (entgo.Value, error) {
			return "done", nil
		}))
		_, err := mutate.Mutate(ctx, m)
		require.NoError(t, err, name)
		require.Equal(t, own, m.org, name)
		m = &orgMutation{op: entgo.OpUpdate, org: uuid.New()}
		_, err = mutate.Mutate(ctx, m)
		require.ErrorIs(t, err, entstratum.ErrTenantChange, name)
		m = &orgMutation{op: entgo.OpUpdate}
		_, err = mutate.Mutate(ctx, m)
		require.NoError(t, err, name)
		selector := sql.Dialect("postgres").Select().From(sql.Table("t")).Where(sql.ExprP("a OR b"))
		m.StratumState().Narrow(nil)(selector)
		query, _ := selector.Query()
		require.Equal(t, `SELECT * FROM "t" WHERE (a OR b) AND ("t"."org_id" = $1)`, query)
	}
}

// orgMutation is a mutation of an entity whose tenant column is org_id.
type orgMutation struct {
	entgo.Mutation

	state entstratum.Mutation
	op    entgo.Op
	org   uuid.UUID
}

// StratumState is as the extension generates it.
func (m *orgMutation) StratumState() *entstratum.Mutation { return &m.state }

// Op is the kind of change.
func (m *orgMutation) Op() entgo.Op { return m.op }

// Field returns org_id, and knows no other.
func (m *orgMutation) Field(name string) (entgo.Value, bool) {
	return m.org, name == "org_id" && m.org != uuid.Nil
}

// FieldCleared reports that nothing is.
func (*orgMutation) FieldCleared(string) bool { return false }

// SetField sets org_id.
func (m *orgMutation) SetField(name string, value entgo.Value) error {
	if id, ok := value.(uuid.UUID); ok && name == "org_id" {
		m.org = id
	}
	return nil
}
