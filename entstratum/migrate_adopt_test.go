package entstratum_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"entgo.io/ent/dialect/sql/schema"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/migrate"
)

// plainTables are those of the desk as ent has them without Stratum.
func plainTables(t *testing.T) []*schema.Table {
	t.Helper()
	wanted, err := schema.CopyTables(migrate.Tables)
	require.NoError(t, err)
	isTenant := func(c *schema.Column) bool { return c.Name == "tenant_id" }
	for _, table := range wanted {
		table.Columns = slices.DeleteFunc(table.Columns, isTenant)
		table.Indexes = slices.DeleteFunc(table.Indexes, func(i *schema.Index) bool {
			return strings.Contains(i.Name, "_stratum_")
		})
		for _, index := range table.Indexes {
			index.Columns = slices.DeleteFunc(index.Columns, isTenant)
			index.Name = strings.Replace(index.Name, "_tenant_id", "", 1)
		}
		for _, key := range table.ForeignKeys {
			key.Columns = slices.DeleteFunc(key.Columns, isTenant)
			key.RefColumns = slices.DeleteFunc(key.RefColumns, isTenant)
		}
	}
	return wanted
}

// newPlainDesk makes the tables of the desk by ent alone, with rows in them.
func newPlainDesk(t *testing.T) desk {
	t.Helper()
	d := newStratum(t)
	m, err := schema.NewMigrate(plainDriver(t, d.OwnerDSN))
	require.NoError(t, err)
	require.NoError(t, m.Create(t.Context(), plainTables(t)...))
	d.fillPlain(t)
	return d
}

// fillPlain writes rows to the tables of a plain desk.
func (d desk) fillPlain(t *testing.T) {
	t.Helper()
	d.exec(t, d.OwnerDSN, `
		INSERT INTO tickets (id, number) VALUES ('00000000-0000-0000-0000-000000000001', 'secret'),
			('00000000-0000-0000-0000-000000000002', 'other');
		INSERT INTO comments (id, ticket_id) SELECT gen_random_uuid(), id FROM tickets;
		INSERT INTO tags (id, name) VALUES ('00000000-0000-0000-0000-000000000003', 'tag');
		INSERT INTO ticket_tags (ticket_id, tag_id) SELECT tickets.id, tags.id FROM tickets, tags;
		INSERT INTO people (id) VALUES ('00000000-0000-0000-0000-000000000004');
		INSERT INTO watchers (ticket_id, person_id, since) SELECT tickets.id, people.id, now() FROM tickets, people;
		INSERT INTO badges (id, person_id, serial) SELECT gen_random_uuid(), id, 'secret' FROM people;
		INSERT INTO remarks (id) VALUES ('00000000-0000-0000-0000-000000000005');
		INSERT INTO remarks (id, parent_id) SELECT gen_random_uuid(), id FROM remarks;
		INSERT INTO templates (id, code) VALUES (gen_random_uuid(), 'secret')`)
}

func (d desk) migrateGiving(t *testing.T, rows uuid.UUID) error {
	t.Helper()
	return ent.StratumMigrate(t.Context(), d.client, entstratum.MigrateOptions{ExistingRows: rows})
}

// The tables of a plain ent application end up as those that Migrate makes, with their rows given to a tenant. Their
// unique indexes go, which would tell one tenant of another's values.
func TestMigrateAdopts(t *testing.T) {
	t.Parallel()
	fresh, d := newDesk(t), newPlainDesk(t)
	ctx := d.tenant(t, "acme")
	require.Contains(t, d.definitions(t, "tickets"), "ticket_number")
	before := d.catalog(t)
	err := d.migrateGiving(t, uuid.Nil)
	require.ErrorIs(t, err, entstratum.ErrExistingRows)
	var refusal *entstratum.TableError
	require.ErrorAs(t, err, &refusal)
	require.Positive(t, refusal.Rows)
	require.Contains(t, refusal.Cure, "MigrateOptions.ExistingRows")
	require.ErrorIs(t, d.migrateGiving(t, uuid.New()), entstratum.ErrTenantUnknown)
	require.Equal(t, before, d.catalog(t))

	var group errgroup.Group
	for range 2 { // at once
		client := d.openStratum(t, d.Options()).client
		group.Go(func() error {
			return ent.StratumMigrate(t.Context(), client, entstratum.MigrateOptions{ExistingRows: tenantOf(t, ctx)})
		})
	}
	require.NoError(t, group.Wait())
	require.Equal(t, fresh.catalog(t), d.catalog(t))
	d.settled(t, d.migrateAgain(t))
	require.Equal(t, 2, d.client.Ticket.Query().CountX(ctx))
	require.Equal(t, 2, d.client.Ticket.Query().QueryTags().QueryTickets().CountX(ctx))
	require.Equal(t, 2, d.client.Person.Query().QueryWatched().CountX(ctx))
	other := d.tenant(t, "bolt")
	require.Zero(t, d.client.Ticket.Query().CountX(other))
	require.NoError(t, d.client.Ticket.Create().SetNumber("secret").Exec(other))
}

// Each thing that is in the way stops Migrate with an error that can be told from others, names table and object, says
// what to do, quotes no row, and leaves the database as it was.
func TestMigrateRefusals(t *testing.T) {
	t.Parallel()
	const tenantColumns = `ALTER TABLE %[1]s ADD tenant_id uuid; UPDATE %[1]s SET tenant_id =
		CASE WHEN '%[2]s' = '' THEN (SELECT id FROM stratum.tenants WHERE slug = 'bolt') ELSE NULL END;`
	for name, test := range map[string]struct {
		want   error
		object string
		damage string
	}{
		"a comment of another tenant's ticket": {
			entstratum.ErrReference, "comments_tickets_comments", fmt.Sprintf(tenantColumns, "comments", ""),
		},
		"a watcher of another tenant's ticket": {
			entstratum.ErrReference, "watchers_tickets_ticket", fmt.Sprintf(tenantColumns, "tickets", "") +
				fmt.Sprintf(tenantColumns, "comments", "") + fmt.Sprintf(tenantColumns, "ticket_tags", "") +
				fmt.Sprintf(tenantColumns, "tags", ""),
		},
		"a reference to nothing": {
			entstratum.ErrReference, "comments_tickets_comments", "ALTER TABLE comments DROP CONSTRAINT " +
				"comments_tickets_comments; UPDATE comments SET ticket_id = gen_random_uuid()",
		},
		"a duplicate in a tenant": {
			entstratum.ErrDuplicate, "ticket_tenant_id_number", "DROP INDEX ticket_number; UPDATE tickets SET number = 'secret'",
		},
		"a column of another type": {entstratum.ErrColumn, "tenant_id", "ALTER TABLE tickets ADD COLUMN tenant_id bigint"},
		"a policy":                 {entstratum.ErrPolicy, "mine", "CREATE POLICY mine ON tickets USING (true)"},
		"a dependent": {
			entstratum.ErrDependent, "reports_number_fkey",
			"CREATE TABLE reports (number varchar REFERENCES tickets (number))",
		},
		"a view in a table's place": {
			entstratum.ErrNoTable, "", "DROP TABLE badges; CREATE VIEW badges AS SELECT 1 AS id",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newPlainDesk(t)
			acme := tenantOf(t, d.tenant(t, "acme"))
			bolt := tenantOf(t, d.tenant(t, "bolt"))
			d.exec(t, d.AdminDSN, fmt.Sprintf("GRANT SELECT ON stratum.tenants TO %q", d.Name+"_owner"))
			d.exec(t, d.OwnerDSN, test.damage)
			before := d.catalog(t)
			err := d.migrateGiving(t, acme)
			require.ErrorIs(t, err, test.want)
			var refusal *entstratum.TableError
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, test.object, refusal.Object)
			require.Contains(t, refusal.Table, `"public".`)
			require.NotEmpty(t, refusal.Cure)
			for _, secret := range []string{"secret", bolt.String(), acme.String(), "00000000-0000"} {
				require.NotContains(t, err.Error(), secret)
				require.NotContains(t, fmt.Sprintf("%+v", err), secret)
			}
			require.Equal(t, before, d.catalog(t), "nothing has changed")
		})
	}
}

// What an application has of its own is kept: rows, columns, indexes that are not unique.
func TestMigrateKeepsWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	d := newPlainDesk(t)
	d.exec(t, d.OwnerDSN, `ALTER TABLE tickets ADD legacy text; CREATE INDEX mine ON tickets (legacy);
		ALTER TABLE tickets ADD CONSTRAINT short CHECK (length(number) < 100)`)
	require.NoError(t, d.migrateGiving(t, tenantOf(t, d.tenant(t, "acme"))))
	require.Contains(t, d.definitions(t, "tickets"), "mine")
	require.Equal(t, 2, value[int](t, d, "SELECT count(*) FROM tickets WHERE legacy IS NULL"))
	d.settled(t, d.migrateAgain(t))
}

// What reaches across tenants, and is nobody's that Migrate knows, is told with its cure.
func TestMigrateTellsWhatReachesAcross(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.exec(t, d.OwnerDSN, "CREATE UNIQUE INDEX foreigners ON tickets (title)")
	var log bytes.Buffer
	options := d.Options()
	options.Logger = slog.New(slog.NewTextHandler(&log, nil))
	d = d.openStratum(t, options)
	require.NoError(t, ent.StratumMigrate(t.Context(), d.client))
	require.Contains(t, log.String(), "object=foreigners")
	require.Contains(t, log.String(), "DROP INDEX")
	d.exec(t, d.OwnerDSN, "DROP INDEX foreigners")
	log.Reset()
	require.NoError(t, ent.StratumMigrate(t.Context(), d.client))
	require.Empty(t, log.String())
}
