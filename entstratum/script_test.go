package entstratum_test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	atlas "ariga.io/atlas/sql/migrate"
	"ariga.io/atlas/sql/sqlclient"
	"ariga.io/atlas/sql/sqltool"
	"entgo.io/ent/dialect/sql/schema"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/migrate"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// directory is one of a tool's, with what ent and Stratum write to it.
type directory struct {
	path    string
	format  entstratum.ScriptFormat
	dir     atlas.Dir
	scratch desk // a database with the schema stratum and no tables
	ran     *revisions
}

// newBare makes a database with Stratum's schema and nothing else.
func newBare(t *testing.T) desk {
	t.Helper()
	st, database := stratumtest.Open(t)
	return desk{Database: database, st: st, client: ent.OpenStratum(st)}
}

// newDirectory makes a directory whose first file makes a table of the application's own.
func newDirectory(t *testing.T, format entstratum.ScriptFormat) directory {
	t.Helper()
	d := directory{path: t.TempDir(), format: format, scratch: newBare(t), ran: &revisions{}}
	first, content := "20200101000000_jobs.sql", "CREATE TABLE river_job (id bigint);\n"
	var err error
	switch format {
	case entstratum.Goose:
		d.dir, err = sqltool.NewGooseDir(d.path)
		content = "-- +goose Up\n" + content + "-- +goose Down\nDROP TABLE river_job;\n"
	case entstratum.GolangMigrate:
		d.dir, err = sqltool.NewGolangMigrateDir(d.path)
		first = "20200101000000_jobs.up.sql"
	case entstratum.Plain, entstratum.Atlas:
		d.dir, err = atlas.NewLocalDir(d.path)
	}
	require.NoError(t, err)
	require.NoError(t, d.dir.WriteFile(first, []byte(content)))
	sum, err := d.dir.Checksum()
	require.NoError(t, err)
	require.NoError(t, atlas.WriteSumFile(d.dir, sum))
	return d
}

// diff has ent write the next file.
func (d directory) diff(t *testing.T, r *entstratum.Registry, wanted []*schema.Table) error {
	t.Helper()
	wanted, err := r.Versioned(wanted)
	require.NoError(t, err)
	d.outdate(t)
	options := []schema.MigrateOption{
		r.Option(), schema.WithDir(d.dir), schema.WithMigrationMode(schema.ModeReplay), schema.WithErrNoPlan(true),
	}
	if d.format == entstratum.Plain || d.format == entstratum.Atlas {
		options = append(options, schema.WithFormatter(atlas.DefaultFormatter))
	}
	return schema.Diff(t.Context(), inPublic(t, d.scratch.OwnerDSN), "tables", wanted,
		append(options, everyChange()...)...)
}

// outdate waits until the version of a new file, which ent takes from the clock, is behind those of the files that are
// there. Developers are slower than tests.
func (d directory) outdate(t *testing.T) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(d.path, "*.sql"))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		now := time.Now().UTC().Format("20060102150405")
		return !slices.ContainsFunc(names, func(name string) bool { return filepath.Base(name) >= now })
	}, 10*time.Second, 20*time.Millisecond)
}

// inPublic is a DSN with which Atlas does not take the schema stratum for the application's.
func inPublic(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	query := u.Query()
	query.Set("search_path", "public")
	u.RawQuery = query.Encode()
	return u.String()
}

// join writes Stratum's file behind ent's. It returns how many files there were.
func (d directory) join(t *testing.T, r *entstratum.Registry, rows ...uuid.UUID) int {
	t.Helper()
	before := d.scratch.catalog(t)
	files, err := entstratum.Script(t.Context(), d.scratch.st, r, entstratum.ScriptOptions{
		Format: d.format, Dir: os.DirFS(d.path),
	}, entstratum.MigrateOptions{Ent: everyChange(), ExistingRows: append(rows, uuid.Nil)[0]})
	require.NoError(t, err)
	require.Equal(t, before, d.scratch.catalog(t), "planning changes nothing")
	for _, f := range files {
		require.NoError(t, os.WriteFile(filepath.Join(d.path, f.Name), f.Content, 0o600))
	}
	require.NoError(t, atlas.Validate(d.dir), "the sum fits")
	return len(files)
}

// apply has the tool run the files that it has not run yet, as the owner of the tables.
func (d directory) apply(t *testing.T, to desk) {
	t.Helper()
	switch d.format {
	case entstratum.Goose:
		pool := openPool(t, to.OwnerDSN)
		provider, err := goose.NewProvider(goose.DialectPostgres, pool, os.DirFS(d.path), goose.WithTableName("log.goose"))
		require.NoError(t, err)
		_, err = provider.Up(t.Context())
		require.NoError(t, err)
	case entstratum.Atlas:
		client, err := sqlclient.Open(t.Context(), inPublic(t, to.OwnerDSN))
		require.NoError(t, err)
		defer func() { require.NoError(t, client.Close()) }()
		tx, err := client.Tx(t.Context(), nil)
		require.NoError(t, err)
		executor, err := atlas.NewExecutor(tx.Driver, d.dir, d.ran, atlas.WithAllowDirty(true))
		require.NoError(t, err)
		if err := executor.ExecuteN(t.Context(), 0); !errors.Is(err, atlas.ErrNoPendingFiles) {
			require.NoError(t, err)
		}
		require.NoError(t, tx.Commit())
	case entstratum.Plain, entstratum.GolangMigrate:
		names, err := filepath.Glob(filepath.Join(d.path, "*.sql"))
		require.NoError(t, err)
		for _, name := range names {
			if done := to.ran(t, filepath.Base(name)); done || strings.HasSuffix(name, ".down.sql") {
				continue
			}
			content, err := os.ReadFile(name)
			require.NoError(t, err)
			to.exec(t, to.OwnerDSN, string(content))
		}
	}
}

// ran notes that a file runs, and reports whether it has before.
func (d desk) ran(t *testing.T, name string) bool {
	t.Helper()
	d.exec(t, d.OwnerDSN, "CREATE TABLE IF NOT EXISTS log.ran (name text PRIMARY KEY)")
	if value[bool](t, d, "SELECT EXISTS (SELECT FROM log.ran WHERE name = $1)", name) {
		return true
	}
	d.exec(t, d.OwnerDSN, "INSERT INTO log.ran VALUES ('"+name+"')")
	return false
}

// firstVersion is what the desk was like before: without comments and tags, and with less of a ticket.
func firstVersion(t *testing.T) (*entstratum.Registry, []*schema.Table) {
	t.Helper()
	later := []string{"comments", "tags", "ticket_tags"}
	wanted := slices.DeleteFunc(plainTables(t), func(table *schema.Table) bool {
		return slices.Contains(later, table.Name)
	})
	tickets := tableOf(t, wanted, "tickets")
	tickets.Columns = slices.DeleteFunc(tickets.Columns, func(c *schema.Column) bool { return c.Name == "priority" })
	tickets.Indexes = slices.DeleteFunc(tickets.Indexes, func(i *schema.Index) bool { return i.Name == "ticket_status" })
	number := tickets.Indexes[slices.IndexFunc(tickets.Indexes, func(i *schema.Index) bool { return i.Unique })]
	number.Name = "ticket_tenant_id_number"
	r := &entstratum.Registry{External: migrate.StratumTables.External}
	for _, table := range migrate.StratumTables.Tables {
		if table.Class != entstratum.ClassView && !slices.Contains(later, table.Name) {
			r.Tables = append(r.Tables, table)
		}
	}
	entstratum.Desire(wanted, r)
	return r, wanted
}

// What ent writes for a tool is joined by a file of Stratum's. The tool runs both, on a new database and on one of the
// version before, and nothing is left to do: not for Migrate, not for ent, not for the next script.
func TestScriptJoinsEnt(t *testing.T) {
	t.Parallel()
	for name, format := range map[string]entstratum.ScriptFormat{
		"Plain": entstratum.Plain, "Goose": entstratum.Goose, "Atlas": entstratum.Atlas,
		"GolangMigrate": entstratum.GolangMigrate,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, prod := newDirectory(t, format), newBare(t)
			prod.exec(t, prod.OwnerDSN, "CREATE SCHEMA log")
			r, wanted := firstVersion(t)
			require.NoError(t, dir.diff(t, r, wanted))
			require.Positive(t, dir.join(t, r))
			require.ErrorIs(t, dir.diff(t, r, wanted), atlas.ErrNoPlan)
			require.Zero(t, dir.join(t, r))
			dir.apply(t, prod)
			ctx := prod.tenant(t, "acme")
			prod.client.Person.Create().SaveX(ctx)

			require.NoError(t, dir.diff(t, migrate.StratumTables, migrate.Tables))
			require.Positive(t, dir.join(t, migrate.StratumTables))
			require.ErrorIs(t, dir.diff(t, migrate.StratumTables, migrate.Tables), atlas.ErrNoPlan)
			require.Zero(t, dir.join(t, migrate.StratumTables))
			dir.apply(t, prod)
			require.Equal(t, newDesk(t).catalog(t), prod.catalog(t))
			prod.withRows(t, ctx)
			prod.settled(t, prod.migrateAgain(t))
			require.Empty(t, prod.findings(t))
			dir.apply(t, prod)
		})
	}
}

// The tables of a plain application are taken over by files, with the rows that they have where the files run.
func TestScriptAdopts(t *testing.T) {
	t.Parallel()
	dir, prod := newDirectory(t, entstratum.Atlas), newBare(t)
	prod.exec(t, prod.OwnerDSN, "CREATE SCHEMA log")
	plain := &entstratum.Registry{}
	require.NoError(t, dir.diff(t, plain, plainTables(t)))
	dir.apply(t, prod)
	prod.fillPlain(t)
	acme := prod.tenant(t, "acme")
	require.NoError(t, dir.diff(t, migrate.StratumTables, migrate.Tables))
	require.Positive(t, dir.join(t, migrate.StratumTables, tenantOf(t, acme)))
	dir.apply(t, prod)
	require.Equal(t, newDesk(t).catalog(t), prod.catalog(t))
	prod.settled(t, prod.migrateAgain(t))
	require.Equal(t, 2, prod.client.Ticket.Query().QueryTags().QueryTickets().CountX(acme))
	require.Zero(t, prod.client.Ticket.Query().CountX(prod.tenant(t, "bolt")))
}

// findings are what Verify finds on the tables of the schemas.
func (d desk) findings(t *testing.T) []string {
	t.Helper()
	report, err := ent.StratumVerify(t.Context(), d.client)
	require.NoError(t, err)
	var found []string
	for _, f := range report.AtLeast(core.SeveritySlows) {
		// Roles are those of all databases of the server, and the tables in log are the tools'.
		if f.Code != "system_role_granted" && !strings.Contains(f.Object, `"log"`) {
			found = append(found, string(f.Code)+" "+f.Object)
		}
	}
	return found
}

// A script is what Migrate would do in the database as it is, and undoes nothing there.
func TestScriptIsMigrate(t *testing.T) {
	t.Parallel()
	wanted := newDesk(t).catalog(t)
	d := newStratum(t)
	before := d.catalog(t)
	files, err := ent.StratumScript(t.Context(), d.client, entstratum.ScriptOptions{Version: "7"})
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.Equal(t, "7_stratum.sql", files[0].Name)
	require.Contains(t, string(files[0].Content), "entstratum.Migrate")
	require.Equal(t, before, d.catalog(t))
	d.exec(t, d.OwnerDSN, string(files[0].Content))
	require.Equal(t, wanted, d.catalog(t))
	d.settled(t, d.migrateAgain(t))
	files, err = ent.StratumScript(t.Context(), d.client, entstratum.ScriptOptions{})
	require.NoError(t, err)
	require.Empty(t, files)
}

// Rows of a plain application are given to their tenant by the script, whose id is in it.
func TestScriptGivesRows(t *testing.T) {
	t.Parallel()
	d := newPlainDesk(t)
	_, err := ent.StratumScript(t.Context(), d.client, entstratum.ScriptOptions{})
	require.ErrorIs(t, err, entstratum.ErrExistingRows)
	ctx := d.tenant(t, "acme")
	files, err := ent.StratumScript(t.Context(), d.client, entstratum.ScriptOptions{},
		entstratum.MigrateOptions{ExistingRows: tenantOf(t, ctx)})
	require.NoError(t, err)
	require.Contains(t, string(files[0].Content), tenantOf(t, ctx).String())
	d.exec(t, d.OwnerDSN, string(files[0].Content))
	require.Equal(t, 2, d.client.Ticket.Query().CountX(ctx))
	d.settled(t, d.migrateAgain(t))
}

// Files are run in the order in which their tool runs them.
func TestScriptOrder(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		format entstratum.ScriptFormat
		files  fstest.MapFS
		want   string
	}{
		"goose": {entstratum.Goose, fstest.MapFS{
			"9_a.sql":  {Data: []byte("-- +goose Up\nCREATE TABLE river_job (id int);\n-- +goose Down\nSELECT 1/0;\n")},
			"10_b.sql": {Data: []byte("-- +goose Up\nALTER TABLE river_job ADD x int;\n")},
			"x.sql":    {Data: []byte("SELECT 1/0;")},
		}, "11_stratum.sql"},
		"golang-migrate": {entstratum.GolangMigrate, fstest.MapFS{
			"9_a.up.sql":    {Data: []byte("CREATE TABLE river_job (id int);")},
			"9_a.down.sql":  {Data: []byte("SELECT 1/0;")},
			"10_b.up.sql":   {Data: []byte("ALTER TABLE river_job ADD x int;")},
			"10_b.down.sql": {Data: []byte("SELECT 1/0;")},
			"11_c.sql":      {Data: []byte("SELECT 1/0;")},
		}, "12_stratum.up.sql"},
		"Atlas": {entstratum.Atlas, fstest.MapFS{
			"1_a.sql": {Data: []byte("SELECT 1/0;")},
			"2_b.sql": {Data: []byte("-- atlas:checkpoint\n\nCREATE TABLE river_job (id int);")},
			"3_c.sql": {Data: []byte("ALTER TABLE river_job ADD x int;")},
		}, "4_stratum.sql"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			version, _, _ := strings.Cut(test.want, "_")
			options := entstratum.ScriptOptions{Format: test.format, Dir: test.files, Version: version}
			files, err := ent.StratumScript(t.Context(), newBare(t).client, options)
			require.NoError(t, err)
			require.Equal(t, test.want, files[0].Name)
			options.Version = "8"
			if test.format == entstratum.Atlas {
				options.Version = "2"
			}
			_, err = ent.StratumScript(t.Context(), newBare(t).client, options)
			require.ErrorIs(t, err, entstratum.ErrScript)
			require.ErrorContains(t, err, "would not come last")
		})
	}
}

// A file that cannot be tried out is named, with what to do, which works.
func TestScriptOfFilesOutsideTransactions(t *testing.T) {
	t.Parallel()
	d := newBare(t)
	files := fstest.MapFS{
		"1_a.sql": {Data: []byte("CREATE TABLE river_job (id bigint);")},
		"2_b.sql": {Data: []byte("CREATE INDEX CONCURRENTLY jobs ON river_job (id);")},
	}
	options := entstratum.ScriptOptions{Format: entstratum.Atlas, Dir: files}
	before := d.catalog(t)
	_, err := ent.StratumScript(t.Context(), d.client, options)
	require.ErrorIs(t, err, entstratum.ErrScript)
	for _, text := range []string{`"2_b.sql"`, "cannot run inside a transaction block", "ScriptOptions.Applied"} {
		require.ErrorContains(t, err, text)
	}
	require.Equal(t, before, d.catalog(t))
	for _, name := range []string{"1_a.sql", "2_b.sql"} {
		d.exec(t, d.OwnerDSN, string(files[name].Data))
	}
	_, err = ent.StratumScript(t.Context(), d.client, options)
	require.ErrorIs(t, err, entstratum.ErrScript)
	require.ErrorContains(t, err, "scratch database")
	options.Applied = true
	written, err := ent.StratumScript(t.Context(), d.client, options)
	require.NoError(t, err)
	require.Len(t, written, 2)
	require.Equal(t, "atlas.sum", written[1].Name)
	d.exec(t, d.OwnerDSN, string(written[0].Content))
	d.settled(t, d.migrateAgain(t))
}

// Writers do not queue behind the plan for longer than it is told.
func TestScriptLockTimeout(t *testing.T) {
	t.Parallel()
	d := newPlainDesk(t)
	tenant := tenantOf(t, d.tenant(t, "acme"))
	conn, err := pgx.Connect(t.Context(), d.OwnerDSN)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "SELECT FROM tickets")
	require.NoError(t, err)
	_, err = ent.StratumScript(t.Context(), d.client, entstratum.ScriptOptions{LockTimeout: time.Millisecond},
		entstratum.MigrateOptions{ExistingRows: tenant})
	require.ErrorContains(t, err, "55P03")
	require.NoError(t, tx.Rollback(t.Context()))
}

func TestScriptOptions(t *testing.T) {
	t.Parallel()
	for want, options := range map[string]entstratum.ScriptOptions{
		"format 9 does not exist":      {Format: 9},
		`version "v1" is not a number`: {Version: "v1"},
		`name "../x" cannot be part`:   {Name: "../x"},
		"the lock timeout is negative": {LockTimeout: -1},
	} {
		_, err := entstratum.Script(t.Context(), nil, nil, options, entstratum.MigrateOptions{})
		require.ErrorIs(t, err, entstratum.ErrScript, want)
		require.ErrorContains(t, err, want)
	}
}
