package entstratum_test

import (
	"context"
	"slices"
	"testing"

	entgo "entgo.io/ent"
	"entgo.io/ent/dialect/sql"
	"entgo.io/ent/dialect/sql/sqlgraph"
	"entgo.io/ent/schema/field"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/comment"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/migrate"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/watcher"
)

// encrypting is the desk's registry with a field that is stored encrypted, in a column of another name for tickets.
func encrypting() *entstratum.Registry {
	registry := *migrate.StratumTables
	registry.Tables = nil
	for _, table := range migrate.StratumTables.Tables {
		switch table.Entity {
		case "Comment":
			table.Fields = []entstratum.Field{{Name: "text", Column: "body", Encrypted: true}}
		case "Watcher":
			table.Fields = []entstratum.Field{{Name: "title", Column: "title", Encrypted: true}}
		}
		registry.Tables = append(registry.Tables, table)
	}
	return &registry
}

// Encrypted fields are refused while there are no keys, wherever a value comes from.
func TestUnencrypted(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	client := ent.NewClient(ent.Driver(n.log))
	client.Use(entstratum.Unencrypted(encrypting()))
	for name, err := range map[string]error{
		"create": client.Comment.Create().SetBody("secret").Exec(n.ctx),
		"bulk": client.Comment.CreateBulk(client.Comment.Create().SetBody("secret"), client.Comment.Create()).
			Exec(n.ctx),
		"update":    client.Comment.Update().SetBody("secret").Exec(n.ctx),
		"UpdateOne": client.Comment.UpdateOneID(uuid.New()).SetBody("secret").Exec(n.ctx),
		"system":    client.Comment.Create().SetTenantID(uuid.New()).SetBody("secret").Exec(asSystem(t)),
	} {
		require.ErrorIs(t, err, entstratum.ErrEncrypted, name)
		require.ErrorContains(t, err, "Comment.text", name)
		require.NotContains(t, err.Error(), "secret", name)
	}
	require.Empty(t, n.log.take(), "nothing was sent")
	require.NoError(t, client.Tag.Create().SetName("x").Exec(n.ctx))
	require.NoError(t, client.Comment.Update().SetTicketID(n.ticket.ID).Exec(n.ctx))
	require.NoError(t, n.client.Comment.Update().SetBody("clear").Exec(n.ctx), "this client has no such field")
}

// No hook sees what the Update function of an upsert sets. What adds to the clause's errors there is lost, so it is the
// driver that refuses.
func TestUnencryptedUpsert(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	registry := encrypting()
	secret := sql.ResolveWith(func(u *sql.UpdateSet) { u.Set(comment.FieldBody, "secret") })
	spec := func(options ...sql.ConflictOption) *sqlgraph.CreateSpec {
		s := sqlgraph.NewCreateSpec(comment.Table, sqlgraph.NewFieldSpec(comment.FieldID, field.TypeUUID))
		s.ID.Value = uuid.New()
		s.OnConflict = slices.Concat(options, []sql.ConflictOption{sql.ConflictColumns(comment.FieldID)})
		return s
	}
	one := spec(secret)
	require.ErrorIs(t, sqlgraph.CreateNode(n.ctx, registry.Upsert(&entstratum.Mutation{}, n.log, one), one),
		entstratum.ErrEncrypted)
	bulk := &sqlgraph.BatchCreateSpec{Nodes: []*sqlgraph.CreateSpec{spec()}, OnConflict: spec(secret).OnConflict}
	require.ErrorIs(t, sqlgraph.BatchCreate(n.ctx, registry.UpsertBulk(&entstratum.Mutation{}, n.log, bulk), bulk),
		entstratum.ErrEncrypted)
	linked := &sqlgraph.CreateSpec{Table: watcher.Table, OnConflict: []sql.ConflictOption{
		sql.ConflictColumns(watcher.FieldPersonID, watcher.FieldTicketID),
		sql.ResolveWith(func(u *sql.UpdateSet) { u.Set(watcher.FieldTitle, "secret") }),
	}}
	bulk = &sqlgraph.BatchCreateSpec{Nodes: []*sqlgraph.CreateSpec{linked}, OnConflict: linked.OnConflict}
	require.ErrorIs(t, sqlgraph.BatchCreate(n.ctx, registry.UpsertBulk(&entstratum.Mutation{}, n.log, bulk), bulk),
		entstratum.ErrEncrypted, "here ent drops the errors of a statement")
	refusing := registry.Upsert(&entstratum.Mutation{}, n.log, spec(secret))
	_, err := refusing.Tx(n.ctx)
	require.ErrorIs(t, err, entstratum.ErrEncrypted)
	require.ErrorIs(t, refusing.Exec(n.ctx, "", []any{}, nil), entstratum.ErrEncrypted)
	require.Empty(t, n.log.take(), "nothing was sent")

	other := spec(sql.ResolveWith(func(u *sql.UpdateSet) { u.SetIgnore(comment.FieldID) }))
	require.Same(t, n.log, registry.Upsert(&entstratum.Mutation{}, n.log, other))
}

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
