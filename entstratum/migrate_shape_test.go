package entstratum_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/migrate"
)

// TestMigrateShape holds every table of the registry against what the boundary needs.
func TestMigrateShape(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, table := range migrate.StratumTables.Tables {
		switch table.Class {
		case entstratum.ClassOwned, entstratum.ClassMixed:
			d.requireOwned(t, table.Name, table.Class == entstratum.ClassMixed)
		case entstratum.ClassGlobal:
			require.False(t, value[bool](t, d, "SELECT relrowsecurity FROM pg_class WHERE oid = $1::text::regclass", table.Name))
			require.Equal(t, []string{"SELECT"}, d.rights(t, table.Name), table.Name)
		case entstratum.ClassView:
		}
	}
	require.Equal(t, []string{"INSERT", "SELECT"}, d.rights(t, "river_job"))
	for name, definition := range map[string]string{
		"comments.comments_tickets_comments": "FOREIGN KEY (tenant_id, ticket_id) REFERENCES tickets(tenant_id, id) " +
			"ON DELETE SET NULL (ticket_id)",
		"badges.badges_people_badge": "FOREIGN KEY (tenant_id, person_id) REFERENCES people(tenant_id, id) " +
			"ON DELETE SET NULL (person_id)",
		"remarks.remarks_remarks_replies": "FOREIGN KEY (tenant_id, parent_id) REFERENCES remarks(tenant_id, id) " +
			"ON DELETE SET NULL (parent_id)",
		"watchers.watchers_tickets_ticket": "FOREIGN KEY (tenant_id, ticket_id) REFERENCES tickets(tenant_id, id)",
		"ticket_tags.ticket_tags_ticket_id": "FOREIGN KEY (tenant_id, ticket_id) REFERENCES tickets(tenant_id, id) " +
			"ON DELETE CASCADE",
		"ticket_tags.ticket_tags_tag_id": "FOREIGN KEY (tenant_id, tag_id) REFERENCES tags(tenant_id, id) ON DELETE CASCADE",
		"tickets.ticket_status":          "CREATE INDEX ticket_status ON tickets USING btree (tenant_id, status)",
		"badges.badges_person_id_key": "CREATE UNIQUE INDEX badges_person_id_key ON badges USING btree " +
			"(tenant_id, person_id)",
		"badges.badges_serial_key": "CREATE UNIQUE INDEX badges_serial_key ON badges USING btree (serial)",
		"templates.template_tenant_id_code": "CREATE UNIQUE INDEX template_tenant_id_code ON templates USING btree " +
			"(tenant_id, code) NULLS NOT DISTINCT",
	} {
		table, object, _ := strings.Cut(name, ".")
		require.Equal(t, definition, d.definitions(t, table)[object], name)
	}
	require.Equal(t, "stratum: globally unique: a serial number is printed on one badge",
		value[string](t, d, "SELECT obj_description('badges_serial_key'::regclass)"))
}

// rights are those of tenants on a table.
func (d desk) rights(t *testing.T, table string) []string {
	t.Helper()
	return d.texts(t, `SELECT r FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES',
		'TRIGGER']) AS r WHERE has_table_privilege('stratum_tenant', $1, r) ORDER BY r`, table)
}

// requireOwned holds that a table's rows are a tenant's, or everyone's where they may be.
func (d desk) requireOwned(t *testing.T, table string, everyone bool) {
	t.Helper()
	require.Equal(t, []string{"true true"}, d.texts(t, `SELECT format('%s %s', relrowsecurity::text, relforcerowsecurity::text)
		FROM pg_class WHERE oid = $1::text::regclass`, table), table)
	nullable := map[bool]string{true: "false", false: "true"}[everyone]
	require.Equal(t, []string{"uuid " + nullable + " stratum.tenant_id()"}, d.texts(t, `
		SELECT format('%s %s %s', format_type(a.atttypid, -1), a.attnotnull::text, pg_get_expr(f.adbin, f.adrelid))
		FROM pg_attribute a JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
		WHERE a.attrelid = $1::text::regclass AND a.attname = 'tenant_id'`, table), table)
	policies := []string{
		"stratum_owner", "stratum_subtree_delete", "stratum_subtree_insert", "stratum_subtree_read",
		"stratum_subtree_update", "stratum_system", "stratum_tenant",
	}
	if everyone {
		policies = append([]string{"stratum_everyone"}, policies...)
	}
	require.Equal(t, policies, d.texts(t, `SELECT polname FROM pg_policy WHERE polrelid = $1::text::regclass ORDER BY 1`,
		table), table)
	require.Equal(t, []string{"DELETE", "INSERT", "SELECT", "UPDATE"}, d.rights(t, table), table)
	require.Empty(t, d.texts(t, `
		SELECT x.relname || ' ' || a.attname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
		JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
		WHERE i.indrelid = $1::text::regclass AND NOT i.indisprimary AND a.attname <> 'tenant_id'
			AND x.relname <> 'badges_serial_key'`, table), "an index that the tenant does not lead")
	require.Empty(t, d.texts(t, `
		SELECT c.conname FROM pg_constraint c WHERE c.conrelid = $1::text::regclass AND c.contype = 'f'
			AND (NOT c.convalidated OR (SELECT attname FROM pg_attribute
				WHERE attrelid = c.conrelid AND attnum = c.conkey[1]) <> 'tenant_id')`, table))
}

// Deleting a row unsets the edges to it and leaves their rows with their tenant; the rows of join tables go with it.
func TestDeletedRowsLeaveTheTenant(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx := d.tenant(t, "acme")
	note, tag := d.client.Comment.Create().SaveX(ctx), d.client.Tag.Create().SetName("n").SaveX(ctx)
	made := d.client.Ticket.Create().SetNumber("1").AddComments(note).AddTags(tag).SaveX(ctx)
	parent := d.client.Remark.Create().SaveX(ctx)
	reply := d.client.Remark.Create().SetParent(parent).SaveX(ctx)
	person := d.client.Person.Create().SaveX(ctx)
	badge := d.client.Badge.Create().SetPerson(person).SaveX(ctx)
	d.client.Ticket.DeleteOne(made).ExecX(ctx)
	d.client.Remark.DeleteOne(parent).ExecX(ctx)
	d.client.Person.DeleteOne(person).ExecX(ctx)
	require.Nil(t, d.client.Comment.GetX(ctx, note.ID).TicketID)
	require.Nil(t, d.client.Remark.GetX(ctx, reply.ID).ParentID)
	require.Nil(t, d.client.Badge.GetX(ctx, badge.ID).PersonID)
	require.Zero(t, value[int](t, d, "SELECT count(*) FROM ticket_tags"))
	require.Equal(t, 1, d.client.Tag.Query().CountX(ctx))
}

// No edge of any kind leads to another tenant's row, also where hooks and predicates are left out and the row's id is
// known: the database refuses the key.
func TestEdgesAcrossTenants(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	acme, bolt := d.tenant(t, "acme"), d.tenant(t, "bolt")
	ticket := d.client.Ticket.Create().SetNumber("1").SaveX(bolt).ID
	tag, remark := d.client.Tag.Create().SetName("n").SaveX(bolt).ID, d.client.Remark.Create().SaveX(bolt).ID
	person, badge := d.client.Person.Create().SaveX(bolt).ID, d.client.Badge.Create().SaveX(bolt).ID
	note := d.client.Comment.Create().SaveX(bolt).ID
	own := d.client.Ticket.Create().SetNumber("1").SaveX(acme).ID
	ownPerson, ownTag := d.client.Person.Create().SaveX(acme).ID, d.client.Tag.Create().SetName("n").SaveX(acme).ID
	before := d.links(t)
	c := d.client
	refused := map[string]func(ctx context.Context) error{
		"O2O": func(ctx context.Context) error { return c.Badge.Create().SetPersonID(person).Exec(ctx) },
		"O2O inverse": func(ctx context.Context) error {
			return c.Person.UpdateOneID(ownPerson).SetBadgeID(badge).Exec(ctx)
		},
		"M2O":  func(ctx context.Context) error { return c.Comment.Create().SetTicketID(ticket).Exec(ctx) },
		"O2M":  func(ctx context.Context) error { return c.Ticket.UpdateOneID(own).AddCommentIDs(note).Exec(ctx) },
		"M2M":  func(ctx context.Context) error { return c.Ticket.UpdateOneID(own).AddTagIDs(tag).Exec(ctx) },
		"back": func(ctx context.Context) error { return c.Tag.UpdateOneID(ownTag).AddTicketIDs(ticket).Exec(ctx) },
		"self": func(ctx context.Context) error { return c.Remark.Create().SetParentID(remark).Exec(ctx) },
		"self inverse": func(ctx context.Context) error {
			return c.Remark.Create().AddReplyIDs(remark).Exec(ctx)
		},
		"Through": func(ctx context.Context) error {
			return c.Person.UpdateOneID(ownPerson).AddWatchedIDs(ticket).Exec(ctx)
		},
		"edge schema": func(ctx context.Context) error {
			return c.Watcher.Create().SetPersonID(ownPerson).SetTicketID(ticket).Exec(ctx)
		},
		"raw": func(ctx context.Context) error {
			_, err := c.ExecContext(ctx, "UPDATE tickets SET title = title")
			require.NoError(t, err)
			_, err = c.ExecContext(ctx, "INSERT INTO comments (id, body, ticket_id) VALUES ($1, '', $2)", uuid.New(), ticket)
			return err
		},
		"raw join": func(ctx context.Context) error {
			_, err := c.ExecContext(ctx, "INSERT INTO ticket_tags (ticket_id, tag_id) VALUES ($1, $2)", own, tag)
			return err
		},
	}
	for name, link := range refused {
		err := link(acme)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), tenantOf(t, bolt).String(), name)
		require.Equal(t, before, d.links(t), name)
	}
	for name, err := range map[string]error{
		"O2O": refused["O2O"](acme), "M2O": refused["M2O"](acme), "M2M": refused["M2M"](acme), "back": refused["back"](acme),
		"self": refused["self"](acme), "Through": refused["Through"](acme), "edge schema": refused["edge schema"](acme),
		"raw": refused["raw"](acme), "raw join": refused["raw join"](acme),
	} {
		require.ErrorIs(t, err, core.ErrForeignKey, name)
	}
	// The system may write for a tenant, and is held to the same keys.
	tenant := tenantOf(t, acme)
	system := asSystem(t)
	require.ErrorIs(t, c.Comment.Create().SetTenantID(tenant).SetTicketID(ticket).Exec(system), core.ErrForeignKey)
	require.ErrorIs(t, c.Ticket.UpdateOneID(own).AddTagIDs(tag).Exec(system), core.ErrNoTenant, "the join table's default")
	require.Equal(t, before, d.links(t))
}

// links are all rows that refer to others.
func (d desk) links(t *testing.T) []string {
	t.Helper()
	return d.texts(t, `SELECT c::text FROM comments c WHERE ticket_id IS NOT NULL
		UNION ALL SELECT b::text FROM badges b WHERE person_id IS NOT NULL
		UNION ALL SELECT r::text FROM remarks r WHERE parent_id IS NOT NULL
		UNION ALL SELECT w::text FROM watchers w UNION ALL SELECT j::text FROM ticket_tags j ORDER BY 1`)
}

// Everyone's rows are unique among themselves, a tenant's among its own, and a global value once.
func TestUniqueness(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	acme, bolt, system := d.tenant(t, "acme"), d.tenant(t, "bolt"), asSystem(t)
	const everyones = "INSERT INTO templates (id, tenant_id, code, body) VALUES (gen_random_uuid(), NULL, 'c', '')"
	for _, write := range []func() error{
		func() error { return d.client.Template.Create().SetCode("c").Exec(acme) },
		func() error { return d.client.Template.Create().SetCode("c").Exec(bolt) },
		func() error { _, err := d.client.ExecContext(system, everyones); return err },
	} {
		require.NoError(t, write())
		require.ErrorIs(t, write(), core.ErrDuplicateKey)
	}
	_, err := d.client.ExecContext(acme, everyones)
	require.ErrorIs(t, err, core.ErrCrossTenant)
	for _, ctx := range []context.Context{acme, bolt} {
		require.NoError(t, d.client.Ticket.Create().SetNumber("1").Exec(ctx))
		require.ErrorIs(t, d.client.Ticket.Create().SetNumber("1").Exec(ctx), core.ErrDuplicateKey)
	}
	require.NoError(t, d.client.Badge.Create().SetSerial("1").Exec(acme))
	err = d.client.Badge.Create().SetSerial("1").Exec(bolt)
	require.ErrorIs(t, err, core.ErrDuplicateKey)
	require.NotContains(t, err.Error(), tenantOf(t, acme).String())
}
