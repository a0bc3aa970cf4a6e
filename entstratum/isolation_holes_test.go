package entstratum_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// failing is a test that may fail without failing the one around it.
type failing struct {
	testing.TB

	ctx      context.Context //nolint:containedctx // A test carries its context.
	failures []string
}

func (*failing) Helper()                    {}
func (r *failing) Context() context.Context { return r.ctx }
func (*failing) Log(...any)                 {}
func (r *failing) Error(args ...any)        { r.failures = append(r.failures, fmt.Sprint(args...)) }

// Fatal ends the goroutine, as that of a test does.
func (r *failing) Fatal(args ...any) {
	r.Error(args...)
	runtime.Goexit()
}

// failure runs AssertIsolated as a test of its own and returns with what it failed.
func failure(t *testing.T, client, entity any, options ...stratumtest.IsolationOptions) string {
	t.Helper()
	r := &failing{ctx: t.Context()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		stratumtest.AssertIsolated(r, client, entity, options...)
	}()
	<-done
	return strings.Join(r.failures, "\n")
}

// hole is something wrong with the database, and the findings of which it is the reason.
type hole struct {
	statements string
	entity     any
	paths      []string
}

func tableHoles() map[string]hole {
	return map[string]hole{
		"policy dropped": {
			"DROP POLICY stratum_tenant ON tickets", &ent.Ticket{},
			[]string{`has no rows for path "Get": entstratum: making a row of tickets`},
		},
		"policy that shows all": {
			"DROP POLICY stratum_tenant ON tickets; CREATE POLICY stratum_tenant ON tickets TO stratum_tenant USING (true)",
			&ent.Ticket{},
			[]string{
				"QueryContext, as another tenant: LEAK: the row was returned",
				"database/sql SELECT of everything, as another tenant: LEAK: the row was returned",
				"database/sql DELETE, as another tenant: LEAK: rows were changed",
				"ExecContext, as another tenant: LEAK: rows were changed",
				"upsert on the primary key, as another tenant: LEAK: rows were changed",
			},
		},
		"second policy": {
			"CREATE POLICY published ON tickets FOR SELECT TO stratum_tenant USING (status = 'open')", &ent.Ticket{},
			[]string{
				"database/sql SELECT, as another tenant: LEAK: the row was returned",
				"database/sql SELECT in a transaction, as another tenant: LEAK: the row was returned",
			},
		},
		"policy that lets rows be given away": {
			"DROP POLICY stratum_tenant ON people; CREATE POLICY stratum_tenant ON people TO stratum_tenant " +
				"USING (tenant_id = stratum.tenant_id()) WITH CHECK (true)", &ent.Person{},
			[]string{
				"database/sql INSERT with the tenant's id, as another tenant: LEAK: rows were changed, removed or added",
			},
		},
		"row-level security off": {
			"ALTER TABLE tickets DISABLE ROW LEVEL SECURITY", &ent.Ticket{},
			[]string{
				"row-level security of tickets, entstratum: it is off (ALTER TABLE \"tickets\" ENABLE ROW LEVEL SECURITY, " +
					"or entstratum.Migrate)",
				"QueryContext, as another tenant: LEAK: the row was returned",
				"database/sql UPDATE, as another tenant: LEAK: rows were changed",
			},
		},
		"owner not bound": {
			"ALTER TABLE tickets NO FORCE ROW LEVEL SECURITY", &ent.Ticket{},
			[]string{"row-level security of tickets, entstratum: it does not bind the table's owner"},
		},
		"rows of everyone that are a tenant's": {
			"DROP POLICY stratum_tenant ON templates; CREATE POLICY stratum_tenant ON templates TO stratum_tenant " +
				"USING (body = '' OR tenant_id = stratum.tenant_id())", &ent.Template{},
			[]string{"QueryContext, as another tenant: LEAK: the row was returned"},
		},
	}
}

func keyHoles() map[string]hole {
	const looseComment = "ALTER TABLE comments DROP CONSTRAINT comments_tickets_comments, " +
		"ADD CONSTRAINT loose FOREIGN KEY (ticket_id) REFERENCES tickets (id)"
	return map[string]hole{
		"unique index without the tenant": {
			"CREATE UNIQUE INDEX numbers ON tickets (number)", &ent.Ticket{},
			[]string{"unique value of the other tenant in numbers, as another tenant: LEAK: a value of this tenant"},
		},
		"unique index without the tenant, of a reference": {
			"CREATE UNIQUE INDEX one_comment ON comments (ticket_id)", &ent.Comment{},
			[]string{"unique value of the other tenant in one_comment, entstratum: the key leaves out the tenant"},
		},
		"foreign key without the tenant": {
			looseComment, &ent.Comment{},
			[]string{
				"reference to the other tenant's row by loose, as another tenant: LEAK: a row of another tenant refers",
				"SetTicket of the other tenant's, as another tenant: LEAK: a row of another tenant refers to it",
				"Create with SetTicket of the other tenant's, as another tenant: LEAK: a row of another tenant refers to it",
			},
		},
		"foreign key of a child without the tenant": {
			looseComment, &ent.Ticket{},
			[]string{"INSERT into comments that refers to the row by loose, as another tenant: LEAK"},
		},
		"foreign key of a tree without the tenant": {
			"ALTER TABLE remarks DROP CONSTRAINT remarks_remarks_replies, " +
				"ADD CONSTRAINT loose FOREIGN KEY (parent_id) REFERENCES remarks (id)", &ent.Remark{},
			[]string{"SetParent of the other tenant's, as another tenant: LEAK: a row of another tenant refers to it"},
		},
		"join table not protected": {
			"ALTER TABLE ticket_tags DISABLE ROW LEVEL SECURITY", &ent.Ticket{},
			[]string{
				"row-level security of ticket_tags, entstratum: it is off",
				"SELECT of a row of ticket_tags by ticket_tags_ticket_id, as another tenant: LEAK: the row was returned",
			},
		},
		"join table's policy shows all": {
			"DROP POLICY stratum_tenant ON ticket_relations; CREATE POLICY stratum_tenant ON ticket_relations " +
				"TO stratum_tenant USING (true)", &ent.Ticket{},
			[]string{
				"SELECT of a row of ticket_relations by ticket_relations_related_id, as another tenant: LEAK: the row was " +
					"returned",
			},
		},
		"join table's foreign key without the tenant": {
			"ALTER TABLE ticket_tags DROP CONSTRAINT ticket_tags_tag_id, ADD CONSTRAINT loose FOREIGN KEY (tag_id) " +
				"REFERENCES tags (id)", &ent.Ticket{},
			[]string{
				"foreign key loose of ticket_tags, entstratum: it leaves out the tenant",
				"AddTags of the other tenant's, as another tenant: LEAK: a row of another tenant refers to it",
			},
		},
		"edge schema's foreign key without the tenant": {
			"ALTER TABLE watchers DROP CONSTRAINT watchers_people_person, ADD CONSTRAINT loose FOREIGN KEY (person_id) " +
				"REFERENCES people (id)", &ent.Watcher{},
			[]string{
				"reference to the other tenant's row by loose, entstratum: it leaves out the tenant",
				"Create with SetPerson of the other tenant's, as another tenant: LEAK: a row of another tenant refers to it",
			},
		},
	}
}

// Each hole fails the test, with the name of the path that goes through it.
func TestAssertIsolatedFindsHoles(t *testing.T) {
	t.Parallel()
	for _, holes := range []map[string]hole{tableHoles(), keyHoles()} {
		for name, hole := range holes {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				d := newDesk(t)
				d.exec(t, d.OwnerDSN, "SET stratum.owner = 'migrate';"+hole.statements)
				text := failure(t, d.client, hole.entity)
				for _, path := range hole.paths {
					require.Contains(t, text, path)
				}
			})
		}
	}
}
