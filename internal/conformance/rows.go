package conformance

import (
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
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

func newTarget(tenant uuid.UUID, name string) Target {
	return Target{
		Tenant: tenant, Ticket: uuid.New(), Comment: uuid.New(), Tag: uuid.New(), Spare: uuid.New(),
		Person: uuid.New(), Badge: uuid.New(), Remark: uuid.New(), Reply: uuid.New(),
		Number: "T-1", Secret: secret + name,
	}
}

// What the texts of rows have in them: of those at a tenant's place, and of those that are left over elsewhere.
const secret, misplaced = "secret-of-", "misplaced-of-"

// leftover is what a move would leave behind: the same rows in a place that is not the tenant's any more.
func (x Target) leftover() Target {
	x.Secret = misplaced + strings.TrimPrefix(x.Secret, secret)
	return x
}

// tables are the tenant-owned tables, parents first.
func tables() []string {
	return []string{"tickets", "comments", "tags", "ticket_tags", "people", "badges", "remarks", "watchers"}
}

// queue inserts the rows into the tables of a schema.
func (x Target) queue(b *pgx.Batch, schema string) {
	insert := func(text string, args ...any) {
		b.Queue("INSERT INTO "+pgx.Identifier{schema}.Sanitize()+"."+text, args...)
	}
	insert("tickets (tenant_id, id, number, title, status) VALUES ($1, $2, $3, $4, 'open')",
		x.Tenant, x.Ticket, x.Number, "ticket "+x.Secret)
	insert("comments (tenant_id, id, ticket_id, body) VALUES ($1, $2, $3, $4)",
		x.Tenant, x.Comment, x.Ticket, "comment "+x.Secret)
	insert("tags (tenant_id, id, name, title) VALUES ($1, $2, 'vip', $3), ($1, $4, 'spare', $5)",
		x.Tenant, x.Tag, "tag "+x.Secret, x.Spare, "spare tag "+x.Secret)
	insert("ticket_tags (tenant_id, ticket_id, tag_id) VALUES ($1, $2, $3)",
		x.Tenant, x.Ticket, x.Tag)
	insert("people (tenant_id, id, title) VALUES ($1, $2, $3)", x.Tenant, x.Person, "person "+x.Secret)
	insert("badges (tenant_id, id, person_id, title) VALUES ($1, $2, $3, $4)",
		x.Tenant, x.Badge, x.Person, "badge "+x.Secret)
	insert("remarks (tenant_id, id, owner_id, owner_type, parent_id, title) "+
		"VALUES ($1, $2, $3, 'people', NULL, $4), ($1, $5, $3, 'people', $2, $6)",
		x.Tenant, x.Remark, x.Person, "remark "+x.Secret, x.Reply, "reply "+x.Secret)
	insert("watchers (tenant_id, ticket_id, person_id, title) VALUES ($1, $2, $3, $4)",
		x.Tenant, x.Ticket, x.Person, "watcher "+x.Secret)
}
