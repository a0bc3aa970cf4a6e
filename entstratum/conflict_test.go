package entstratum_test

import (
	"context"
	stdsql "database/sql"
	"testing"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/badge"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/comment"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/person"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/tag"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/ticket"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/watcher"
)

// Columns that became unique per tenant are named as they were.
func TestConflictTargets(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	for _, ctx := range []context.Context{n.ctx, n.other} {
		someone := n.client.Person.Create().SaveX(ctx)
		for _, title := range []string{"first", "second"} {
			require.NoError(t, n.client.Badge.Create().SetPerson(someone).SetTitle(title).
				OnConflictColumns(badge.FieldPersonID).UpdateTitle().Exec(ctx), "the column of a unique edge")
			require.NoError(t, n.client.Badge.Create().SetSerial(tenantOf(t, ctx).String()).SetTitle(title).
				OnConflictColumns(badge.FieldSerial).UpdateTitle().Exec(ctx), "one that is unique across tenants")
			require.NoError(t, n.client.Ticket.Create().SetNumber("T-1").SetTitle(title).
				OnConflictColumns(ticket.FieldTenantID, ticket.FieldNumber).UpdateTitle().Exec(ctx), "with the tenant")
			require.NoError(t, n.client.Ticket.Create().SetNumber("T-1").SetTitle(title).
				OnConflictColumns(ticket.FieldNumber).UpdateTitle().Exec(ctx), "as it was before there were tenants")
			require.NoError(t, n.client.Tag.Create().SetName("vip").SetTitle(title).
				OnConflict(sql.ConflictColumns(tag.FieldName, tag.FieldTenantID)).UpdateNewValues().Exec(ctx), "in any order")
			require.NoError(t, n.client.Badge.CreateBulk(
				n.client.Badge.Create().SetPerson(someone).SetTitle(title),
			).OnConflictColumns(badge.FieldPersonID).UpdateTitle().Exec(ctx), "in bulk")
		}
		require.Equal(t, []string{"second", "second"}, n.client.Badge.Query().Select(badge.FieldTitle).StringsX(ctx))
		require.Equal(t, "second", n.client.Ticket.Query().OnlyX(ctx).Title)
		require.Equal(t, "second", n.client.Tag.Query().OnlyX(ctx).Title)
	}
	err := n.client.Ticket.Create().SetNumber("T-1").OnConflictColumns(ticket.FieldTitle).Ignore().Exec(n.ctx)
	require.Error(t, err, "there is no such key")
	for _, statement := range n.log.take() {
		require.NotRegexp(t, `ON CONFLICT \("(person_id|number)"\)`, statement)
	}
}

// Another tenant's row with the same key is an error in every form of upsert, and not told of.
func TestConflictOfAnotherTenantsKey(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	before := value[string](t, n.desk, "SELECT string_agg(t::text, ',' ORDER BY id) FROM tickets t")
	serial := n.client.Badge.Create().SetSerial("S-1").SaveX(n.other)
	one := func() *ent.TicketCreate {
		return n.client.Ticket.Create().SetID(n.foreign.ID).SetNumber("T-9").SetTitle("taken")
	}
	bulk := func() *ent.TicketCreateBulk {
		return n.client.Ticket.CreateBulk(n.client.Ticket.Create().SetNumber("T-8"), one())
	}
	byID := sql.ConflictColumns(ticket.FieldID)
	retitle := func(u *ent.TicketUpsert) { u.SetTitle("taken") }
	badges := func() *ent.BadgeCreate { return n.client.Badge.Create().SetSerial(*serial.Serial) }
	for name, err := range map[string]error{
		"UpdateNewValues":       one().OnConflict(byID).UpdateNewValues().Exec(n.ctx),
		"Ignore":                one().OnConflict(byID).Ignore().Exec(n.ctx),
		"Update":                one().OnConflict(byID).Update(retitle).Exec(n.ctx),
		"ID":                    func() error { _, err := one().OnConflict(byID).Ignore().ID(n.ctx); return err }(),
		"constraint":            one().OnConflict(sql.ConflictConstraint("tickets_pkey")).Ignore().Exec(n.ctx),
		"DoNothing":             one().OnConflict(byID).DoNothing().Exec(n.ctx),
		"DoNothing, any":        one().OnConflict(sql.DoNothing()).Exec(n.ctx),
		"where false":           one().OnConflict(byID, sql.UpdateWhere(sql.ExprP("false"))).Ignore().Exec(n.ctx),
		"where":                 one().OnConflict(byID, sql.UpdateWhere(sql.EQ("title", "x"))).Ignore().Exec(n.ctx),
		"bulk, UpdateNewValues": bulk().OnConflict(byID).UpdateNewValues().Exec(n.ctx),
		"bulk, Ignore":          bulk().OnConflict(byID).Ignore().Exec(n.ctx),
		"bulk, Update":          bulk().OnConflict(byID).Update(retitle).Exec(n.ctx),
		"bulk, where":           bulk().OnConflict(byID, sql.UpdateWhere(sql.ExprP("false"))).Ignore().Exec(n.ctx),
		"serial":                badges().OnConflictColumns(badge.FieldSerial).UpdateNewValues().Exec(n.ctx),
		"serial, DoNothing":     badges().OnConflictColumns(badge.FieldSerial).DoNothing().Exec(n.ctx),
		"serial, any":           n.client.Badge.CreateBulk(badges()).OnConflict(sql.DoNothing()).Exec(n.ctx),
	} {
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), tenantOf(t, n.other).String(), name)
	}
	for _, options := range [][]sql.ConflictOption{
		{byID, sql.DoNothing()}, {sql.DoNothing()}, {sql.ConflictConstraint("tickets_pkey"), sql.DoNothing()},
	} {
		err := bulk().OnConflict(options...).Exec(n.ctx)
		require.ErrorIs(t, err, core.ErrDuplicateKey, "ent itself would not tell")
		err = one().OnConflict(options...).Exec(n.ctx)
		require.ErrorIs(t, err, core.ErrDuplicateKey, "ent would say that there are no rows")
		require.NotErrorIs(t, err, stdsql.ErrNoRows)
		n.client.Ticket.Delete().Where(ticket.Number("T-8")).ExecX(n.ctx)
	}
	require.Equal(t, before, value[string](t, n.desk, "SELECT string_agg(t::text, ',' ORDER BY id) FROM tickets t"))
}

// What DO NOTHING skips for the sake of the tenant's own rows is skipped as ent does it.
func TestConflictOfOwnRows(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	again := func() *ent.TicketCreate { return n.client.Ticket.Create().SetNumber("T-1") }
	for name, options := range map[string][]sql.ConflictOption{
		"any key":    {sql.DoNothing()},
		"number":     {sql.ConflictColumns(ticket.FieldTenantID, ticket.FieldNumber), sql.DoNothing()},
		"constraint": {sql.ConflictConstraint("tickets_pkey"), sql.DoNothing()},
		"id":         {sql.ConflictColumns(ticket.FieldID), sql.DoNothing()},
	} {
		same := again()
		if name == "id" || name == "constraint" {
			same.SetID(n.ticket.ID)
		}
		err := same.OnConflict(options...).Exec(n.ctx)
		require.ErrorIs(t, err, stdsql.ErrNoRows, name)
		same = again()
		if name == "id" || name == "constraint" {
			same.SetID(n.ticket.ID)
		}
		fresh := n.client.Ticket.Create().SetNumber(name)
		require.NoError(t, n.client.Ticket.CreateBulk(same, fresh).OnConflict(options...).Exec(n.ctx), name)
	}
	require.Equal(t, 5, n.client.Ticket.Query().CountX(n.ctx))
	twice := []*ent.TicketCreate{n.client.Ticket.Create().SetNumber("new"), n.client.Ticket.Create().SetNumber("new")}
	require.NoError(t, n.client.Ticket.CreateBulk(twice...).OnConflict(sql.DoNothing()).Exec(n.ctx))
	require.Equal(t, 1, n.client.Ticket.Query().Where(ticket.Number("new")).CountX(n.ctx))
	require.NoError(t, n.client.Comment.CreateBulk(n.client.Comment.Create()).OnConflict(sql.DoNothing()).Exec(n.ctx))
}

// Nothing is asked where nothing can be amiss.
func TestConflictIsCheckedAtNoCost(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	for name, err := range map[string]error{
		"one":    n.client.Ticket.Create().SetNumber("1").OnConflict(sql.DoNothing()).Exec(n.ctx),
		"number": n.client.Ticket.CreateBulk(n.client.Ticket.Create().SetNumber("2")).OnConflictColumns("tenant_id", "number").DoNothing().Exec(n.ctx),
		"update": n.client.Ticket.CreateBulk(n.client.Ticket.Create().SetNumber("3")).OnConflictColumns("id").Ignore().Exec(n.ctx),
	} {
		require.NoError(t, err, name)
	}
	require.Len(t, n.log.take(), 3)
	require.NoError(t, n.client.Ticket.CreateBulk(n.client.Ticket.Create().SetNumber("4")).
		OnConflictColumns("id").DoNothing().Exec(n.ctx))
	require.Len(t, n.log.take(), 2, "a row that the database has skipped is not told of")
}

// A row of an edge schema has no id that ent would ask for.
func TestConflictOfAnEdgeSchema(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	own, foreign := n.client.Person.Create().SaveX(n.ctx), n.client.Person.Create().SaveX(n.other)
	n.client.Watcher.Create().SetPerson(foreign).SetTicket(n.foreign).SetTitle("b").ExecX(n.other)
	taken := func() *ent.WatcherCreate {
		return n.client.Watcher.Create().SetPersonID(foreign.ID).SetTicketID(n.foreign.ID).SetTitle("taken")
	}
	mine := func() *ent.WatcherCreate { return n.client.Watcher.Create().SetPerson(own).SetTicket(n.ticket) }
	key := sql.ConflictColumns(watcher.FieldPersonID, watcher.FieldTicketID)
	for range 2 {
		require.NoError(t, mine().OnConflict(key).DoNothing().Exec(n.ctx))
		require.NoError(t, mine().OnConflict(sql.DoNothing()).Exec(n.ctx))
		require.NoError(t, n.client.Watcher.CreateBulk(mine()).OnConflict(key).UpdateNewValues().Exec(n.ctx))
	}
	require.ErrorIs(t, taken().OnConflict(key).DoNothing().Exec(n.ctx), core.ErrDuplicateKey)
	require.ErrorIs(t, taken().OnConflict(sql.DoNothing()).Exec(n.ctx), core.ErrDuplicateKey)
	require.ErrorIs(t, n.client.Watcher.CreateBulk(mine(), taken()).OnConflict(key).DoNothing().Exec(n.ctx),
		core.ErrDuplicateKey)
	require.Error(t, taken().OnConflict(key).UpdateNewValues().Exec(n.ctx))
	require.Error(t, n.client.Watcher.CreateBulk(taken()).OnConflict(key).Ignore().Exec(n.ctx))
	require.Equal(t, "b", n.client.Watcher.Query().OnlyX(n.other).Title)
}

// A condition is asked of the tenant's own rows, and of no others: it must not tell what is in them.
func TestConflictWhere(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	upsert := func(id uuid.UUID, where *sql.Predicate) error {
		return n.client.Ticket.Create().SetID(id).SetNumber("T-1").SetTitle("new").
			OnConflict(sql.ConflictColumns(ticket.FieldID), sql.UpdateWhere(where)).UpdateTitle().Exec(n.ctx)
	}
	require.ErrorIs(t, upsert(n.ticket.ID, sql.EQ(ticket.FieldTitle, "x")), stdsql.ErrNoRows)
	require.NoError(t, upsert(n.ticket.ID, sql.EQ(ticket.FieldTitle, "a")))
	require.NoError(t, upsert(n.ticket.ID, sql.ExprP("false OR tickets.title = 'new'")))
	require.Equal(t, "new", n.client.Ticket.GetX(n.ctx, n.ticket.ID).Title)
	texts := make([]string, 0, 5)
	for _, where := range []*sql.Predicate{
		sql.EQ(ticket.FieldTitle, "a"), sql.EQ(ticket.FieldTitle, "x"),
		sql.ExprP("1 / (CASE WHEN tickets.title = 'a' THEN 0 ELSE 1 END) = 1"),
		sql.ExprP("true) OR (true"), sql.ExprP("false) OR (false"),
	} {
		err := upsert(n.foreign.ID, where)
		require.Error(t, err)
		texts = append(texts, err.Error())
	}
	for _, text := range texts {
		require.Equal(t, texts[0], text, "the answer is the same, whatever is in the row")
	}
	require.Equal(t, "a", n.client.Ticket.GetX(n.other, n.foreign.ID).Title)
}

// No policy keeps the system from the row of another tenant than the new one's.
func TestConflictAsSystem(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	ctx, own := asSystem(t), tenantOf(t, n.ctx)
	one := func(id uuid.UUID) *ent.TicketCreate {
		return n.client.Ticket.Create().SetTenantID(own).SetID(id).SetNumber("T-1").SetTitle("new")
	}
	byID := sql.ConflictColumns(ticket.FieldID)
	for name, upsert := range map[string]func(id uuid.UUID) error{
		"UpdateNewValues": func(id uuid.UUID) error { return one(id).OnConflict(byID).UpdateNewValues().Exec(ctx) },
		"Ignore":          func(id uuid.UUID) error { return one(id).OnConflict(byID).Ignore().Exec(ctx) },
		"SetTitle":        func(id uuid.UUID) error { return one(id).OnConflict(byID).SetTitle("new").Exec(ctx) },
		"where": func(id uuid.UUID) error {
			return one(id).OnConflict(byID, sql.UpdateWhere(sql.ExprP("true"))).UpdateTitle().Exec(ctx)
		},
		"bulk": func(id uuid.UUID) error {
			return n.client.Ticket.CreateBulk(one(id)).OnConflict(byID).UpdateNewValues().Exec(ctx)
		},
		"bulk, where": func(id uuid.UUID) error {
			return n.client.Ticket.CreateBulk(one(id)).OnConflict(byID, sql.UpdateWhere(sql.ExprP("true"))).UpdateTitle().Exec(ctx)
		},
		"bulk, DoNothing": func(id uuid.UUID) error {
			return n.client.Ticket.CreateBulk(one(id)).OnConflict(byID).DoNothing().Exec(ctx)
		},
	} {
		require.NoError(t, upsert(n.ticket.ID), name)
		require.ErrorIs(t, upsert(n.foreign.ID), core.ErrCrossTenant, name)
	}
	require.Equal(t, "a", n.client.Ticket.GetX(n.other, n.foreign.ID).Title)
	require.Equal(t, "new", n.client.Ticket.GetX(n.ctx, n.ticket.ID).Title)

	everyones := func(body string) error {
		return n.client.Template.Create().SetCode("c").SetBody(body).
			OnConflictColumns("tenant_id", "code").UpdateBody().Exec(ctx)
	}
	require.NoError(t, everyones("1"))
	require.NoError(t, everyones("2"), "everyone's rows are the same tenant's, so to say")
	require.Equal(t, "2", n.client.Template.Query().OnlyX(n.ctx).Body)
	require.NoError(t, n.client.Template.CreateBulk(n.client.Template.Create().SetCode("c")).
		OnConflict(sql.DoNothing()).Exec(ctx))
}

// In a transaction of the application the whole of it can be rolled back.
func TestConflictInTransaction(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	tx, err := n.client.Tx(n.ctx)
	require.NoError(t, err)
	someone := tx.Person.Create().SaveX(n.ctx)
	require.ErrorIs(t, tx.Ticket.CreateBulk(
		tx.Ticket.Create().SetNumber("T-2").AddWatchers(someone), tx.Ticket.Create().SetID(n.foreign.ID).SetNumber("T-3"),
	).OnConflictColumns(ticket.FieldID).DoNothing().Exec(n.ctx), core.ErrDuplicateKey)
	require.NoError(t, tx.Rollback())
	require.Equal(t, 1, n.client.Ticket.Query().CountX(n.ctx))
	require.Zero(t, n.client.Person.Query().Where(person.ID(someone.ID)).CountX(n.ctx))
	require.Equal(t, 1, n.client.Comment.Query().Where(comment.Body("b")).CountX(n.ctx))
}
