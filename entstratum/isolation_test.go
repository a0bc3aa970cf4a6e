package entstratum_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/migrate"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

func TestIsolationOfEveryEntity(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, entity := range []any{
		&ent.Ticket{}, &ent.Comment{}, &ent.Tag{}, &ent.Person{}, &ent.Badge{}, &ent.Remark{}, &ent.Watcher{}, &ent.Template{},
	} {
		t.Run(fmt.Sprintf("%T", entity), func(t *testing.T) {
			t.Parallel()
			report := stratumtest.AssertIsolated(t, d.client, entity)
			require.True(t, report.Isolated())
			require.Greater(t, len(report.Tried()), 50)
		})
	}
}

// The report names every path, and why one was not tried.
func TestIsolationReport(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	report := stratumtest.AssertIsolated(t, d.client, &ent.Ticket{}, stratumtest.IsolationOptions{
		Skip: map[string]string{"DeleteOne": "tickets are kept"},
	})
	names, skipped := make(map[string]bool), make(map[string]string)
	for _, path := range report.Paths {
		require.False(t, names[path.Name], path.Name)
		names[path.Name] = true
		if path.Skipped != "" {
			skipped[path.Name] = path.Skipped
		}
	}
	require.Equal(t, map[string]string{
		"DeleteOne":                           "tickets are kept",
		"Debug":                               "it would log all statements, and sends them by the same driver",
		"link by edge Watches":                "ent does not change the edge",
		"unlink by edge Watches":              "ent does not change the edge",
		"reference to the other tenant's row": "no foreign key to a tenant-owned table",
	}, skipped)
	for _, name := range []string{
		"Get", "All behind a widening Or", "IDs", "Only", "Exist", "Select and Scan", "GroupBy and Scan", "QueryContext",
		"All in a transaction", "UpdateOneID without changes", "All with a modifier that drops conditions",
		"QueryTags of a query", "WithWatchers", "WithNamedRelated", "AddComments of the other tenant's", "ClearTags",
		"CreateBulk with the tenant's id", "DeleteOneID", "ExecContext", "UpdateOneID", "Update behind a widening Or",
		"upsert on ticket_tenant_id_number", "upsert in bulk on the primary key", "database/sql SELECT",
		"unique value of the other tenant in ticket_tenant_id_number", "row-level security of ticket_tags",
		"SELECT of a row of ticket_tags by ticket_tags_ticket_id",
		"INSERT into comments that refers to the row by comments_tickets_comments",
	} {
		require.Contains(t, report.Tried(), name)
	}
}

// What cannot be looked at says so at once.
func TestAssertIsolatedRefuses(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	type Stranger struct{ ID int }
	tx, err := d.client.Tx(d.tenant(t, "acme"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tx.Rollback()) })
	var none *ent.Client
	related := func(model any) stratumtest.IsolationOptions {
		return stratumtest.IsolationOptions{Related: []any{model}}
	}
	sample := func(model any) stratumtest.IsolationOptions {
		return stratumtest.IsolationOptions{Sample: func() any { return model }}
	}
	for name, test := range map[string]struct {
		client, entity any
		options        stratumtest.IsolationOptions
		text           string
	}{
		"no client":                {client: none, entity: &ent.Ticket{}, text: "for ent the client of ent.OpenStratum(st)"},
		"client of another driver": {client: ent.NewClient(), entity: &ent.Ticket{}, text: entstratum.ErrDriver.Error()},
		"client of a transaction":  {client: tx.Client(), entity: &ent.Ticket{}, text: entstratum.ErrDriver.Error()},
		"global entity":            {client: d.client, entity: &ent.Country{}, text: "entity Country is global"},
		"no entity":                {client: d.client, entity: &Stranger{}, text: "none of the client's, a *ent.Client"},
		"no pointer":               {client: d.client, entity: ent.Ticket{}, text: "is not a pointer to an entity"},
		"builder":                  {client: d.client, entity: d.client.Ticket.Create(), text: "none of the client's"},
		"related that is none":     {client: d.client, entity: &ent.Ticket{}, options: related(&Stranger{}), text: "none of"},
		"sample of another":        {client: d.client, entity: &ent.Ticket{}, options: sample(&ent.Tag{}), text: "the Sample is"},
		"sample that is nil":       {client: d.client, entity: &ent.Ticket{}, options: sample(nil), text: "the Sample is"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, failure(t, test.client, test.entity, test.options), test.text)
		})
	}
}

func TestAssertIsolatedNeedsTables(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	require.Contains(t, failure(t, d.client, &ent.Ticket{}), `the table is not there as the model declares it (migrate `+
		`first): "tickets"`)
}

// Values set in the entity are used, and a Sample is asked for each row.
func TestAssertIsolatedTemplates(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.exec(t, d.OwnerDSN, "ALTER TABLE tickets ADD CHECK (priority BETWEEN 70 AND 80), ADD CHECK (number ~ '^T[0-9a-f]{6}$')")
	sample := func() any { return &ent.Ticket{Number: "T" + uuid.NewString()[:6], Priority: 71} }
	require.Contains(t, failure(t, d.client, &ent.Ticket{Priority: 71}), "violates check constraint")
	require.Contains(t, failure(t, d.client, &ent.Ticket{Priority: 71}), "set the fields that need particular values")
	stratumtest.AssertIsolated(t, d.client, &ent.Ticket{}, stratumtest.IsolationOptions{Sample: sample})
	// The ids of the template are another row's, and two rows of a tenant would have the same number.
	related := stratumtest.IsolationOptions{Related: []any{sample()}}
	require.Contains(t, failure(t, d.client, &ent.Comment{ID: uuid.New(), TenantID: uuid.New()}, related), "duplicate")
}

// The application's rows are what they were, and nothing of the tenants is left.
func TestAssertIsolatedLeavesNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	acme := d.tenant(t, "acme")
	mine := d.client.Ticket.Create().SetNumber("T-1").AddTags(d.client.Tag.Create().SetName("red").SaveX(acme)).SaveX(acme)
	d.client.Comment.Create().SetTicket(mine).ExecX(acme)
	before := d.rows(t)
	for _, entity := range []any{&ent.Ticket{}, &ent.Watcher{}} {
		stratumtest.AssertIsolated(t, d.client, entity)
	}
	d.exec(t, d.OwnerDSN, "DROP POLICY stratum_tenant ON tickets; "+
		"CREATE POLICY stratum_tenant ON tickets TO stratum_tenant USING (true)")
	require.NotEmpty(t, failure(t, d.client, &ent.Ticket{}))
	require.Equal(t, before, d.rows(t), "also where there is a hole")
	page, err := d.st.Tenants.List(t.Context(), core.ListOptions{})
	require.NoError(t, err)
	for _, tenant := range page.Tenants {
		require.Equal(t, tenant.ID != tenantOf(t, acme), tenant.Status == core.StatusArchived)
	}
}

// rows are those of all tables.
func (d desk) rows(t *testing.T) string {
	t.Helper()
	queries := make([]string, 0, len(migrate.StratumTables.Tables))
	for _, table := range migrate.StratumTables.Tables {
		queries = append(queries, "SELECT x::text AS line FROM "+table.Name+" x")
	}
	return value[string](t, d, "SELECT string_agg(line, E'\\n' ORDER BY line) FROM ("+
		strings.Join(queries, " UNION ALL ")+") AS lines")
}
