package conformance

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// Target is the tenant whose rows a path aims at, and the rows. Its tables are those of a ticket desk: tickets have
// comments and, through ticket_tags, tags; people have a badge, remarks on them (rows of owner_type 'people', with a
// parent of their own and a soft delete) and, through watchers, tickets that they watch. Every column named title or
// body holds a secret.
type Target struct {
	Tenant  uuid.UUID
	Ticket  uuid.UUID
	Comment uuid.UUID
	Tag     uuid.UUID // on the ticket
	Spare   uuid.UUID // a tag that is on no ticket
	Person  uuid.UUID // watches the ticket
	Badge   uuid.UUID // the person's
	Remark  uuid.UUID // on the person
	Reply   uuid.UUID // to the remark
	Number  string    // the ticket's, unique per tenant; the other tenants have a ticket of the same number
	Secret  string    // part of every text of the tenant's rows
}

// world is the database of a suite: tenants with rows of the same shape, one of them suspended.
type world struct {
	admin     *pgx.Conn
	target    Target
	other     Target
	suspended Target
}

func newWorld(t *testing.T, s Suite) *world {
	t.Helper()
	admin, err := pgx.Connect(t.Context(), s.AdminDSN)
	require.NoError(t, err)
	w := &world{admin: admin}
	w.target = newTarget(t, s.Stratum, "target")
	w.other = newTarget(t, s.Stratum, "other")
	w.suspended = newTarget(t, s.Stratum, "suspended")
	require.NoError(t, s.Stratum.Tenants.Suspend(t.Context(), w.suspended.Tenant))
	return w
}

func newTarget(t *testing.T, st *core.Stratum, slug string) Target {
	t.Helper()
	tenant, err := st.Tenants.Create(t.Context(), core.NewTenant{Name: slug, Slug: slug})
	require.NoError(t, err)
	return Target{
		Tenant: tenant.ID, Ticket: uuid.New(), Comment: uuid.New(), Tag: uuid.New(), Spare: uuid.New(),
		Person: uuid.New(), Badge: uuid.New(), Remark: uuid.New(), Reply: uuid.New(),
		Number: "T-1", Secret: "secret-of-" + slug,
	}
}

func (w *world) close(ctx context.Context, t *testing.T) {
	t.Helper()
	require.NoError(t, w.admin.Close(ctx))
}

// tables are the tenant-owned tables, parents first.
func tables() []string {
	return []string{"tickets", "comments", "tags", "ticket_tags", "people", "badges", "remarks", "watchers"}
}

// seed puts the rows of all tenants back to what they are at the start of each cell, in one round trip.
func (w *world) seed(ctx context.Context, t *testing.T) {
	t.Helper()
	batch := &pgx.Batch{}
	for _, table := range slices.Backward(tables()) {
		batch.Queue("DELETE FROM " + table)
	}
	for _, x := range []Target{w.target, w.other, w.suspended} {
		x.queue(batch)
	}
	require.NoError(t, w.admin.SendBatch(ctx, batch).Close())
}

func (x Target) queue(b *pgx.Batch) {
	b.Queue("INSERT INTO tickets (tenant_id, id, number, title, status) VALUES ($1, $2, $3, $4, 'open')",
		x.Tenant, x.Ticket, x.Number, "ticket "+x.Secret)
	b.Queue("INSERT INTO comments (tenant_id, id, ticket_id, body) VALUES ($1, $2, $3, $4)",
		x.Tenant, x.Comment, x.Ticket, "comment "+x.Secret)
	b.Queue("INSERT INTO tags (tenant_id, id, name, title) VALUES ($1, $2, 'vip', $3), ($1, $4, 'spare', $5)",
		x.Tenant, x.Tag, "tag "+x.Secret, x.Spare, "spare tag "+x.Secret)
	b.Queue("INSERT INTO ticket_tags (tenant_id, ticket_id, tag_id) VALUES ($1, $2, $3)",
		x.Tenant, x.Ticket, x.Tag)
	b.Queue("INSERT INTO people (tenant_id, id, title) VALUES ($1, $2, $3)", x.Tenant, x.Person, "person "+x.Secret)
	b.Queue("INSERT INTO badges (tenant_id, id, person_id, title) VALUES ($1, $2, $3, $4)",
		x.Tenant, x.Badge, x.Person, "badge "+x.Secret)
	b.Queue("INSERT INTO remarks (tenant_id, id, owner_id, owner_type, parent_id, title) "+
		"VALUES ($1, $2, $3, 'people', NULL, $4), ($1, $5, $3, 'people', $2, $6)",
		x.Tenant, x.Remark, x.Person, "remark "+x.Secret, x.Reply, "reply "+x.Secret)
	b.Queue("INSERT INTO watchers (tenant_id, ticket_id, person_id, title) VALUES ($1, $2, $3, $4)",
		x.Tenant, x.Ticket, x.Person, "watcher "+x.Secret)
}

// snapshot is the ground truth: every row of every table as text, read past all policies.
func (w *world) snapshot(ctx context.Context, t *testing.T) map[uuid.UUID]string {
	t.Helper()
	queries := make([]string, 0, len(tables()))
	for _, table := range tables() {
		queries = append(queries, "SELECT tenant_id, '"+table+"' || x::text FROM "+table+" x")
	}
	rows, err := w.admin.Query(ctx, strings.Join(queries, " UNION ALL ")+" ORDER BY 2")
	require.NoError(t, err)
	truth := make(map[uuid.UUID]string)
	var (
		tenant uuid.UUID
		row    string
	)
	_, err = pgx.ForEachRow(rows, []any{&tenant, &row}, func() error {
		truth[tenant] += row + "\n"
		return nil
	})
	require.NoError(t, err)
	return truth
}
