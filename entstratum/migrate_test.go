package entstratum_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	atlas "ariga.io/atlas/sql/migrate"
	"entgo.io/ent/dialect/sql/schema"
	"entgo.io/ent/schema/field"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/migrate"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/ticket"
)

func TestMigrateTwice(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	require.NoError(t, ent.StratumMigrate(t.Context(), d.client))
	ctx := d.tenant(t, "acme")
	made, err := d.client.Ticket.Create().SetNumber("1").SetTitle("x").Save(ctx)
	require.NoError(t, err)
	require.Equal(t, tenantOf(t, ctx), made.TenantID)
	found, err := d.client.Ticket.Query().Where(ticket.Number("1")).Only(ctx)
	require.NoError(t, err)
	require.Equal(t, made.ID, found.ID)
	d.settled(t, d.migrateAgain(t))
}

// withRows has a ticket with a comment, a tag and a watcher.
func (d desk) withRows(t *testing.T, ctx context.Context) { //nolint:revive // t comes first in tests
	t.Helper()
	note := d.client.Comment.Create().SetBody("b").SaveX(ctx)
	tag := d.client.Tag.Create().SetName("n").SaveX(ctx)
	made := d.client.Ticket.Create().SetNumber("1").AddComments(note).AddTags(tag).SaveX(ctx)
	person := d.client.Person.Create().SaveX(ctx)
	d.client.Watcher.Create().SetTicketID(made.ID).SetPersonID(person.ID).SaveX(ctx)
	d.client.Badge.Create().SetPersonID(person.ID).SetSerial("s-" + made.ID.String()).SaveX(ctx)
	d.client.Template.Create().SetCode("c").SaveX(ctx)
}

// everyChange lets ent drop and add whatever it does not find as it wants it.
func everyChange() []schema.MigrateOption {
	return []schema.MigrateOption{
		migrate.WithDropIndex(true), migrate.WithDropColumn(true), migrate.WithForeignKeys(true),
	}
}

// ent's own migration finds nothing to do after Migrate, whatever it is allowed to, and leaves Migrate nothing to do.
// It reads no rows, so it needs no setting to see them.
func TestPlainSchemaCreate(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.withRows(t, d.tenant(t, "acme"))
	for _, options := range [][]schema.MigrateOption{
		nil, everyChange(), {migrate.WithForeignKeys(false)}, {migrate.StratumOption(), migrate.StratumOption()},
	} {
		d.settled(t, func(owner string) error {
			return ent.NewClient(ent.Driver(plainDriver(t, owner))).Schema.Create(t.Context(), options...)
		})
		var printed strings.Builder
		client := ent.NewClient(ent.Driver(plainDriver(t, d.OwnerDSN)))
		require.NoError(t, client.Schema.WriteTo(t.Context(), &printed, options...))
		require.NotRegexp(t, `[A-Z]{4,} `, printed.String())
	}
	// Neither does ent's package schema, given the option.
	d.settled(t, func(owner string) error {
		m, err := schema.NewMigrate(plainDriver(t, owner), append(everyChange(), migrate.StratumOption())...)
		require.NoError(t, err)
		return m.Create(t.Context(), migrate.Tables...)
	})
	d.settled(t, d.migrateAgain(t))
}

// What is missing ent's own migration makes, but for what is Stratum's, which Migrate makes.
func TestPlainSchemaCreateRestores(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.withRows(t, d.tenant(t, "acme"))
	wanted := d.catalog(t)
	const damage = `DROP INDEX ticket_status; DROP INDEX template_tenant_id_code;
		COMMENT ON INDEX badges_serial_key IS NULL; ALTER TABLE tickets ALTER title DROP DEFAULT;
		ALTER TABLE comments DROP CONSTRAINT comments_tickets_comments;
		ALTER TABLE tags DROP CONSTRAINT IF EXISTS tags_stratum_key CASCADE; DROP INDEX IF EXISTS tags_stratum_key CASCADE`
	d.exec(t, d.OwnerDSN, damage)
	require.NotEqual(t, wanted, d.catalog(t))
	require.NoError(t, ent.NewClient(ent.Driver(plainDriver(t, d.OwnerDSN))).Schema.Create(t.Context()))
	require.Contains(t, d.definitions(t, "templates")["template_tenant_id_code"], "NULLS NOT DISTINCT")
	require.Contains(t, d.definitions(t, "tags"), "tags_stratum_key")
	require.NotContains(t, d.definitions(t, "comments"), "comments_tickets_comments", "a key of Stratum's")
	require.NoError(t, ent.StratumMigrate(t.Context(), d.client))
	require.Equal(t, wanted, d.catalog(t))
}

// A later schema is migrated by ent's own migration too, rows or not: a column, a key to a global table, an index.
func TestPlainSchemaCreateLaterSchema(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.withRows(t, d.tenant(t, "acme"))
	wanted, err := schema.CopyTables(migrate.Tables)
	require.NoError(t, err)
	comments, countries := tableOf(t, wanted, "comments"), tableOf(t, wanted, "countries")
	country := &schema.Column{Name: "country_id", Type: field.TypeInt, Nullable: true}
	comments.Columns = append(comments.Columns, country)
	comments.Indexes = append(comments.Indexes, &schema.Index{Name: "later", Columns: []*schema.Column{country}})
	comments.ForeignKeys = append(comments.ForeignKeys, &schema.ForeignKey{
		Symbol: "comments_countries", Columns: []*schema.Column{country}, RefTable: countries,
		RefColumns: countries.PrimaryKey, OnDelete: schema.SetNull,
	})
	create := func(dsn string) error {
		return migrate.Create(t.Context(), migrate.NewSchema(plainDriver(t, dsn)), wanted)
	}
	require.NoError(t, create(d.OwnerDSN))
	require.Equal(t, "FOREIGN KEY (country_id) REFERENCES countries(id) ON DELETE SET NULL",
		d.definitions(t, "comments")["comments_countries"])
	require.Contains(t, d.definitions(t, "comments"), "later")
	d.settled(t, create)
}

// tableOf is one of the tables.
func tableOf(t *testing.T, list []*schema.Table, name string) *schema.Table {
	t.Helper()
	at := slices.IndexFunc(list, func(table *schema.Table) bool { return table.Name == name })
	require.GreaterOrEqual(t, at, 0, name)
	return list[at]
}

// The guarded client may not change tables.
func TestSchemaCreateIsRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	before := d.catalog(t)
	for _, ctx := range []context.Context{t.Context(), d.tenant(t, "acme"), asSystem(t)} {
		require.Error(t, d.client.Schema.Create(ctx, everyChange()...))
	}
	require.Equal(t, before, d.catalog(t))
	plain := ent.NewClient(ent.Driver(plainDriver(t, d.OwnerDSN)))
	require.ErrorIs(t, ent.StratumMigrate(t.Context(), plain), entstratum.ErrDriver)
	_, err := ent.StratumScript(t.Context(), plain, entstratum.ScriptOptions{})
	require.ErrorIs(t, err, entstratum.ErrDriver)
	_, err = ent.StratumVerify(t.Context(), plain)
	require.ErrorIs(t, err, entstratum.ErrDriver)
}

// Nothing is planned against the migrated database, nor with the diff's tables as they are.
func TestNamedDiffAfterMigrate(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.withRows(t, d.tenant(t, "acme"))
	for _, options := range [][]schema.MigrateOption{nil, everyChange()} {
		d.settled(t, func(owner string) error {
			path := t.TempDir()
			dir, err := atlas.NewLocalDir(path)
			require.NoError(t, err)
			err = migrate.NewSchema(plainDriver(t, owner)).NamedDiff(t.Context(), "x",
				append(options, schema.WithDir(dir), schema.WithMigrationMode(schema.ModeInspect))...)
			files, globErr := filepath.Glob(filepath.Join(path, "*.sql"))
			require.NoError(t, globErr)
			require.Empty(t, files)
			return err
		})
	}
}

func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	d.exec(t, d.AdminDSN, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable', "+
		"current_database()); END $$")
	var group errgroup.Group
	for range 6 {
		client := d.openStratum(t, d.Options()).client
		group.Go(func() error { return ent.StratumMigrate(t.Context(), client) })
	}
	require.NoError(t, group.Wait())
	d.settled(t, d.migrateAgain(t))
	d.withRows(t, d.tenant(t, "acme"))
}

// A Migrate that is given up has changed nothing, and the next one goes through.
func TestMigrateGivenUp(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	before := d.catalog(t)
	blocker, err := pgx.Connect(t.Context(), d.OwnerDSN)
	require.NoError(t, err)
	defer func() { _ = blocker.Close(context.WithoutCancel(t.Context())) }()
	tx, err := blocker.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "LOCK TABLE stratum.tables") // what Migrate writes last
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- ent.StratumMigrate(ctx, d.client) }()
	require.Eventually(t, func() bool {
		return value[bool](t, d, `SELECT EXISTS (SELECT FROM pg_locks l WHERE NOT l.granted
			AND l.relation = 'stratum.tables'::regclass)`)
	}, time.Minute, 10*time.Millisecond)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.NoError(t, tx.Rollback(t.Context()))
	require.Equal(t, before, d.catalog(t))
	require.NoError(t, ent.StratumMigrate(t.Context(), d.client))
}
