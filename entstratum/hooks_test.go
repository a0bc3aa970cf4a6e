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
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/comment"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/hook"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/template"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/ticket"
)

// Each new row is the tenant's of the context, in what is returned as in the database.
func TestStamp(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	own, foreign := tenantOf(t, n.ctx), tenantOf(t, n.other)
	for name, ctx := range map[string]context.Context{
		"tenant": n.ctx, "subtree": core.WithSubtree(t.Context(), own),
	} {
		made, err := n.client.Comment.Create().SetBody(name).Save(ctx)
		require.NoError(t, err, name)
		require.Equal(t, own, made.TenantID, name)
		made, err = n.client.Comment.Create().SetBody(name).SetTenantID(own).Save(ctx)
		require.NoError(t, err, name)
		require.Equal(t, own, made.TenantID, name)
		_, err = n.client.Comment.Create().SetBody("x").SetTenantID(foreign).Save(ctx)
		require.ErrorIs(t, err, core.ErrCrossTenant, name)
		require.ErrorIs(t, err, entstratum.ErrTenantID, name)
		bulk, err := n.client.Comment.CreateBulk(
			n.client.Comment.Create().SetBody("1"), n.client.Comment.Create().SetBody("2").SetTenantID(own),
		).Save(ctx)
		require.NoError(t, err, name)
		for _, v := range bulk {
			require.Equal(t, own, v.TenantID, name)
		}
		_, err = n.client.Comment.CreateBulk(
			n.client.Comment.Create().SetBody("x"), n.client.Comment.Create().SetBody("x").SetTenantID(foreign),
		).Save(ctx)
		require.ErrorIs(t, err, core.ErrCrossTenant, name)
	}
	require.Zero(t, n.client.Comment.Query().Where(comment.Body("x")).CountX(asSystem(t)), "nothing of them was written")
	require.Equal(t, int64(9), value[int64](t, n.desk, "SELECT count(*) FROM comments WHERE tenant_id = $1", own))
}

// The system says whose a row is.
func TestStampAsSystem(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	_, err := n.client.Comment.Create().Save(asSystem(t))
	require.ErrorIs(t, err, entstratum.ErrTenantID)
	require.NotErrorIs(t, err, core.ErrCrossTenant)
	_, err = n.client.Comment.Create().SetTenantID(uuid.Nil).Save(asSystem(t))
	require.ErrorIs(t, err, entstratum.ErrTenantID)
	made, err := n.client.Comment.Create().SetTenantID(tenantOf(t, n.other)).Save(asSystem(t))
	require.NoError(t, err)
	require.Equal(t, tenantOf(t, n.other), made.TenantID)
	for _, err := range []error{
		n.client.Comment.Create().Exec(t.Context()),
		n.client.Comment.Update().SetBody("x").Exec(t.Context()),
		n.client.Comment.UpdateOne(made).SetBody("x").Exec(t.Context()),
		n.client.Comment.DeleteOne(made).Exec(t.Context()),
	} {
		require.ErrorIs(t, err, core.ErrNoTenant)
	}
	require.ErrorIs(t, n.client.Comment.Create().Exec(core.AsSystem(t.Context(), " ")), core.ErrNoReason)
}

// The rows of OwnOrGlobal are a tenant's, or everyone's where the system has left the tenant out.
func TestStampEveryone(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	own, err := n.client.Template.Create().SetCode("own").Save(n.ctx)
	require.NoError(t, err)
	require.Equal(t, tenantOf(t, n.ctx), *own.TenantID)
	all, err := n.client.Template.Create().SetCode("all").Save(asSystem(t))
	require.NoError(t, err)
	require.Nil(t, all.TenantID)
	foreign, err := n.client.Template.Create().SetCode("foreign").SetTenantID(tenantOf(t, n.other)).Save(asSystem(t))
	require.NoError(t, err)
	_, err = n.client.Template.Create().SetCode("x").SetTenantID(*foreign.TenantID).Save(n.ctx)
	require.ErrorIs(t, err, core.ErrCrossTenant)

	codes, err := n.client.Template.Query().Order(template.ByCode()).Select(template.FieldCode).Strings(n.ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"all", "own"}, codes, "a tenant reads its own and everyone's")
	require.Regexp(t, `"templates"."tenant_id" = \$\d+ OR "templates"."tenant_id" IS NULL`, n.log.take()[3])

	require.Equal(t, 1, n.client.Template.Update().SetBody("b").SaveX(n.ctx), "and writes its own")
	require.Error(t, n.client.Template.UpdateOne(all).SetBody("b").Exec(n.ctx))
	require.Error(t, n.client.Template.DeleteOne(all).Exec(n.ctx))
	require.Equal(t, 1, n.client.Template.Delete().ExecX(n.ctx))
	require.Equal(t, 2, n.client.Template.Update().SetBody("c").SaveX(asSystem(t)))
}

// ent makes rows of an edge schema, and of join tables, without a hook: the column's default stamps them.
func TestStampEdges(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	person, err := n.client.Person.Create().AddWatched(n.ticket).Save(n.ctx)
	require.NoError(t, err)
	watch, err := person.QueryWatches().Only(n.ctx)
	require.NoError(t, err)
	require.Equal(t, tenantOf(t, n.ctx), watch.TenantID)
	second := n.client.Ticket.Create().SetNumber("T-2").AddRelated(n.ticket).AddWatchers(person).SaveX(n.ctx)
	require.Equal(t, 2, person.QueryWatched().CountX(n.ctx))
	require.NoError(t, second.Update().AddTags(n.client.Tag.Create().SetName("new").SaveX(n.ctx)).Exec(n.ctx))
	for _, table := range []string{"watchers", "ticket_tags", "ticket_relations"} {
		require.Zero(t, value[int64](t, n.desk, "SELECT count(*) FROM "+table+" WHERE tenant_id <> $1 AND tenant_id <> $2",
			tenantOf(t, n.ctx), tenantOf(t, n.other)), table)
	}
	require.ErrorIs(t, n.client.Person.Create().AddWatched(n.foreign).Exec(n.ctx), core.ErrForeignKey)
	require.ErrorIs(t, second.Update().AddRelated(n.foreign).Exec(n.ctx), core.ErrForeignKey)
}

// Updates and deletes reach the tenant's rows, and no change moves one.
func TestKeep(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	require.Equal(t, 1, n.client.Ticket.Update().Where(or).SetTitle("own").SaveX(n.ctx))
	require.Equal(t, 1, n.client.Ticket.Update().SetTitle("own").SaveX(core.WithSubtree(t.Context(), tenantOf(t, n.ctx))))
	require.Equal(t, 2, n.client.Ticket.Update().SetStatus("seen").SaveX(asSystem(t)), "the system is not narrowed")
	require.Equal(t, "a", n.client.Ticket.GetX(n.other, n.foreign.ID).Title)
	for name, err := range map[string]error{
		"UpdateOneID":           n.client.Ticket.UpdateOneID(n.foreign.ID).SetTitle("x").Exec(n.ctx),
		"UpdateOneID, nothing":  n.client.Ticket.UpdateOneID(n.foreign.ID).Exec(n.ctx),
		"UpdateOne":             n.client.Ticket.UpdateOne(n.foreign).SetTitle("x").Exec(n.ctx),
		"DeleteOneID":           n.client.Ticket.DeleteOneID(n.foreign.ID).Exec(n.ctx),
		"Get":                   func() error { _, err := n.client.Ticket.Get(n.ctx, n.foreign.ID); return err }(),
		"UpdateOne of a Pair":   n.client.Watcher.UpdateOne(&ent.Watcher{TicketID: n.foreign.ID}).SetTitle("x").Exec(n.ctx),
		"UpdateOne with a link": n.client.Ticket.UpdateOne(n.foreign).AddCommentIDs(uuid.New()).Exec(n.ctx),
	} {
		require.Error(t, err, name)
	}
	require.True(t, ent.IsNotFound(n.client.Ticket.UpdateOneID(n.foreign.ID).SetTitle("x").Exec(n.ctx)))
	require.Zero(t, n.client.Ticket.Delete().Where(ticket.ID(n.foreign.ID)).ExecX(n.ctx))

	for name, change := range map[string]func(*ent.TicketMutation) error{
		"set":     func(m *ent.TicketMutation) error { m.SetTenantID(tenantOf(t, n.other)); return nil },
		"cleared": func(m *ent.TicketMutation) error { return m.ClearField(ticket.FieldTenantID) },
	} {
		for who, ctx := range map[string]context.Context{"tenant": n.ctx, "system": asSystem(t)} {
			one, all := n.client.Ticket.UpdateOne(n.ticket), n.client.Ticket.Update()
			require.NoError(t, change(one.Mutation()))
			require.NoError(t, change(all.Mutation()))
			require.ErrorIs(t, one.Exec(ctx), entstratum.ErrTenantChange, name+" by the "+who)
			require.ErrorIs(t, all.Exec(ctx), entstratum.ErrTenantChange, name+" by the "+who)
		}
	}
	same := n.client.Ticket.UpdateOne(n.ticket).SetTitle("y")
	same.Mutation().SetTenantID(n.ticket.TenantID)
	require.NoError(t, same.Exec(n.ctx), "the same tenant is none that changes")
	require.Equal(t, 2, n.client.Ticket.Query().CountX(asSystem(t)))
}

// What an application's own hooks do behind the mixin's is refused by the policies.
func TestHooksBehindTheMixin(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	behind := n.client.Comment.Create().SetBody("x")
	n.client.Comment.Use(hook.On(func(next ent.Mutator) ent.Mutator {
		return hook.CommentFunc(func(ctx context.Context, m *ent.CommentMutation) (ent.Value, error) {
			m.Where(func(s *sql.Selector) { or(s) })
			return next.Mutate(ctx, m)
		})
	}, ent.OpUpdate|ent.OpDelete))
	require.Equal(t, 1, n.client.Comment.Update().SetBody("y").SaveX(n.ctx))
	require.True(t, held(n.log.take()[0], comment.Table))
	require.NoError(t, behind.Exec(n.ctx))
	require.Equal(t, 2, n.client.Comment.Delete().ExecX(n.ctx))
	require.Equal(t, 1, n.client.Comment.Query().CountX(asSystem(t)))
}

// A client that was generated without the extension has no place for the condition.
func TestGeneratedWithoutStratum(t *testing.T) {
	t.Parallel()
	ctx := core.WithTenant(t.Context(), uuid.New())
	mixin := entstratum.Mixin{}
	traverser, ok := mixin.Interceptors()[0].(entgo.Traverser)
	require.True(t, ok)
	require.ErrorIs(t, traverser.Traverse(ctx, "a query of somebody else's"), entstratum.ErrGenerated)
	require.ErrorIs(t, traverser.Traverse(t.Context(), (*ent.TicketQuery)(nil)), core.ErrNoTenant)
	mutate := mixin.Hooks()[0](entgo.MutateFunc(func(context.Context, entgo.Mutation) (entgo.Value, error) {
		t.Error("it must not get here")
		return nil, nil //nolint:nilnil // it does not
	}))
	_, err := mutate.Mutate(ctx, foreignMutation{})
	require.ErrorIs(t, err, entstratum.ErrGenerated)
	_, err = mutate.Mutate(t.Context(), foreignMutation{})
	require.ErrorIs(t, err, core.ErrNoTenant)
	_, err = mutate.Mutate(ctx, &typedMutation{})
	require.ErrorIs(t, err, entstratum.ErrTenantID)
}

// foreignMutation is a mutation of another client.
type foreignMutation struct{ entgo.Mutation }

// typedMutation creates a row of a schema whose tenant is of another type.
type typedMutation struct {
	entgo.Mutation

	state entstratum.Mutation
}

// Op says that it creates.
func (*typedMutation) Op() entgo.Op { return entgo.OpCreate }

// Field returns the tenant.
func (*typedMutation) Field(string) (entgo.Value, bool) { return "acme", true }

// StratumState is the state of a generated mutation.
func (m *typedMutation) StratumState() *entstratum.Mutation { return &m.state }
