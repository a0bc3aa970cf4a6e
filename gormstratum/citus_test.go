package gormstratum_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
	"github.com/stratum-hq/stratum-go/internal/citus/standin"
	"github.com/stratum-hq/stratum-go/internal/conformance"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// citusVariable names the coordinator that the tests of Citus run against: a superuser's URL of a database that has the
// extension and workers, has "test" in its name, and is emptied. The workers must let the roles of the prefix
// stratum_citus in from the coordinator.
const citusVariable = "STRATUM_TEST_CITUS_URL"

// citusTests are the properties of Stratum on Citus. What is said of workers needs some; the others hold for a
// stand-in, too, which shows that statements, settings and tables fit together, and nothing of Citus.
var citusTests = []struct {
	name    string
	workers bool
	test    func(t *testing.T, c cluster)
}{
	{"TheEngineIsFoundOut", false, citusFoundOut},
	{"TablesAreDistributed", false, citusDistributes},
	{"ASecondMigrationChangesNothing", false, citusSettles},
	{"VerifyFindsNothing", false, citusVerifies},
	{"SettingsReachTheWorkers", true, citusSettings},
	{"OneTaskForAStatement", true, citusTasks},
	{"NoTaskWithoutATenant", true, citusNobody},
	{"RowsStayWithTheirTenant", false, citusRows},
	{"RawSQLStaysWithItsTenant", false, citusRaw},
	{"ReferencesStayWithTheirTenant", false, citusReferences},
	{"SubtreesReadWhatIsBeneath", false, citusSubtrees},
	{"SaveOfARowThatIsThere", false, citusSaves},
	{"TransactionsEnterOnce", false, citusTransactions},
	{"WorkersRememberNothing", true, citusForgets},
	{"OtherIsolationsAreRefused", false, citusLodges},
	{"Conformance", false, citusConforms},
}

// TestCitus runs against a cluster, and names what was not run where there is none.
func TestCitus(t *testing.T) { //nolint:tparallel // they share the tables
	t.Parallel()
	url := os.Getenv(citusVariable)
	if url == "" {
		for _, c := range citusTests {
			t.Logf("not run: TestCitus/%s (set %s)", c.name, citusVariable)
		}
		return
	}
	c := openCluster(t, url)
	for _, one := range citusTests { //nolint:paralleltest // one after the other: they share the tables
		t.Run(one.name, func(t *testing.T) { one.test(t, c) })
	}
}

// TestCitusStandIn runs what needs no workers.
func TestCitusStandIn(t *testing.T) { //nolint:tparallel // they share the tables
	t.Parallel()
	c := openStandIn(t)
	for _, one := range citusTests { //nolint:paralleltest // they share the tables
		if one.workers {
			t.Logf("not run: TestCitusStandIn/%s (it is about workers)", one.name)
			continue
		}
		t.Run(one.name, func(t *testing.T) { one.test(t, c) })
	}
}

// cluster is a coordinator with the tables of the conformance suite, and some tenants.
type cluster struct {
	desk

	msp, acme, globex uuid.UUID // acme is beneath msp
}

func openStandIn(t *testing.T) cluster {
	t.Helper()
	d := desk{Database: stratumtest.EmptyDatabase(t)}
	require.NoError(t, standin.Install(t.Context(), d.AdminDSN))
	options := d.Options()
	options.RolePrefix = d.Name + "_r" // the roles of other tests must not log in
	d.st = d.openStratum(t, options)
	return newCluster(t, d)
}

func openCluster(t *testing.T, url string) cluster {
	t.Helper()
	d := desk{Database: &stratumtest.Database{AdminDSN: url}}
	name := d.texts(t, "SELECT current_database()")[0]
	require.Contains(t, name, "test", "the database of %s is emptied", citusVariable)
	d.exec(t, url, "DROP SCHEMA IF EXISTS stratum CASCADE")
	for _, table := range []string{
		"watchers", "remarks", "badges", "people", "ticket_tags", "tags", "comments", "tickets", "countries",
	} {
		d.exec(t, url, "DROP TABLE IF EXISTS public."+table+" CASCADE")
	}
	d.st = d.openStratum(t, core.Options{DSN: url, RolePrefix: "stratum_citus", Logger: quiet()})
	return newCluster(t, d)
}

func newCluster(t *testing.T, d desk) cluster {
	t.Helper()
	require.NoError(t, d.st.Migrate(t.Context()))
	d.db = openConformance(t, d.st)
	c := cluster{desk: d}
	for _, tenant := range []struct {
		id     *uuid.UUID
		slug   string
		parent *uuid.UUID
	}{{&c.msp, "msp", new(uuid.UUID)}, {&c.acme, "acme", &c.msp}, {&c.globex, "globex", new(uuid.UUID)}} {
		created, err := d.st.Tenants.Create(t.Context(), core.NewTenant{
			Name: tenant.slug, Slug: tenant.slug, Parent: *tenant.parent,
		})
		require.NoError(t, err)
		*tenant.id = created.ID
	}
	return c
}

// as is the db as a tenant.
func (c cluster) as(t *testing.T, tenant uuid.UUID) *gorm.DB {
	t.Helper()
	return c.db.WithContext(core.WithTenant(t.Context(), tenant))
}

// tickets gives each tenant one ticket, of the same number.
func (c cluster) tickets(t *testing.T) (ofAcme, ofGlobex Ticket) {
	t.Helper()
	system := c.db.WithContext(core.AsSystem(t.Context(), "a test clears up"))
	for _, model := range []any{&Comment{}, &Ticket{}} {
		require.NoError(t, system.Where("true").Delete(model).Error)
	}
	ofMSP := Ticket{Number: "T-1", Title: "of msp"}
	ofAcme, ofGlobex = Ticket{Number: "T-1", Title: "of acme"}, Ticket{Number: "T-1", Title: "of globex"}
	require.NoError(t, c.as(t, c.msp).Create(&ofMSP).Error)
	require.NoError(t, c.as(t, c.acme).Create(&ofAcme).Error)
	require.NoError(t, c.as(t, c.globex).Create(&ofGlobex).Error)
	return ofAcme, ofGlobex
}

func citusFoundOut(t *testing.T, c cluster) { //nolint:thelper // a test of its own, in a list
	require.Equal(t, core.Citus, c.st.Engine())
}

func citusDistributes(t *testing.T, c cluster) { //nolint:thelper // a test of its own, in a list
	require.Equal(t, []string{
		"badges h", "comments h", "countries n", "people h", "remarks h", "tags h", "ticket_tags h", "tickets h",
		"watchers h",
	}, c.texts(t, `SELECT concat_ws(' ', c.relname, p.partmethod) FROM pg_catalog.pg_dist_partition p
		JOIN pg_class c ON c.oid = p.logicalrelid WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1`))
	require.Len(t, c.texts(t, `SELECT DISTINCT colocationid::text FROM pg_catalog.pg_dist_partition
		WHERE partmethod = 'h' AND logicalrelid::text IN ('tickets', 'comments', 'tags', 'ticket_tags', 'people')`), 1)
}

func citusSettles(t *testing.T, c cluster) { //nolint:thelper // a test of its own, in a list
	state := func() []string {
		return c.texts(t, `SELECT format('%s %s %s', c.oid, c.xmin, c.relfilenode) FROM pg_class c
			WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1`)
	}
	before := state()
	require.NoError(t, c.st.Migrate(t.Context()))
	require.NoError(t, gormstratum.Migrate(t.Context(), c.db, gormstratum.MigrateOptions{}))
	require.Equal(t, before, state())
}

func citusVerifies(t *testing.T, c cluster) { //nolint:thelper // a test of its own, in a list
	report, err := gormstratum.Verify(t.Context(), c.db)
	require.NoError(t, err)
	require.NoError(t, report.Err(), report.String())
}

// citusSettings asks the shard that a ticket is on.
func citusSettings(t *testing.T, c cluster) { //nolint:thelper // a test of its own, in a list
	c.tickets(t)
	ctx := core.WithActor(core.WithTenant(t.Context(), c.acme), core.Actor{ID: `o'n\eil`, Kind: "user"})
	var seen struct{ Tenant, Context, Role, Path string }
	require.NoError(t, c.db.WithContext(ctx).Raw(`SELECT current_setting('stratum.tenant') AS tenant,
		current_setting('stratum.context') AS context, current_user AS role, current_setting('search_path') AS path
		FROM tickets WHERE tenant_id = ?`, c.acme).Scan(&seen).Error)
	require.Equal(t, c.acme.String(), seen.Tenant)
	require.Contains(t, seen.Context, `o'n\\eil`)
	require.Equal(t, "stratum_citus_tenant", seen.Role)
	require.Contains(t, seen.Path, "pg_temp")
}

// plan is what the coordinator would do for a statement of GORM's.
func (c cluster) plan(t *testing.T, build func(tx *gorm.DB) *gorm.DB) string {
	t.Helper()
	tx := c.as(t, c.acme)
	stmt := build(tx.Session(&gorm.Session{DryRun: true, SkipDefaultTransaction: true})).Statement
	var lines []string
	require.NoError(t, tx.Raw("EXPLAIN (COSTS OFF) "+c.db.Dialector.Explain(stmt.SQL.String(), stmt.Vars...)).
		Scan(&lines).Error)
	return strings.Join(lines, "\n")
}

func citusTasks(t *testing.T, c cluster) { //nolint:thelper // a test of its own, in a list
	ticket, _ := c.tickets(t)
	for name, build := range map[string]func(tx *gorm.DB) *gorm.DB{
		"find":   func(tx *gorm.DB) *gorm.DB { return tx.Find(&[]Ticket{}) },
		"first":  func(tx *gorm.DB) *gorm.DB { return tx.First(&Ticket{}, "id = ?", ticket.ID) },
		"count":  func(tx *gorm.DB) *gorm.DB { return tx.Model(&Ticket{}).Select("count(*)").Find(new(int64)) },
		"update": func(tx *gorm.DB) *gorm.DB { return tx.Model(&ticket).Update("title", "new") },
		"delete": func(tx *gorm.DB) *gorm.DB { return tx.Delete(&ticket) },
		"join": func(tx *gorm.DB) *gorm.DB {
			return tx.Joins("Ticket").Find(&[]Comment{})
		},
		"create": func(tx *gorm.DB) *gorm.DB { return tx.Create(&Ticket{Number: "T-9", Title: "new"}) },
	} {
		require.Contains(t, c.plan(t, build), "Task Count: 1\n", name)
	}
}

func citusNobody(t *testing.T, c cluster) { //nolint:thelper // a test of its own, in a list
	require.ErrorIs(t, c.db.WithContext(t.Context()).Find(&[]Ticket{}).Error, core.ErrNoTenant)
	// Past the guard: as the role, without a tenant, the shards themselves refuse.
	conn, err := pgx.Connect(t.Context(), c.AdminDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	_, err = conn.Exec(t.Context(), "SET ROLE stratum_citus_tenant")
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "SELECT * FROM tickets")
	require.ErrorContains(t, err, "no tenant is set")
}

func citusRows(t *testing.T, c cluster) { //nolint:thelper // a test of its own, in a list
	_, ofGlobex := c.tickets(t)
	acme := c.as(t, c.acme)
	var found []Ticket
	require.NoError(t, acme.Find(&found).Error)
	require.Len(t, found, 1)
	require.Equal(t, "of acme", found[0].Title)
	require.ErrorIs(t, acme.First(&Ticket{}, "id = ?", ofGlobex.ID).Error, gorm.ErrRecordNotFound)
	for _, changed := range []*gorm.DB{
		acme.Model(&Ticket{}).Where("id = ?", ofGlobex.ID).Update("title", "taken"),
		acme.Where("id = ?", ofGlobex.ID).Delete(&Ticket{}),
	} {
		require.NoError(t, changed.Error)
		require.Zero(t, changed.RowsAffected)
	}
	foreign := acme.Exec("INSERT INTO tickets (tenant_id, id, number) VALUES (?, ?, 'x')", c.globex, uuid.New())
	require.ErrorIs(t, foreign.Error, core.ErrCrossTenant)
}

// citusRaw has no predicate that leads to one shard: the policies of all shards answer.
func citusRaw(t *testing.T, c cluster) { //nolint:thelper // a test of its own, in a list
	c.tickets(t)
	var titles []string
	require.NoError(t, c.as(t, c.acme).Raw("SELECT title FROM tickets").Scan(&titles).Error)
	require.Equal(t, []string{"of acme"}, titles)
	changed := c.as(t, c.acme).Exec("UPDATE tickets SET title = title || '!'")
	require.NoError(t, changed.Error)
	require.EqualValues(t, 1, changed.RowsAffected)
	require.NoError(t, c.db.WithContext(core.AsSystem(t.Context(), "a test looks")).
		Raw("SELECT title FROM tickets ORDER BY title").Scan(&titles).Error)
	require.Equal(t, []string{"of acme!", "of globex", "of msp"}, titles)
}

func citusReferences(t *testing.T, c cluster) { //nolint:thelper // a test of its own, in a list
	ofAcme, ofGlobex := c.tickets(t)
	require.NoError(t, c.as(t, c.acme).Create(&Comment{TicketID: ofAcme.ID, Body: "own"}).Error)
	foreign := c.as(t, c.acme).Create(&Comment{TicketID: ofGlobex.ID, Body: "another's"})
	require.ErrorIs(t, foreign.Error, core.ErrForeignKey)
}

func citusSubtrees(t *testing.T, c cluster) { //nolint:thelper // a test of its own, in a list
	c.tickets(t)
	subtree := c.db.WithContext(core.WithSubtree(t.Context(), c.msp))
	for range 2 { // the long way in, and the short one
		var titles []string
		require.NoError(t, subtree.Model(&Ticket{}).Order("title").Pluck("title", &titles).Error)
		require.Equal(t, []string{"of acme", "of msp"}, titles)
	}
	changed := subtree.Model(&Ticket{}).Where("true").Update("title", "changed")
	require.NoError(t, changed.Error)
	require.EqualValues(t, 1, changed.RowsAffected, "a subtree writes its own rows")
}

// citusSaves: GORM's Save names the columns of the primary key as the model has it.
func citusSaves(t *testing.T, c cluster) { //nolint:thelper // a test of its own, in a list
	ofAcme, _ := c.tickets(t)
	require.NoError(t, c.as(t, c.acme).Where("id = ?", ofAcme.ID).Delete(&Ticket{}).Error)
	ofAcme.Title = "back"
	require.NoError(t, c.as(t, c.acme).Save(&ofAcme).Error)
	ofAcme.Title = "once more"
	require.NoError(t, c.as(t, c.acme).Save(&ofAcme).Error)
	var titles []string
	require.NoError(t, c.as(t, c.acme).Model(&Ticket{}).Pluck("title", &titles).Error)
	require.Equal(t, []string{"once more"}, titles)
}

func citusTransactions(t *testing.T, c cluster) { //nolint:thelper // a test of its own, in a list
	c.tickets(t)
	undone := errors.New("undone")
	require.ErrorIs(t, c.as(t, c.acme).Transaction(func(tx *gorm.DB) error {
		require.NoError(t, tx.Create(&Ticket{Number: "T-2", Title: "second"}).Error)
		require.NoError(t, tx.Transaction(func(tx *gorm.DB) error {
			return tx.Model(&Ticket{}).Where("number = ?", "T-2").Update("title", "after a savepoint").Error
		}))
		var titles []string
		require.NoError(t, tx.Model(&Ticket{}).Order("title").Pluck("title", &titles).Error)
		require.Equal(t, []string{"after a savepoint", "of acme"}, titles)
		return undone
	}), undone)
	var n int64
	require.NoError(t, c.as(t, c.acme).Model(&Ticket{}).Count(&n).Error)
	require.EqualValues(t, 1, n)
}

// citusForgets: connections to the workers are kept, and what was carried is not.
func citusForgets(t *testing.T, c cluster) { //nolint:thelper // a test of its own, in a list
	c.tickets(t)
	for range 20 {
		for tenant, title := range map[uuid.UUID]string{c.acme: "of acme", c.globex: "of globex"} {
			var titles []string
			require.NoError(t, c.as(t, tenant).Raw("SELECT title FROM tickets").Scan(&titles).Error)
			require.Equal(t, []string{title}, titles)
		}
	}
	require.Equal(t, []string{""}, c.texts(t, `SELECT DISTINCT result FROM run_command_on_workers(
		$$SELECT coalesce(current_setting('stratum.tenant', true), '')$$)`))
}

func citusLodges(t *testing.T, c cluster) { //nolint:thelper // a test of its own, in a list
	for _, isolation := range []core.Isolation{core.SchemaIsolation, core.DatabaseIsolation} {
		_, err := c.st.Tenants.Create(t.Context(), core.NewTenant{
			Name: "x", Slug: "x-" + string(isolation), Isolation: isolation,
		})
		require.ErrorIs(t, err, core.ErrEngine)
	}
	require.ErrorIs(t, gormstratum.Adopt(t.Context(), c.db, gormstratum.AdoptOptions{To: gormstratum.AdoptSealed}),
		core.ErrEngine)
}

// citusConforms leaves one path out. Keys are unique per tenant: GORM's Save of a row that is another tenant's, without
// that tenant's id, finds no clash, and makes a row of the caller's own.
func citusConforms(t *testing.T, c cluster) { //nolint:thelper // a test of its own, in a list
	conform(t, c.desk, c.db, func(p *conformance.Path) bool { return p.Name != "Save without the tenant's id" })
}
